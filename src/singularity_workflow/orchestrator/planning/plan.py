"""
Plans: the tasks that one run has, and where each gets what it needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from singularity_workflow.orchestrator.graphs.graph import (
    TaskSpec,
)
from singularity_workflow.orchestrator.graphs.tree import GoalTree

__all__ = [
    "Group",
    "Kept",
    "Output",
    "Plan",
    "PlannedTask",
    "Scope",
    "Source",
    "is_kept",
    "kept_key",
    "leaves",
]


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

    @property
    def own_sources(self) -> list[Source]:
        """What it is made of, but for the scopes around it."""
        given = [one for one in self.args.values() if isinstance(one, Source)]
        return [*self.sources.values(), *given]


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
                    one.task for one in leaves(source) if isinstance(one, Output)
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
            waiting += scope.own_sources
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
            for leaf in leaves(source)
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
    return any(isinstance(one, Kept) for one in leaves(source))


def leaves(source: Source) -> Iterator[Output | Kept]:
    """Yield the outputs that a source is made of."""
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
        name: one for name, one in scope.args.items() if not isinstance(one, Source)
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
