"""
What a decomposer is told besides the goal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from singularity_workflow.model.issues import Issue
from singularity_workflow.orchestrator.graphs.catalog import CatalogView
from singularity_workflow.orchestrator.graphs.graph import TaskGraph, TaskSpec
from singularity_workflow.orchestrator.graphs.limits import Budget, Limits
from singularity_workflow.orchestrator.graphs.reading import parse_graph

__all__ = ["DecomposeContext", "Failure", "ReplanContext"]


def _check(answer: object) -> list[Issue]:
    """Tell what shows without a catalog."""
    return parse_graph(answer)[1]


def _ignore(name: str, members: Mapping[str, Any]) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """
    Something that went wrong before, for a decomposer to learn from.

    Args:
        task: Id of the task that failed, None if it was a plan.
        kind: Name of the exception, or the code of an issue.
        message: What it said.
        attempts: How often the task was tried.
        issues: Of a plan: what was wrong with it.

    .. versionadded:: 0.1
    """

    task: str | None = None
    kind: str = ""
    message: str = ""
    attempts: int = 0
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DecomposeContext:
    """
    Where a goal stands, and what may be used for it.

    Args:
        depth: Level of the goal: 1 for the first.
        path: Ids of the tasks from the first goal to this one.
        catalog: The functions that tasks may use.
        limits: What may not be exceeded.
        budget: What was used of it; a decomposer that calls a model adds to it.
        inputs: What the goal's tasks will find in their input, as far as it is known.
        siblings: The other tasks of the graph that this goal is a task of.
        failures: What went wrong in earlier attempts.
        attempt: Which attempt this is, from 1.
        seed: A number for decomposers that draw lots: the same for the same goal.
        stats: What was learned of the functions, by name.
        goal_hash: See `goal_hash`.
        check: Tells what is wrong with an answer, so that it can be mended.
        notify: Told of what happens meanwhile, as name and members of an event.

    .. versionadded:: 0.1
    """

    depth: int = 1
    path: tuple[str, ...] = ()
    catalog: CatalogView = field(default_factory=CatalogView)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=lambda: Budget(Limits()))
    inputs: Mapping[str, Any] = field(default_factory=dict)
    siblings: Sequence[TaskSpec] = ()
    failures: Sequence[Failure] = ()
    attempt: int = 1
    seed: int = 0
    stats: Mapping[str, Any] = field(default_factory=dict)
    goal_hash: str = ""
    check: Callable[[object], list[Issue]] = field(default=_check, repr=False)
    notify: Callable[[str, Mapping[str, Any]], None] = field(
        default=_ignore, repr=False
    )


@dataclass(frozen=True, kw_only=True)
class ReplanContext(DecomposeContext):
    """
    What has become of a plan that cannot go on as it is.

    The answer is the remainder: tasks that come instead of those which have not
    completed. Completed ones can be referred to, and are neither run nor changed.

    Args:
        graph: The plan.
        completed: Outputs of the completed tasks, by id.
        failed: What stopped it.
        running: Ids of tasks that were under way.
        pending: Ids of tasks that had not begun.
        revision: Number of the plan that is asked for: 1 for the first that replaces.

    .. versionadded:: 0.1
    """

    graph: TaskGraph
    completed: Mapping[str, Any] = field(default_factory=dict)
    failed: Failure = field(default_factory=Failure)
    running: Sequence[str] = ()
    pending: Sequence[str] = ()
    revision: int = 1
