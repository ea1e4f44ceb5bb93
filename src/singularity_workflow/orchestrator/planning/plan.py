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
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import Any, Final, TypeAlias

import orjson

from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.orchestrator.graphs.graph import (
    MAX_ID_LENGTH,
    Ref,
    TaskGraph,
    TaskSpec,
)
from singularity_workflow.orchestrator.graphs.schema_paths import tokens
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.step_names import OUTPUTS

__all__ = [
    "Group",
    "Kept",
    "Output",
    "Plan",
    "PlannedTask",
    "Scope",
    "Source",
    "flatten",
    "is_kept",
    "kept_key",
]

ID_SEPARATOR: Final = "__"

MAX_EDGES: Final = 200_000
"""Of nested goals in one run: who waits for a goal waits for each of its last tasks."""

_Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """
    The output of a planned task, or what *path* points to in it.

    With *is_goal* the task is a run of a goal, in whose result the output is.
    """

    task: str
    path: str = ""
    is_goal: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """The same of a task that an earlier plan of the goal has completed."""

    task: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What a compound task gives: the outputs of its final tasks by their names."""

    members: Mapping[str, Source]


Source: TypeAlias = Output | Kept | Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """
    What the tasks of one nested graph have as their run input.

    Args:
        goal: The graph's goal.
        args: What its task gives as arguments: values, or where they come from.
        sources: Outputs on which its task depends, by name.
        outer: The scope around it, None for that of the run's input itself.
    """

    goal: Any
    args: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    outer: Scope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """
    A task of the plan.

    Args:
        id: Unique in the plan.
        path: Ids from the top graph to the task.
        spec: The task as its own graph has it.
        sources: What it depends on, by the names in its own graph.
        args: Its arguments that are references.
        over: What it maps over.
        scope: What it has as its run input; None for the run's.
        waits_for: Further planned tasks that must end first.
        nested: The plan of the child run that it is, if it is one.
        is_goal: Whether it is, or may become, a goal with a run of its own.
        tree: What its goal was decomposed into, if that is known.
    """

    id: str
    path: tuple[str, ...]
    spec: TaskSpec
    sources: Mapping[str, Source] = field(default_factory=dict)
    args: Mapping[str, Source] = field(default_factory=dict)
    over: Source | None = None
    scope: Scope | None = None
    waits_for: tuple[str, ...] = ()
    nested: Plan | None = None
    is_goal: bool = False
    tree: GoalTree | None = None

    def needs(self, *, with_scope: bool) -> tuple[str, ...]:
        """
        Return the ids of the planned tasks on which this one depends.

        Args:
            with_scope: Whether it sees its run input, and so what that is made of.
        """
        found: dict[str, None] = {}
        for source in self.all_sources(with_scope=with_scope):
            found.update(
                dict.fromkeys(
                    one.task for one in _leaves(source) if isinstance(one, Output)
                )
            )
        found.update(dict.fromkeys(self.waits_for))
        found.pop(self.id, None)
        return tuple(found)

    def all_sources(self, *, with_scope: bool) -> list[Source]:
        """Return all that the task gets outputs from; see `needs`."""
        waiting: list[Source] = [*self.sources.values(), *self.args.values()]
        if self.over is not None:
            waiting.append(self.over)
        scope = self.scope
        while with_scope and scope is not None:
            waiting += scope.sources.values()
            waiting += [
                one
                for one in scope.args.values()
                if isinstance(one, (Output, Kept, Group))
            ]
            scope = scope.outer
        return waiting

    def has_kept(self, *, with_scope: bool) -> bool:
        """Tell whether it needs outputs of an earlier plan."""
        return any(map(is_kept, self.all_sources(with_scope=with_scope)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    The tasks of one run, from all levels of a goal.

    Args:
        goal: The goal.
        tasks: The tasks, in the order of the graphs.
        outputs: What the result is, by name; None if it is just the final tasks'.

    .. versionadded:: 0.1
    """

    goal: Any
    tasks: tuple[PlannedTask, ...]
    outputs: Mapping[str, Source] | None = None

    @property
    def needed(self) -> set[str]:
        """Of the tasks that earlier plans have completed those that this one needs."""
        sources = [
            one for task in self.tasks for one in task.all_sources(with_scope=True)
        ]
        sources += (self.outputs or {}).values()
        return {
            leaf.task
            for source in sources
            for leaf in _leaves(source)
            if isinstance(leaf, Kept)
        }

    @property
    def digest(self) -> str:
        """The SHA-256 of all that decides what a run of the plan does, in hex."""
        return hashlib.sha256(
            orjson.dumps(_describe_plan(self), option=orjson.OPT_SORT_KEYS)
        ).hexdigest()


def kept_key(path: tuple[str, ...]) -> str:
    """Return what the output of the task at *path* is kept as."""
    return "/".join(path)


def is_kept(source: Source) -> bool:
    """Tell whether anything of a source is of an earlier plan."""
    return any(isinstance(one, Kept) for one in _leaves(source))


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
        found = [
            *scope.sources.values(),
            *(v for v in scope.args.values() if isinstance(v, (Output, Kept, Group))),
        ]
        count = sum(1 for one in found for _ in _leaves(one))
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


def _leaves(source: Source) -> Iterator[Output | Kept]:
    waiting = [source]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Group):
            waiting += reversed(list(one.members.values()))
        else:
            yield one


def _describe_plan(plan: Plan) -> dict[str, Any]:
    # thousands of tasks may have one scope, which may be large
    scopes: dict[int, int] = {}
    listed: list[Any] = []
    for task in plan.tasks:
        scope = task.scope
        while scope is not None and id(scope) not in scopes:
            scopes[id(scope)] = len(scopes)
            listed.append(scope)
            scope = scope.outer
    return {
        "tasks": [_describe_task(task, scopes) for task in plan.tasks],
        "outputs": _describe(plan.outputs),
        "scopes": [_describe_scope(one, scopes) for one in listed],
    }


def _describe_scope(scope: Scope, numbers: Mapping[int, int]) -> list[Any]:
    values = {
        name: one
        for name, one in scope.args.items()
        if not isinstance(one, (Output, Kept, Group))
    }
    given = {k: v for k, v in scope.args.items() if k not in values}
    outer = None if scope.outer is None else numbers[id(scope.outer)]
    return [scope.goal, values, _describe(given), _describe(scope.sources), outer]


def _describe_task(task: PlannedTask, scopes: Mapping[int, int]) -> dict[str, Any]:
    spec = task.spec.model_dump(mode="json", exclude={"description"})
    told: dict[str, Any] = {
        "id": task.id,
        "spec": {key: one for key, one in spec.items() if one},
        "sources": _describe(task.sources),
        "refs": _describe(task.args),
        "over": None if task.over is None else _describe({"": task.over}),
        "waits_for": list(task.waits_for),
        "nested": None if task.nested is None else _describe_plan(task.nested),
    }
    if task.is_goal:
        told["goal"] = None if task.tree is None else task.tree.to_json()
    if task.scope is not None:
        told["scope"] = scopes[id(task.scope)]
    return told


def _describe(sources: Mapping[str, Source] | None) -> Any:
    """Return sources as plain values; groups are no deeper than graphs."""
    if sources is None:
        return None
    return {
        name: _describe(one.members)
        if isinstance(one, Group)
        else [one.task, one.path, *_marks(one)]
        for name, one in sources.items()
    }


def _marks(source: Output | Kept) -> list[str]:
    if isinstance(source, Kept):
        return ["kept"]
    return ["goal"] if source.is_goal else []
