"""
What `ctx.transaction()` gives a step, and how its result is recorded with it.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from singularity_workflow.errors import ConfigurationError
from singularity_workflow.store.transactions import (
    AsyncStepTransaction,
    StepTransaction,
)

__all__ = ["TransactionBlock"]


class TransactionBlock:
    """
    The block of a step's transaction: `async with` in a coroutine, `with` in a thread.

    Leaving the block commits nothing: the transaction commits with the result of the
    step, after the step returned. A block that raises rolls back at once, whatever the
    step makes of the error.

    Args:
        dsn: Where to connect.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.async_transaction: AsyncStepTransaction | None = None
        self.transaction: StepTransaction | None = None
        self._was_opened = False

    async def __aenter__(self) -> Any:
        self._refuse_second()
        transaction = AsyncStepTransaction(self._dsn)
        connection = await transaction.open()
        self.async_transaction = transaction
        return connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the transaction to the step's result, unless the block raised."""
        if error is not None and self.async_transaction is not None:
            transaction, self.async_transaction = self.async_transaction, None
            await transaction.close()

    def __enter__(self) -> Any:
        self._refuse_second()
        transaction = StepTransaction(self._dsn)
        connection = transaction.open()
        self.transaction = transaction
        return connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the transaction to the step's result, unless the block raised."""
        if error is not None and self.transaction is not None:
            transaction, self.transaction = self.transaction, None
            transaction.close()

    def _refuse_second(self) -> None:
        if self._was_opened:
            raise ConfigurationError(
                "a step has one transaction, and this one was opened before",
                hint="Do all that belongs together in one block.",
            )
        self._was_opened = True
