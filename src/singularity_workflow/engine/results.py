"""
How a run ended, as a value or as an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.errors import RunCancelled, RunError, RunFailed, RunTimeout
from singularity_workflow.model.statuses import RunStatus

if TYPE_CHECKING:
    from singularity_workflow.store.replies import EndedRun

__all__ = ["DEADLINE", "to_result", "to_result_or_error"]

DEADLINE = "deadline"
"""The reason of a cancellation by the clock."""


def to_result(end: EndedRun) -> dict[str, Any]:
    """
    Return the outputs of the final steps by name.

    Raises:
        RunFailed: With the step, its error and the remote traceback.
        RunTimeout: The run's deadline passed.
        RunCancelled: With the reason that was given.
    """
    run_id = UUID(end.run_id)
    if end.status == RunStatus.COMPLETED:
        result: dict[str, Any] = end.output
        return result
    if end.status == RunStatus.FAILED:
        raise _failure(run_id, end.error or {})
    if end.reason == DEADLINE:
        raise RunTimeout(
            f"run {run_id} was cancelled: its deadline passed",
            hint="Give it a longer timeout, or see which step takes so long.",
            run_id=run_id,
        )
    reason = f": {end.reason}" if end.reason else ""
    raise RunCancelled(
        f"run {run_id} was cancelled{reason}", run_id=run_id, reason=end.reason
    )


def to_result_or_error(end: EndedRun) -> dict[str, Any] | RunError:
    """Return what `to_result` returns or raises."""
    try:
        return to_result(end)
    except RunError as error:
        return error


def _failure(run_id: UUID, data: dict[str, Any]) -> RunFailed:
    step, error = data.get("step"), data.get("error") or {}
    attempts = data.get("attempts") or 0
    kind, message = error.get("type"), error.get("message") or ""
    times = "attempt" if attempts == 1 else "attempts"
    what = f"{kind}: {message}" if message else str(kind)
    return RunFailed(
        f"step {step!r} of run {run_id} failed after {attempts} {times}: {what}",
        hint=error.get("hint"),
        run_id=run_id,
        step=step,
        error_type=kind,
        remote_traceback=error.get("traceback"),
        attempts=attempts,
    )
