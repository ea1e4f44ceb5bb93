"""
Make the next plan of a goal of what the last one has done and what a planner answers.

Pure: what was done comes in, a tree comes out. A task that has completed is never
planned again, neither with the same function nor with another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.orchestrator.graphs.graph import Ref, TaskGraph, TaskSpec
from singularity_workflow.orchestrator.graphs.schema_paths import look_up
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.flattening import flatten
from singularity_workflow.orchestrator.planning.plan import kept_key
from singularity_workflow.orchestrator.planning.task_functions import unwrap

__all__ = [
    "Combined",
    "Done",
    "at",
    "combine",
    "level_to_replan",
    "names_of_tasks",
    "prefixed",
    "put",
    "read_outputs",
    "states",
    "subtree",
]

_MISSING: Final = object()
_Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Done:
    """
    What plans of a goal have done so far.

    Args:
        outputs: Of the completed tasks, by `kept_key`.
        skipped: The skipped ones.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()

    @property
    def keys(self) -> list[str]:
        """All that needs not be done, in one order."""
        return sorted({*self.outputs, *self.skipped})

    def without(self, paths: Collection[_Path]) -> Done:
        """Return the same without what is at or below *paths*."""
        heads = [kept_key(path) for path in paths]

        def stays(key: str) -> bool:
            return not any(key == one or key.startswith(f"{one}/") for one in heads)

        return Done(
            outputs={key: one for key, one in self.outputs.items() if stays(key)},
            skipped=frozenset(filter(stays, self.skipped)),
        )

    def has_begun(self, path: _Path) -> bool:
        """Tell whether something at or below *path* was done."""
        head = kept_key(path)
        return any(key == head or key.startswith(f"{head}/") for key in self.keys)

    def output(self, tree: GoalTree, path: _Path) -> Any:
        """Return what the task at *path* gives; `_MISSING` if it is not through."""
        key = kept_key(path)
        if key in self.outputs:
            return self.outputs[key]
        nested = subtree(tree, path)
        if nested is None:
            return _MISSING
        found: dict[str, Any] = {}
        for task in nested.graph.final_tasks:
            here = (*path, task.id)
            if kept_key(here) in self.skipped:
                continue
            found[task.id] = self.output(tree, here)
            if found[task.id] is _MISSING:
                return _MISSING
        if nested.graph.outputs is None:
            return found
        named: dict[str, Any] = {}
        for name, ref in nested.graph.outputs.items():
            output = self.output(tree, (*path, ref.task))
            if output is not _MISSING:
                named[name] = look_up(output, ref.path)
        return named

    def completed(self, tree: GoalTree, level: _Path) -> dict[str, Any]:
        """Return the outputs of the completed tasks of one graph, by id."""
        graph = at(tree, level).graph
        found = {task.id: self.output(tree, (*level, task.id)) for task in graph.tasks}
        return {name: one for name, one in found.items() if one is not _MISSING}


def names_of_tasks(
    tree: GoalTree, *, is_flat: bool, kept: Collection[str]
) -> dict[str, _Path]:
    """Return the path of each task of a plan's run, by the name of its step."""
    plan, _ = flatten(tree, is_flat=is_flat, kept=kept, has_goals=True)
    return {task.id: task.path for task in plan.tasks}


def read_outputs(
    outputs: Mapping[str, Any], steps: Mapping[str, _Path], goals: Collection[str]
) -> dict[str, Any]:
    """
    Return the outputs of a plan's run, by `kept_key`.

    Args:
        outputs: By the names of steps.
        steps: The paths of tasks by those names.
        goals: The steps that are runs of goals.
    """
    found: dict[str, Any] = {}
    for name, path in steps.items():
        if name in outputs:
            output = outputs[name]
            if name in goals:
                is_map = isinstance(output, list)
                output = [*map(unwrap, output)] if is_map else unwrap(output)
            found[kept_key(path)] = output
    return found


def level_to_replan(tree: GoalTree, path: _Path, *, is_asked: bool) -> _Path | None:
    """
    Return the path of the graph that must be planned anew; None: the goal fails.

    Args:
        tree: The plan.
        path: The task that failed.
        is_asked: Whether it asked for that itself.
    """
    if is_asked:
        return path[:-1]
    for length in range(len(path), 0, -1):
        graph = at(tree, path[: length - 1]).graph
        task = next(one for one in graph.tasks if one.id == path[length - 1])
        if task.on_failure == "replan":
            return path[: length - 1]
    return None


def subtree(tree: GoalTree, path: _Path) -> GoalTree | None:
    """Return the tree at *path*, None if there is none."""
    found: GoalTree | None = tree
    for name in path:
        if found is None:
            return None
        found = found.nested.get(name)
    return found


def at(tree: GoalTree, path: _Path) -> GoalTree:
    """Return the tree at *path*, which there is."""
    found = subtree(tree, path)
    assert found is not None
    return found


def put(tree: GoalTree, path: _Path, new: GoalTree) -> GoalTree:
    """Return *tree* with another one at *path*."""
    if not path:
        return new
    name, rest = path[0], path[1:]
    inner = put(tree.nested[name], rest, new)
    return GoalTree.model_construct(
        graph=tree.graph, nested={**tree.nested, name: inner}
    )


@dataclass(frozen=True, kw_only=True)
class Combined:
    """
    A graph of what was done and what is left.

    Args:
        graph: The graph.
        known: What its tasks were decomposed into before, by id.
        dropped: Ids of tasks whose work is not needed any more.
        issues: What is wrong with what is left.
    """

    graph: TaskGraph
    known: Mapping[str, GoalTree]
    dropped: tuple[str, ...]
    issues: tuple[Issue, ...]


def combine(tree: GoalTree, level: _Path, done: Done, remainder: TaskGraph) -> Combined:
    """
    Return the next graph at *level*: what has completed there, and the remainder.

    A task of the remainder that is as it was stays as it is, with all that was done of
    it; another one with the id of a task that was begun is an issue.
    """
    old = at(tree, level)
    through = done.completed(tree, level)
    skipped = {
        task.id
        for task in old.graph.tasks
        if kept_key((*level, task.id)) in done.skipped
    }
    before = {task.id: task for task in old.graph.tasks}
    issues: list[Issue] = []
    left: list[TaskSpec] = []
    for number, task in enumerate(remainder.tasks):
        is_same = before.get(task.id) == task
        if task.id in through:
            if not is_same:
                issues.append(_redefined(number, task, "has completed"))
            continue
        begun = task.id not in skipped and done.has_begun((*level, task.id))
        if begun and not is_same:
            issues.append(_redefined(number, task, "is completed in part"))
        left.append(task)
    ours = {task.id for task in left}
    stays = [
        task
        for task in old.graph.tasks
        if task.id not in ours and (task.id in through or task.id in skipped)
    ]
    same = {task.id for task in left if before.get(task.id) == task}
    known = {
        name: one for name, one in old.nested.items() if name in through or name in same
    }
    graph = TaskGraph.model_construct(
        version=1,
        goal=old.graph.goal,
        tasks=(*stays, *left),
        outputs=remainder.outputs,
    )
    if graph.outputs is None:
        graph = graph.model_copy(update={"outputs": _outputs(old.graph, graph, stays)})
    dropped = tuple(
        name
        for name in before
        if name not in through
        and not (name in skipped and name not in ours)
        and name not in same
    )
    return Combined(graph=graph, known=known, dropped=dropped, issues=tuple(issues))


def _outputs(
    old: TaskGraph, graph: TaskGraph, stays: Collection[TaskSpec]
) -> dict[str, Ref] | None:
    """
    Return what the result is, if nobody has said it.

    What it was, if that is still there; else the final tasks, without those that have
    completed on the way to something that was given up.
    """
    ids = {task.id for task in graph.tasks}
    if old.outputs is not None and all(one.task in ids for one in old.outputs.values()):
        return old.outputs
    finals = [task.id for task in graph.final_tasks]
    before = {task.id for task in old.final_tasks}
    idle = {task.id for task in stays} - before
    wanted = [name for name in finals if name not in idle]
    if len(wanted) == len(finals) or not wanted:
        return None
    return {name: Ref(task=name) for name in wanted}


def _redefined(number: int, task: TaskSpec, what: str) -> Issue:
    return Issue(
        code="completed_task",
        pointer=json_pointer("tasks", number, "id"),
        message=f"task {task.id!r} {what}, and cannot be planned again",
        hint="Refer to it as it is, or give the new task another id.",
    )


def states(
    tree: GoalTree, level: _Path, steps: Mapping[_Path, str], done: Done
) -> tuple[list[str], list[str]]:
    """
    Return the ids of the tasks of a graph that were under way, and those that were not.

    Args:
        tree: The plan.
        level: Where the graph is.
        steps: Statuses of the steps that had begun, by path.
        done: What is through.
    """
    completed = done.completed(tree, level)
    running: list[str] = []
    pending: list[str] = []
    for task in at(tree, level).graph.tasks:
        here = (*level, task.id)
        if task.id in completed or kept_key(here) in done.skipped:
            continue
        begun = any(path[: len(here)] == here for path in steps)
        (running if begun else pending).append(task.id)
    return running, pending


def prefixed(issues: Collection[Issue], pointer: str) -> Iterator[Issue]:
    """Yield issues of a nested graph with pointers into the tree."""
    for issue in issues:
        yield replace(issue, pointer=pointer + issue.pointer)
