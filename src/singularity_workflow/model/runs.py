"""
What is told about runs: metadata of one, summaries of many, and pages of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NotRequired, TypedDict, TypeVar
from uuid import UUID

from singularity_workflow.model.statuses import RunStatus

__all__ = ["Page", "RunInfo", "RunMetadata"]

_T = TypeVar("_T")


class RunMetadata(TypedDict):
    """
    Figures and times of one run, as `get_run_status` returns them.

    `completed_steps` does not count skipped ones. `duration` is in seconds, from
    the start to the end or, of a live run, to now.
    """

    run_id: UUID
    workflow: str
    version: str
    status: RunStatus
    total_steps: int
    completed_steps: int
    skipped_steps: int
    failed_steps: int
    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    priority: int
    tags: tuple[str, ...]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    duration: float | None
    error: Mapping[str, object] | None
    input: NotRequired[object]
    output: NotRequired[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """
    One run in a list.

    Args:
        id: The run's id.
        workflow: Name of its workflow.
        version: Version of the workflow that it runs.
        status: Where it is.
        priority: Its priority.
        tags: Its tags.
        created_at: When it was asked for.
        started_at: When it started; None while it is pending.
        completed_at: When it completed, if it did.
        failed_at: When it failed, if it did.
        cancelled_at: When it was cancelled, if it was.
        error: The error of the task that failed it.
    """

    id: UUID
    workflow: str
    version: str
    status: RunStatus
    priority: int = 0
    tags: tuple[str, ...] = ()
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    error: Mapping[str, object] | None = None

    @property
    def ended_at(self) -> datetime | None:
        """When the run ended, in whatever way."""
        return self.completed_at or self.failed_at or self.cancelled_at


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """
    A part of a long list.

    Args:
        items: The members of this page.
        next_cursor: Where the next page begins; None if this is the last one.
    """

    items: list[_T]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[_T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
