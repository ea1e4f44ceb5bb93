"""
What goals give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import UUID

from singularity_workflow.engine.inspection import to_run_id
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.orchestrator.graphs.graph import TaskGraph
from singularity_workflow.orchestrator.graphs.tree import GoalTree

__all__ = ["GoalResult", "GoalStats", "to_goal_run"]


class GoalStats(TypedDict):
    """
    Figures of one goal.

    Times are in seconds. `tasks` counts the functions of all levels, `expansions` how
    often something was decomposed; `calls` and `tokens` are what decomposers counted.
    """

    tasks: int
    depth: int
    expansions: int
    calls: int
    tokens: int
    revisions: int
    decomposition_time: float
    execution_time: float | None
    optimization_level: str


@dataclass(frozen=True, kw_only=True)
class GoalResult:
    """
    A goal that was reached.

    Args:
        result: The outputs of the final tasks by their ids, or what the graph names as
            its outputs; a compound task's is the same of its own graph.
        run_id: The goal's run.
        graph: The first level of the plan; after revisions that of the last one, with
            the tasks that had completed before.
        tree: All levels of it; without what was decomposed only when it was ready.
        graphs: The chain of plans: the first level of each, the first plan first.
        revisions: How often the plan was made anew.
        stats: Figures.

    .. versionadded:: 0.1
    """

    result: dict[str, Any]
    run_id: UUID
    graph: TaskGraph
    tree: GoalTree = field(repr=False)
    graphs: tuple[TaskGraph, ...] = field(default=(), repr=False)
    revisions: int = 0
    stats: Mapping[str, Any] = field(default_factory=dict)


def to_goal_run(goal: object) -> UUID:
    """
    Return the run of a goal, of whatever names it: a handle, a result or an id.

    Raises:
        InvalidSetting: If it is none of them.
    """
    found = getattr(goal, "id", getattr(goal, "run_id", goal))
    if isinstance(found, (UUID, str)):
        return to_run_id(found)
    raise InvalidSetting(
        f"a goal is named by its GoalHandle, its GoalResult or the id of its run, got "
        f"{goal!r}"
    )
