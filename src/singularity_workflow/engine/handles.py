"""
One run, in the hands of the application.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.arguments import read_duration
from singularity_workflow.engine.results import to_result
from singularity_workflow.errors import RunTimeout
from singularity_workflow.model.durations import Duration

if TYPE_CHECKING:
    from singularity_workflow.engine.controls import RunControls
    from singularity_workflow.model.events import Event
    from singularity_workflow.model.runs import RunMetadata
    from singularity_workflow.model.statuses import RunStatus
    from singularity_workflow.notifications.subscription import Subscription

__all__ = ["RunHandle"]


class RunHandle:
    """
    A run that was started, or adopted; made by an `AsyncEngine`.

    Args:
        engine: The engine it was made by.
        run_id: The run.
        is_ours: Whether the engine runs it itself.
        workflow: What the engine needs to run it, for as long as the handle lives.

    .. versionadded:: 0.1
    """

    __slots__ = ("_engine", "_is_ours", "_workflow", "id")

    def __init__(
        self,
        engine: RunControls,
        run_id: UUID,
        *,
        is_ours: bool,
        workflow: object = None,
    ) -> None:
        self.id = run_id
        self._workflow = workflow
        self._engine = engine
        self._is_ours = is_ours

    async def result(self, timeout: Duration | None = None) -> dict[str, Any]:
        """
        Wait for the end of the run and return its outputs by final step.

        Args:
            timeout: How long to wait, in seconds or as a `timedelta`; None waits
                until the run ends. The run goes on when the wait is over.

        Raises:
            RunFailed: A step used up its attempts.
            RunCancelled: It was cancelled.
            RunTimeout: The wait took longer than *timeout*, or its deadline passed.
            RunNotFound: There is no such run: its start was not committed.
        """
        limit = read_duration("timeout", timeout)
        waiting = self._engine._opened.wait(self.id, is_ours=self._is_ours)
        if limit is None:
            return to_result(await waiting)
        try:
            end = await asyncio.wait_for(waiting, limit.total_seconds())
        except TimeoutError:
            raise RunTimeout(
                f"run {self.id} has not ended within {limit.total_seconds():g} s",
                hint="It goes on; call result() again, or cancel it.",
                run_id=self.id,
            ) from None
        return to_result(end)

    async def status(self) -> tuple[RunStatus, RunMetadata]:
        """Return where the run is, and its figures; as `get_run_status`."""
        return await self._engine.get_run_status(self.id)

    def events(self, after: str | None = None) -> Subscription[Event]:
        """
        Listen to what happens to the run: from its beginning on, live, until it ends.

        `async for` comes to an end by itself, after the event that the run has
        completed, failed or been cancelled.

        Args:
            after:
                The cursor of the last event that was dealt with: begins with what came
                after it, and may repeat what happened about the same time.

        Raises:
            InvalidSetting: If the cursor is none.
            RunNotFound: There is no such run; raised when it begins to listen.
            ConfigurationError: The run stores no events (`notify_events`); as well.
        """
        from singularity_workflow.engine.event_listening import (  # noqa: PLC0415
            listen_to_run,
        )

        return listen_to_run(self._engine._opened, self.id, after)

    async def pause(self) -> None:
        """Pause the run; as `pause_workflow_run`."""
        await self._engine.pause_workflow_run(self.id)

    async def resume(self) -> None:
        """Go on with the paused run; as `resume_workflow_run`."""
        await self._engine.resume_workflow_run(self.id)

    async def retry(self) -> RunHandle:
        """Repeat the failed run as a new one; as `retry_failed_workflow`."""
        return await self._engine.retry_failed_workflow(self.id)

    async def fork(self, from_step: str) -> RunHandle:
        """Repeat the run from a step on, as a new one; as `AsyncEngine.fork`."""
        return await self._engine.fork(self.id, from_step)

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel the run; as `cancel_workflow_run`."""
        await self._engine.cancel_workflow_run(self.id, reason=reason)

    def __repr__(self) -> str:
        return f"<RunHandle {self.id}>"
