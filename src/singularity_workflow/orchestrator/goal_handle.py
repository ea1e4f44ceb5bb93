"""
The handle of a goal that was started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.orchestrator.executions import Executions
from singularity_workflow.orchestrator.results import GoalResult
from singularity_workflow.orchestrator.running.program import GoalProgram

if TYPE_CHECKING:
    from singularity_workflow.model.events import Event
    from singularity_workflow.notifications.subscription import Subscription

__all__ = ["GoalHandle"]


class GoalHandle:
    """
    A goal that was started.

    Args:
        executions: Knows what becomes of it.
        program: What it runs.
        run: Its run.

    .. versionadded:: 0.1
    """

    def __init__(
        self, executions: Executions, program: GoalProgram, run: RunHandle
    ) -> None:
        self.run = run
        self._executions = executions
        self._program = program

    @property
    def id(self) -> UUID:
        """The goal's run."""
        return self.run.id

    async def result(self, timeout: float | None = None) -> GoalResult:
        """
        Wait for the end of the goal and return what it gave.

        Args:
            timeout: How long to wait, in seconds; the goal goes on after it.

        Raises:
            DecompositionFailed: No plan could be made, or only one that is wrong.
            RunFailed: A task used up its attempts.
            RunCancelled: The goal was cancelled.
            RunTimeout: Its time is over, or that of the wait.
        """
        return await self._executions.finish(self._program, self.run, timeout)

    def events(self, after: str | None = None) -> Subscription[Event]:
        """
        Return the events of the goal's own run, as of `RunHandle.events`.

        With those of its child runs, `OrchestratorNotifications.listen` tells them.

        Args:
            after: The cursor of the last event that was dealt with.
        """
        return self.run.events(after)

    async def cancel(self, reason: str | None = None) -> None:
        """Cancel the goal with all that runs for it."""
        await self.run.cancel(reason)

    def __repr__(self) -> str:
        return f"<GoalHandle {self.id}>"
