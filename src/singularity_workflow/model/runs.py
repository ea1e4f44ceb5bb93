"""
What is told about runs: metadata of one, summaries of many, and pages of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypedDict, TypeVar
from uuid import UUID

from singularity_workflow.model.statuses import RunStatus

__all__ = ["Page", "RunInfo", "RunMetadata"]

_T = TypeVar("_T")


class RunMetadata(TypedDict):
    """
    Figures and times of one run, as `get_run_status` returns them.

    `completed_steps` does not count skipped ones; `steps` has one mapping a step, in
    the order of step numbers. `duration` is in seconds, from the start to the end or,
    of a live run, to now. `error` is what failed the run, `reason` was given with its
    cancellation. `parent_id` is the run whose child it is; `origin_id` the run that it
    repeats or undoes, as `origin_kind` says: "retry", "fork" or "compensation".
    `compensation_id` is the run that undoes this one.
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
    started_tasks: int
    queued_tasks: int
    waiting_tasks: int
    steps: Sequence[Mapping[str, object]]
    priority: int
    tags: tuple[str, ...]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration: float | None
    reason: str | None
    error: Mapping[str, object] | None
    deadline_at: datetime | None
    paused_at: datetime | None
    metadata: Mapping[str, object]
    parent_id: UUID | None
    origin_id: UUID | None
    origin_kind: str | None
    compensation_id: UUID | None


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
        metadata: What was given to be kept with it.
        parent_id: The run whose child it is.
        origin_id: The run that it repeats or undoes.
        origin_kind: "retry", "fork" or "compensation".
        created_at: When it was asked for.
        started_at: When it started; None while it is pending.
        ended_at: When it ended, in whatever way.
    """

    id: UUID
    workflow: str
    version: str
    status: RunStatus
    priority: int = 0
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    parent_id: UUID | None = None
    origin_id: UUID | None = None
    origin_kind: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


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
