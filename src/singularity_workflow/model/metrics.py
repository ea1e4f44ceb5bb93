"""
How much waits and how much is under way, at one moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from singularity_workflow.model.statuses import RunStatus, TaskStatus

__all__ = ["Metrics", "QueueMetrics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMetrics:
    """
    One queue that has messages.

    Args:
        queue: Its name; `local` stands for those of all local runs.
        depth: How many tasks wait in it.
        oldest_seconds: How long the oldest of them has waited, in seconds.
        is_capped: Whether counting stopped at a limit, and there may be more.

    .. versionadded:: 0.1
    """

    queue: str
    depth: int
    oldest_seconds: float
    is_capped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """
    What a database holds that has not ended.

    Counts stop at 10,000, so that a look costs little even when much is open.

    Args:
        queues: Those that have messages, by name.
        runs: Open runs by status; one that is absent has none.
        tasks: Tasks of their started steps that have not ended, by status.
        are_runs_capped: Whether there may be more runs than were counted.
        are_tasks_capped: Whether there may be more tasks.

    .. versionadded:: 0.1
    """

    queues: tuple[QueueMetrics, ...]
    runs: Mapping[RunStatus, int]
    tasks: Mapping[TaskStatus, int]
    are_runs_capped: bool
    are_tasks_capped: bool
