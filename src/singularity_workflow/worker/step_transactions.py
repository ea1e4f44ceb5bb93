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
    step, after the step returned. A block that raises makes the step fail, and rolls
    back.

    Args:
        dsn: Where to connect.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.async_transaction: AsyncStepTransaction | None = None
        self.transaction: StepTransaction | None = None

    @property
    def is_open(self) -> bool:
        """Whether the step opened its transaction."""
        return self.async_transaction is not None or self.transaction is not None

    async def __aenter__(self) -> Any:
        self._refuse_second()
        self.async_transaction = AsyncStepTransaction(self._dsn)
        return await self.async_transaction.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the transaction open: the step's result belongs to it."""

    def __enter__(self) -> Any:
        self._refuse_second()
        self.transaction = StepTransaction(self._dsn)
        return self.transaction.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the transaction open: the step's result belongs to it."""

    def _refuse_second(self) -> None:
        if self.is_open:
            raise ConfigurationError(
                "a step has one transaction, and this one was opened before",
                hint="Do all that belongs together in one block.",
            )
