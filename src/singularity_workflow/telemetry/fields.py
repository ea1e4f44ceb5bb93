"""
The fields of log records, and which task the code that runs here belongs to.

Every record of the library names things by these fields, and by no others, so that one
query finds all that was said of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final, TypedDict, Unpack
from uuid import UUID

from singularity_workflow.model.context import Context

__all__ = [
    "FIELDS",
    "Fields",
    "enter_task",
    "log_fields",
    "of_context",
    "redacted",
    "shortened",
    "task_fields",
]


class Fields(TypedDict, total=False):
    """What `extra` of a log record may hold; see `docs/howto/logging.md`."""

    queue: str
    message_id: int
    duration_ms: float
    message_type: str
    run_id: str
    workflow: str
    step: str
    task_index: int
    attempt: int
    worker_id: str


FIELDS: Final = tuple(Fields.__annotations__)
"""Their names, in the order in which they are shown."""

_LONGEST_MESSAGE: Final = 300

_RUNNING: ContextVar[tuple[Context, UUID] | None] = ContextVar(
    "singularity_workflow_task", default=None
)


def shortened(message: object) -> str:
    """Return the first line of a message, as far as a log needs it."""
    line = str(message).strip().partition("\n")[0]
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def redacted(error: Mapping[str, object]) -> dict[str, object]:
    """Return what may be told of an error that quotes what is not to be seen."""
    return {"type": error.get("type"), "message": "(redacted)"}


def log_fields(**fields: Unpack[Fields]) -> dict[str, object]:
    """Return the fields for `extra`; the type checker knows their names."""
    return dict(fields)


def enter_task(context: Context, worker_id: UUID) -> None:
    """Let all code of this context (`contextvars`) belong to a task from now on."""
    _RUNNING.set((context, worker_id))


def task_fields() -> dict[str, object]:
    """Return the fields of the task that this code belongs to; empty outside."""
    running = _RUNNING.get()
    if running is None:
        return {}
    context, worker_id = running
    return of_context(context, worker_id)


def of_context(context: Context, worker_id: UUID) -> dict[str, object]:
    """Return the fields that name an attempt."""
    return log_fields(
        run_id=str(context.run_id),
        workflow=context.workflow,
        step=context.step,
        task_index=context.index,
        attempt=context.attempt,
        worker_id=str(worker_id),
    )
