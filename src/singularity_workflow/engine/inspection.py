"""
What there is to know about runs, read from the database.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.metrics import Metrics, QueueMetrics
from singularity_workflow.model.runs import Page, RunInfo, RunMetadata
from singularity_workflow.model.statuses import RunStatus, TaskStatus
from singularity_workflow.model.workflow_info import StepInfo, WorkflowInfo

__all__ = [
    "read_cursor",
    "read_limit",
    "read_statuses",
    "read_time",
    "read_worker_ids",
    "to_metadata",
    "to_metrics",
    "to_page",
    "to_run_id",
    "to_workflow_info",
]

_PREFIX: Final = b"r1:"
_LARGEST_PAGE: Final = 1_000


def to_run_id(value: UUID | str) -> UUID:
    """
    Return a run id, whichever way it was written.

    Raises:
        InvalidSetting: If it is no uuid.
    """
    return _to_id(value, "run", "Run ids are uuids, such as handle.id or RunInfo.id.")


def read_worker_ids(values: Iterable[UUID | str]) -> list[UUID]:
    """
    Return worker ids, whichever way they were written.

    Raises:
        InvalidSetting: If one is no uuid.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidSetting(f"worker_ids must be several ids, got {values!r}")
    hint = "Worker ids are uuids, as in the table singularity_workflow.workers."
    return [_to_id(one, "worker", hint) for one in values]


def to_metrics(data: Mapping[str, Any]) -> Metrics:
    """Return what `metrics` told, in the types of the API."""
    return Metrics(
        queues=tuple(QueueMetrics(**one) for one in data["queues"]),
        runs={RunStatus(status): count for status, count in data["runs"].items()},
        tasks={TaskStatus(status): count for status, count in data["tasks"].items()},
        are_runs_capped=data["are_runs_capped"],
        are_tasks_capped=data["are_tasks_capped"],
    )


def to_metadata(data: Mapping[str, Any]) -> tuple[RunStatus, RunMetadata]:
    """Return what `run_status` told, in the types of the API."""
    status = RunStatus(data["status"])
    started, ended = _time(data["started_at"]), _time(data["ended_at"])
    duration = None
    if started is not None:
        duration = ((ended or datetime.now(UTC)) - started).total_seconds()
    created = _time(data["created_at"])
    assert created is not None
    return status, RunMetadata(
        run_id=UUID(data["run_id"]),
        workflow=data["workflow"],
        version=data["version"],
        status=status,
        total_steps=data["total_steps"],
        completed_steps=data["completed_steps"],
        skipped_steps=data["skipped_steps"],
        failed_steps=data["failed_steps"],
        total_tasks=data["total_tasks"],
        completed_tasks=data["completed_tasks"],
        failed_tasks=data["failed_tasks"],
        started_tasks=data["started_tasks"],
        queued_tasks=data["queued_tasks"],
        waiting_tasks=data["waiting_tasks"],
        steps=data["steps"] or [],
        priority=data["priority"],
        tags=tuple(data["tags"]),
        created_at=created,
        started_at=started,
        ended_at=ended,
        duration=duration,
        reason=data["reason"],
        error=data["error"],
        deadline_at=_time(data["deadline_at"]),
        paused_at=_time(data["paused_at"]),
        metadata=data["metadata"] or {},
        parent_id=_id(data["parent_id"]),
        origin_id=_id(data["origin_id"]),
        origin_kind=data["origin_kind"],
        compensation_id=_id(data["compensation_id"]),
    )


def to_workflow_info(data: Mapping[str, Any]) -> WorkflowInfo:
    """Return what `read_flow` told, in the types of the API."""
    return WorkflowInfo(
        name=data["name"],
        version=data["version"],
        is_draft=data["draft"] is not None,
        steps=tuple(
            StepInfo(
                name=step["name"],
                number=number,
                kind=StepKind(step["kind"]),
                depends_on=tuple(step["depends_on"]),
                over=step["over"],
                initial_tasks=step["initial_tasks"],
                workflow=step["workflow"],
                options=step["options"],
                created_at=datetime.fromisoformat(step["created_at"]),
            )
            for number, step in enumerate(data["steps"])
        ),
        options=data["options"],
        input_schema=data["input_schema"],
        created_at=datetime.fromisoformat(data["created_at"]),
    )


def to_page(rows: list[dict[str, Any]], rest: UUID | None) -> Page[RunInfo]:
    """
    Return a page of runs.

    Args:
        rows: What it holds.
        rest: Before which run the next page begins, None if this is the last.
    """
    cursor = None if rest is None else _to_cursor(rest)
    return Page([_to_info(row) for row in rows], cursor)


def read_cursor(cursor: str | None) -> UUID | None:
    """
    Return the run that a page ended with.

    Raises:
        InvalidSetting: If it is no cursor that a page gave.
    """
    if cursor is None:
        return None
    try:
        data = base64.urlsafe_b64decode(cursor.encode())
        run_id = UUID(bytes=data.removeprefix(_PREFIX))
    except (ValueError, AttributeError):
        data, run_id = b"", UUID(int=0)
    if not data.startswith(_PREFIX):
        raise InvalidSetting(
            f"{cursor!r} is not a cursor", hint="Pass the next_cursor of a page."
        )
    return run_id


def read_statuses(value: str | Iterable[str] | None) -> list[str] | None:
    """
    Return the statuses that are asked for, None for all.

    Raises:
        InvalidSetting: If one of them is no status of runs.
    """
    if value is None:
        return None
    if not isinstance(value, Iterable):
        raise InvalidSetting(f"status must be a status or some, got {value!r}")
    wanted = [value] if isinstance(value, str) else list(value)
    known = [status.value for status in RunStatus]
    for one in wanted:
        if one not in known:
            raise InvalidSetting(
                f"{one!r} is not a status of runs",
                hint=f"The statuses are {', '.join(known)}.",
            )
    return [str(RunStatus(one)) for one in wanted]


def read_limit(value: int) -> int:
    """
    Return how many runs a page may have.

    Raises:
        InvalidSetting: If it is no number from 1 to 1,000.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"limit must be an integer, got {value!r}")
    if not 1 <= value <= _LARGEST_PAGE:
        raise InvalidSetting(f"limit must be from 1 to {_LARGEST_PAGE}, got {value}")
    return value


def read_time(name: str, value: datetime | None) -> str | None:
    """
    Return the time that is asked for, as text; one without a zone is local.

    Raises:
        InvalidSetting: If it is no time, or none that can be.
    """
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise InvalidSetting(f"{name} must be a datetime, got {value!r}")
    try:
        return value.astimezone(UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        raise InvalidSetting(f"{name} is out of range: {value!r}") from None


def _to_id(value: UUID | str, kind: str, hint: str) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidSetting(f"{value!r} is not a {kind} id", hint=hint) from None


def _to_cursor(run_id: UUID) -> str:
    return base64.urlsafe_b64encode(_PREFIX + run_id.bytes).decode()


def _to_info(row: Mapping[str, Any]) -> RunInfo:
    created = _time(row["created_at"])
    assert created is not None
    return RunInfo(
        id=UUID(row["id"]),
        workflow=row["workflow"],
        version=row["version"],
        status=RunStatus(row["status"]),
        priority=row["priority"],
        tags=tuple(row["tags"]),
        metadata=row["metadata"] or {},
        parent_id=_id(row["parent_id"]),
        origin_id=_id(row["origin_id"]),
        origin_kind=row["origin_kind"],
        created_at=created,
        started_at=_time(row["started_at"]),
        ended_at=_time(row["ended_at"]),
    )


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
