"""
What a step sees of its own task, as `ctx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

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
        "_run_id",
        "_transaction",
        "attempt",
        "index",
        "step",
        "timeout",
        "workflow",
    )

    def __init__(  # noqa: PLR0917 - made once a task; keywords would cost time
        self,
        run_id: UUID | str,
        workflow: str,
        step: str,
        index: int = 0,
        attempt: int = 1,
        timeout: timedelta | None = None,
    ) -> None:
        self._run_id = run_id
        self.workflow = workflow
        self.step = step
        self.index = index
        self.attempt = attempt
        self.timeout = timeout
        self._cancelled = False
        self._transaction: Any = None

    @property
    def run_id(self) -> UUID:
        """The run."""
        if not isinstance(self._run_id, UUID):
            self._run_id = UUID(self._run_id)  # made for those who ask
        return self._run_id

    @property
    def task_id(self) -> str:
        """The task's id: `<run_id>/<step>/<index>`."""
        return f"{self._run_id}/{self.step}/{self.index}"

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

    def transaction(self) -> Any:
        """
        Return a transaction that commits together with the result of this step.

        `async with ctx.transaction() as connection` in a coroutine, `with` in a plain
        function that runs in a thread. What is written on that psycopg connection
        takes effect exactly once, whatever dies when: it commits with the step's
        completion, after the step has returned, or not at all.

        Raises:
            ConfigurationError: The step runs in another process, or its transaction
                was opened before.
        """
        if self._transaction is None:
            raise ConfigurationError(
                "there is no transaction here: the step runs in another process, or "
                "starts a child run, or this is its predicate",
                hint="Leave out `executor`, so that it runs in the worker's own.",
            )
        return self._transaction

    def offer_transaction(self, block: object) -> None:
        """Set what `transaction` returns; called by the worker that runs the task."""
        self._transaction = block

    def __reduce__(self) -> tuple[type[Context], tuple[object, ...]]:
        values = (self.run_id, self.workflow, self.step, self.index, self.attempt)
        return type(self), (*values, self.timeout)

    def cancel(self) -> None:
        """Set `cancelled`; called by the worker that runs the task."""
        self._cancelled = True

    def __repr__(self) -> str:
        return f"<Context {self.workflow} {self.task_id} attempt {self.attempt}>"
