"""
The statuses of runs, steps and tasks, under the names that the database stores.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["RunStatus", "StepStatus", "TaskStatus", "WaitReason"]


class RunStatus(StrEnum):
    """Where a run is; `PENDING` has a start time ahead."""

    PENDING = "pending"
    STARTED = "started"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class StepStatus(StrEnum):
    """Where a step of a run is; `CREATED` waits for its dependencies."""

    CREATED = "created"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the step has ended."""
        return self not in (StepStatus.CREATED, StepStatus.STARTED)


class TaskStatus(StrEnum):
    """Where a task is; `WAITING` has a `WaitReason`, `QUEUED` has a message."""

    WAITING = "waiting"
    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the task has ended."""
        return self not in (TaskStatus.WAITING, TaskStatus.QUEUED, TaskStatus.STARTED)


class WaitReason(StrEnum):
    """What a waiting task waits for."""

    DELAY = "delay"
    RETRY = "retry"
    PAUSED = "paused"
    LIMIT = "limit"
    UNSERVED = "unserved"
    MAP_WINDOW = "map_window"
    CHILD = "child"
