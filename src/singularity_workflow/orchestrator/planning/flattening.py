"""
Flatten a tree of goals into tasks that one run can have.

A task of a nested graph is called `parent__child`. Edges into a compound task go to the
tasks of its graph that wait for nothing else in it; who waits for it waits for its
final ones, and sees their outputs as one mapping. Each planned task keeps the names
that its own graph has for what it needs, so that its function gets the same in a flat
run as in a run of its own graph.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from keyword import iskeyword
from typing import Final, TypeAlias

from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.orchestrator.graphs.graph import (
    MAX_ID_LENGTH,
    Ref,
    TaskGraph,
    TaskSpec,
)
from singularity_workflow.orchestrator.graphs.schema_paths import tokens
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.plan import (
    Group,
    Kept,
    Output,
    Plan,
    PlannedTask,
    Scope,
    Source,
    kept_key,
    leaves,
)
from singularity_workflow.orchestrator.planning.step_names import OUTPUTS

__all__ = ["flatten"]

ID_SEPARATOR: Final = "__"

MAX_EDGES: Final = 200_000
"""Of nested goals in one run: who waits for a goal waits for each of its last tasks."""

_Path: TypeAlias = tuple[str, ...]


def flatten(
    tree: GoalTree | TaskGraph,
    *,
    is_flat: bool = True,
    kept: Collection[str] = (),
    has_goals: bool = False,
) -> tuple[Plan, list[Issue]]:
    """
    Return the tasks of all levels as one plan, and what refers to nothing.

    Args:
        tree: A goal and what it was decomposed into; or a graph of primitive tasks.
        is_flat: False: each nested graph is a plan of its own, for a child run. So are
            always those of compound tasks that map, or have a retry, a timeout or
            another `on_failure` of their own.
        kept: The tasks that an earlier plan has completed, as of `kept_key`.
        has_goals: Whether what is no part of this run becomes a run of a goal, which is
            decomposed when it is ready, if that was not done before.

    Returns:
        The plan, and the issues of references into compound tasks; with issues the
        plan is not to be used.

    .. versionadded:: 0.1
    """
    if isinstance(tree, TaskGraph):
        tree = GoalTree(graph=tree)
    flattener = _Flattener(
        tree, is_flat=is_flat, kept=frozenset(kept), has_goals=has_goals
    )
    plan = flattener.plan()
    return plan, flattener.issues


class _Flattener:
    """
    Plan one tree.

    Args:
        tree: What is to be planned.
        is_flat: Whether nested graphs are planned here, or as runs of their own.
        kept: What needs not be done again.
        has_goals: Whether runs of their own are runs of goals.
    """

    def __init__(
        self,
        tree: GoalTree,
        *,
        is_flat: bool,
        kept: frozenset[str] = frozenset(),
        has_goals: bool = False,
    ) -> None:
        self._kept = kept
        self._has_goals = has_goals
        self.issues: list[Issue] = []
        self._goal = tree.graph.goal
        self._is_flat = is_flat
        self._levels: dict[_Path, _Level] = {}
        self._children: dict[_Path, Plan] = {}
        self._goals: dict[_Path, GoalTree | None] = {}
        self._ids: dict[_Path, str] = {}
        self._sources: dict[_Path, Source] = {}
        self._place(tree)

    def plan(self) -> Plan:
        top = self._levels[()]
        tasks: list[PlannedTask] = []
        left, seen = MAX_EDGES, {id(None): 0}
        for task in self._tasks():
            tasks.append(task)
            left -= len(task.waits_for) + _edges_of(task.scope, seen)
            if left < 0 and len(self._levels) > 1:
                self._add_too_many()
                break
        return Plan(goal=self._goal, tasks=tuple(tasks), outputs=self._outputs(top))

    def _place(self, top: GoalTree) -> None:
        """Give every task its id, level by level: the upper ones keep theirs."""
        taken: set[str] = set()
        waiting: list[tuple[_Path, GoalTree, str, _Level | None]] = [
            ((), top, "", None)
        ]
        for path, tree, pointer, outer in waiting:
            level = _Level(path, tree.graph, pointer, outer)
            self._levels[path] = level
            for number, task in enumerate(tree.graph.tasks):
                here = (*path, task.id)
                self._ids[here] = _unique_id(here, taken)
                nested = tree.nested.get(task.id)
                if nested is None:
                    if self._has_goals and task.becomes_goal:
                        self._goals[here] = None
                    continue
                inner = f"{pointer}{json_pointer('tasks', number)}"
                if self._is_flat and _can_be_flat(task):
                    waiting.append((here, nested, inner, level))
                elif self._has_goals:
                    self._goals[here] = nested
                else:
                    child, issues = flatten(nested, is_flat=self._is_flat)
                    self._children[here] = child
                    self.issues += [
                        replace(one, pointer=inner + one.pointer) for one in issues
                    ]

    def _tasks(self) -> Iterator[PlannedTask]:
        """Yield the tasks, those of a nested graph in the place of their goal."""
        waiting = [iter(self._members(()))]
        while waiting:
            one = next(waiting[-1], None)
            if one is None:
                waiting.pop()
            elif isinstance(one, PlannedTask):
                yield one
            else:
                waiting.append(iter(self._members(one)))

    def _members(self, path: _Path) -> Iterator[PlannedTask | _Path]:
        level = self._levels[path]
        for number, task in enumerate(level.graph.tasks):
            here = (*path, task.id)
            pointer = f"{level.pointer}{json_pointer('tasks', number)}"
            sources = {name: self._source(path, name) for name in task.needs}
            args = {
                name: self._resolve(path, ref, pointer + json_pointer("args", name))
                for name, ref in task.refs.items()
            }
            if here in self._levels:
                self._enter(here, task, sources, args)
                yield here
                continue
            if self._is_kept(here):
                continue
            over = None
            if task.map_over is not None:
                over = self._over(path, task, f"{pointer}/map_over")
            ends = [end for name in task.needs for end in self._ends(path, name)]
            waits_for = tuple(dict.fromkeys(ends)) or level.waits_for
            yield PlannedTask(
                id=self._ids[here],
                path=here,
                spec=task,
                sources=sources,
                args=args,
                over=over,
                scope=level.scope,
                waits_for=waits_for,
                nested=self._children.get(here),
                is_goal=here in self._goals,
                tree=self._goals.get(here),
            )

    def _is_kept(self, path: _Path) -> bool:
        return bool(self._kept) and kept_key(path) in self._kept

    def _enter(
        self,
        path: _Path,
        task: TaskSpec,
        sources: Mapping[str, Source],
        args: Mapping[str, Source],
    ) -> None:
        """Say what the tasks of a nested graph begin with."""
        level = self._levels[path]
        outer = level.outer
        assert outer is not None
        level.scope = Scope(
            goal=task.goal,
            args={**task.args, **args},
            sources=sources,
            outer=outer.scope,
        )
        ends = [end for name in task.needs for end in self._ends(path[:-1], name)]
        level.waits_for = tuple(dict.fromkeys(ends)) or outer.waits_for

    def _source(self, path: _Path, name: str) -> Source:
        """Return what the task *name* of a graph gives."""
        here = (*path, name)
        found = self._sources.get(here)
        if found is None:
            level = self._levels.get(here)
            if level is None and self._is_kept(here):
                found = Kept(kept_key(here))
            elif level is None:
                child = self._children.get(here)
                is_wrapped = child is not None and child.outputs is not None
                path_in_it = f"/{OUTPUTS}" if is_wrapped else ""
                found = Output(self._ids[here], path_in_it, here in self._goals)
            else:
                found = Group(self._outputs(level, is_group=True) or {})
            self._sources[here] = found
        return found

    def _outputs(
        self, level: _Level, *, is_group: bool = False
    ) -> Mapping[str, Source] | None:
        """Return what a graph gives by name; None if the run's result says it."""
        path, graph = level.path, level.graph
        if graph.outputs is not None:
            return {
                name: self._resolve(
                    path, ref, f"{level.pointer}{json_pointer('outputs', name)}"
                )
                for name, ref in graph.outputs.items()
            }
        found = {task.id: self._source(path, task.id) for task in level.finals}
        is_plain = all(one == Output(name) for name, one in found.items())
        return None if is_plain and not is_group else found

    def _resolve(self, path: _Path, ref: Ref, pointer: str) -> Source:
        found = self._source(path, ref.task)
        parts = tokens(ref.path)
        for number, part in enumerate(parts):
            if not isinstance(found, Group):
                return replace(found, path=found.path + json_pointer(*parts[number:]))
            if part not in found.members:
                listed = ", ".join(map(repr, found.members))
                self._add(
                    f"{pointer}/path",
                    f"{ref.path!r} of {ref.task!r}: it gives no {part!r}",
                    f"It gives {listed}.",
                )
                return Group({})
            found = found.members[part]
        return found

    def _over(self, path: _Path, task: TaskSpec, pointer: str) -> Source:
        assert task.map_over is not None
        found = self._resolve(path, task.map_over, pointer)
        if isinstance(found, Group) and found.members:
            listed = ", ".join(map(repr, found.members))
            self._add(
                f"{pointer}/path",
                f"task {task.id!r} maps over all that {task.map_over.task!r} gives, "
                "which is no array",
                f"Map over one of {listed}.",
            )
        return found

    def _ends(self, path: _Path, name: str) -> list[str]:
        """Return the planned tasks whose end is the end of the task *name*."""
        found: list[str] = []
        waiting = [(*path, name)]
        while waiting:
            here = waiting.pop()
            level = self._levels.get(here)
            if level is None:
                if not self._is_kept(here):
                    found.append(self._ids[here])
            else:
                waiting += [(*here, task.id) for task in reversed(level.finals)]
        return found

    def _add_too_many(self) -> None:
        self.issues.append(
            Issue(
                code="fan_out_limit",
                pointer="/tasks",
                message="the tasks of nested goals would wait for each other in more "
                f"than {MAX_EDGES} ways",
                hint="Let each goal end with one task, or use preserve_structure=True.",
            )
        )

    def _add(self, pointer: str, message: str, hint: str) -> None:
        self.issues.append(
            Issue(code="bad_ref_path", pointer=pointer, message=message, hint=hint)
        )


class _Level:
    """A graph that is planned, and what its tasks begin with."""

    def __init__(
        self, path: _Path, graph: TaskGraph, pointer: str, outer: _Level | None
    ) -> None:
        self.path = path
        self.graph = graph
        self.pointer = pointer
        self.outer = outer
        self.finals = graph.final_tasks
        self.scope: Scope | None = None
        self.waits_for: tuple[str, ...] = ()


def _edges_of(scope: Scope | None, seen: dict[int, int]) -> int:
    """Return how many outputs a scope is made of; *seen* keeps it by identity."""
    if id(scope) not in seen:
        assert scope is not None
        count = sum(1 for one in scope.own_sources for _ in leaves(one))
        seen[id(scope)] = count + _edges_of(scope.outer, seen)
    return seen[id(scope)]


def _can_be_flat(task: TaskSpec) -> bool:
    """Tell whether nothing that is said of a compound task needs a run of its own."""
    return (
        task.is_compound
        and task.map_over is None
        and task.retry is None
        and task.timeout is None
        and task.on_failure in ("fail", "replan")
    )


def _unique_id(path: _Path, taken: set[str]) -> str:
    """Return the id of a task in the plan, and take it."""
    name = ID_SEPARATOR.join(path)
    tries = 0
    # functions take outputs by name, which none can under a word of Python
    while name in taken or len(name) > MAX_ID_LENGTH or iskeyword(name):
        text = "/".join(path) + (f"/{tries}" if tries else "")
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        kept = MAX_ID_LENGTH - len(digest) - 1
        name = f"{ID_SEPARATOR.join(path)[:kept]}_{digest}"
        tries += 1
    taken.add(name)
    return name
