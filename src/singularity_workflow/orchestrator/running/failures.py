"""
Find the task that a goal has failed with.

A goal fails with the step that executes its plan, which has failed with a child run,
and so on down: whoever asks why wants to know of the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from singularity_workflow.errors import DecompositionFailed, RunFailed
from singularity_workflow.model.signals import Fail
from singularity_workflow.orchestrator.planning.compilation import OVER
from singularity_workflow.orchestrator.planning.step_names import (
    ATTEMPT,
    DECOMPOSE,
    EXECUTE,
    JUDGE,
    OUTPUTS,
    REPLAN,
)
from singularity_workflow.orchestrator.running.revisions import ENOUGH
from singularity_workflow.orchestrator.running.signals import NEEDS_REPLAN
from singularity_workflow.orchestrator.running.stored_errors import (
    CHILD_FAILED,
    DECOMPOSITION_FAILED,
    to_decomposition_failed,
)

__all__ = ["FailedTask", "FailureStore", "find_failure"]

_DEEPEST: Final = 1_000
"""Runs that are looked at: several times as many as goals may have levels."""

_OWN_STEPS: Final = frozenset({ATTEMPT, DECOMPOSE, EXECUTE, JUDGE, OUTPUTS, REPLAN})
_PASSED_ON: Final = frozenset({
    CHILD_FAILED,
    f"{Fail.__module__}.{Fail.__qualname__}",
    NEEDS_REPLAN,
    DECOMPOSITION_FAILED,
})  # fmt: skip
"""What the steps that call child runs fail with because one of those has failed."""


class FailureStore(Protocol):
    """What this module asks of the database."""

    async def run_status(self, run_id: UUID) -> dict[str, Any]: ...

    async def task_children(
        self, run_id: UUID, step: str, index: int = 0
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """
    The task that a goal has failed with.

    Args:
        run_id: The run that it is of.
        step: The task, by its name in that run; a step of ours if it was none.
        index: Which element of a map.
        attempts: How many attempts of it failed.
        error: type, message and traceback of the last one.
        replans: How often another plan was tried in vain, in words.
        is_plan: Whether it has failed for a goal that has no plan.
    """

    run_id: UUID
    step: str
    index: int
    attempts: int
    error: Mapping[str, Any]
    replans: str = ""
    is_plan: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as the `error` of a run, with the run that it is of."""
        return {
            "run_id": str(self.run_id),
            "step": self.step,
            "task_index": self.index,
            "attempts": self.attempts,
            "error": self.error,
        }

    def to_error(self, goal_run: UUID) -> RunFailed | DecompositionFailed:
        """Return what is raised for it by who waits for the goal's run."""
        kind, message = self.error.get("type"), self.error.get("message") or ""
        if self.is_plan and kind == DECOMPOSITION_FAILED:
            return to_decomposition_failed(self.error)
        times = "attempt" if self.attempts == 1 else "attempts"
        what = str(kind).rpartition(".")[2]
        what = f"{what}: {message}" if message else what
        return RunFailed(
            f"goal run {goal_run} failed: task {self.step!r} of run {self.run_id} "
            f"failed after {self.attempts} {times}: {what}{self.replans}",
            hint=self.error.get("hint"),
            run_id=goal_run,
            failed_run_id=self.run_id,
            step=self.step,
            error_type=kind,
            remote_traceback=self.error.get("traceback"),
            attempts=self.attempts,
        )


async def find_failure(
    store: FailureStore, run_id: UUID, failed: Mapping[str, Any]
) -> FailedTask:
    """
    Return the task that a goal has failed with, of the last plan that it has had.

    Args:
        store: Where the runs are.
        run_id: The goal's run.
        failed: Its error, as the database has it.
    """
    replans = ""
    step, index = "", 0
    task: tuple[UUID, str, int] | None = None
    for _ in range(_DEEPEST):
        error = failed.get("error") or {}
        _, enough, times = str(error.get("message")).rpartition(ENOUGH)
        if enough:
            replans = f"{ENOUGH}{times}"
        step, index = str(failed.get("step")), failed.get("task_index") or 0
        if step not in _OWN_STEPS:
            task = run_id, step.removeprefix(OVER), index
        if step == JUDGE:
            below = await _given_up(store, run_id, failed)
        elif error.get("type") in _PASSED_ON:
            children = await store.task_children(run_id, step, index)
            below = children[-1] if children else None
        else:
            break
        if below is None or below["status"] != "failed" or not below["error"]:
            break
        run_id, failed = UUID(below["id"]), below["error"]
    is_plan = step in (DECOMPOSE, REPLAN)
    run_id, step, index = task or (run_id, step, index)
    return FailedTask(
        run_id=run_id,
        step=step,
        index=index,
        attempts=failed.get("attempts") or 0,
        error=failed.get("error") or {},
        replans=replans,
        is_plan=is_plan,
    )


async def _given_up(
    store: FailureStore, run_id: UUID, failed: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return what was judged: a task that was given up in a run that went on."""
    children = await store.task_children(run_id, EXECUTE)
    if not children:
        return None
    below = children[-1]
    message = (failed.get("error") or {}).get("message")
    told = await store.run_status(UUID(below["id"]))
    for step in told["steps"]:
        error = step["error"] or {}
        if step["status"] == "skipped" and error.get("message") == message:
            lost = {"step": step["name"], "attempts": step["attempts"], "error": error}
            return {"id": below["id"], "status": "failed", "error": lost}
    return None
