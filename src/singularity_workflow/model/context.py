"""
What a step sees of its own task, as `ctx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

__all__ = ["Context"]


class Context:
    """
    The task that is running: which one, which attempt, and whether to stop.

    Args:
        run_id: The run.
        workflow: Name of its workflow.
        step: Name of the step.
        index: Position of the task in a map step; 0 in others.
        attempt: How often the task was claimed, this time included; from 1.
        timeout: How long this attempt may take, None without a limit.

    .. versionadded:: 0.1
    """

    __slots__ = (
        "_cancelled",
        "attempt",
        "index",
        "run_id",
        "step",
        "timeout",
        "workflow",
    )

    def __init__(  # noqa: PLR0917 - made once a task; keywords would cost time
        self,
        run_id: UUID,
        workflow: str,
        step: str,
        index: int = 0,
        attempt: int = 1,
        timeout: timedelta | None = None,
    ) -> None:
        self.run_id = run_id
        self.workflow = workflow
        self.step = step
        self.index = index
        self.attempt = attempt
        self.timeout = timeout
        self._cancelled = False

    @property
    def task_id(self) -> str:
        """The task's id: `<run_id>/<step>/<index>`."""
        return f"{self.run_id}/{self.step}/{self.index}"

    @property
    def idempotency_key(self) -> str:
        """
        A key that is the same in every attempt of this task, and in no other task.

        A task runs at least once; a service that is given this key can do its part
        once.
        """
        return self.task_id

    @property
    def cancelled(self) -> bool:
        """Whether the task should stop: its run was cancelled or its time is up."""
        return self._cancelled

    def cancel(self) -> None:
        """Set `cancelled`; called by the worker that runs the task."""
        self._cancelled = True

    def __repr__(self) -> str:
        return f"<Context {self.workflow} {self.task_id} attempt {self.attempt}>"
