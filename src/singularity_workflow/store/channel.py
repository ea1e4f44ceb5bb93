"""
One connection for one kind of call, opened on first need and again after a loss.

Owns reconnecting and the repeat of calls that lost a race (deadlock, serialisation,
lock timeout). A call whose connection broke is not repeated here: whether it took
effect is unknown, and only its caller knows what a repeat would mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Any

import psycopg

from singularity_workflow.errors import ConnectionFailed
from singularity_workflow.store.connections import (
    connect,
    cut_after,
    is_lost,
    translated_errors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

__all__ = ["BatchRejected", "Channel"]

logger = logging.getLogger(__name__)

# 40P01 deadlock, 40001 serialisation, 55P03 lock timeout: the other one has won
LOST_RACES = frozenset({"40P01", "40001", "55P03"})
RACES_BEFORE_GIVING_UP = 10
DEFAULT_CALL_TIMEOUT = 30.0


class BatchRejected(Exception):
    """The server cannot store something in a batch; nothing of it took effect."""


class Channel:
    """
    A dedicated connection that makes one call at a time.

    Args:
        dsn: Where to connect.
        name: For the log.
        timeout: Seconds that a call may take before its connection is given up: a
            network that swallows packets reports no error.
    """

    def __init__(
        self, dsn: str, name: str, timeout: float = DEFAULT_CALL_TIMEOUT
    ) -> None:
        self._dsn = dsn
        self._name = name
        self._timeout = timeout
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()

    async def call(
        self,
        query: LiteralString,
        parameters: Mapping[str, Any],
        timeout: float | None = None,
    ) -> Any:
        """
        Run one query and return the first column of its row.

        Args:
            query: The query.
            parameters: Its parameters.
            timeout: Seconds, instead of the channel's own.

        Raises:
            ConnectionFailed: The server cannot be reached, or the connection broke
                during the call, whose effect is then unknown.
            BatchRejected: The server refused the data; nothing took effect.
        """
        async with self._lock:
            with translated_errors():
                return await self._call(query, parameters, timeout or self._timeout)

    async def _call(
        self, query: LiteralString, parameters: Mapping[str, Any], timeout: float
    ) -> Any:
        races = 0
        while True:
            connection = await self._open(timeout)
            try:
                with cut_after(connection, timeout):
                    cursor = await connection.execute(query, parameters, prepare=True)
                    row = await cursor.fetchone()
                return row[0] if row else None
            except psycopg.Error as error:
                if is_lost(error):
                    await self._drop()
                    raise
                if _is_data_error(error):
                    raise BatchRejected(str(error).strip()) from error
                races += 1
                if error.sqlstate not in LOST_RACES or races >= RACES_BEFORE_GIVING_UP:
                    raise
                logger.debug("%s: %s, trying again", self._name, error.sqlstate)
                await asyncio.sleep(random.uniform(0, 0.01 * races))  # noqa: S311
            except (ConnectionFailed, asyncio.CancelledError):
                # the protocol may be in the middle of an answer
                await self._drop()
                raise

    async def _open(self, timeout: float) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            try:
                async with asyncio.timeout(timeout):
                    self._connection = await connect(self._dsn)
            except TimeoutError:
                raise ConnectionFailed(
                    f"PostgreSQL has not answered within {timeout:g} s"
                ) from None
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    async def close(self) -> None:
        """Close the connection; a later call opens another."""
        async with self._lock:
            await self._drop()


def _is_data_error(error: psycopg.Error) -> bool:
    """
    Tell whether *error* is about a value: class 22, and 54 for limits of size.

    23 is a CHECK of ours: a value that breaks an invariant would be our own defect,
    and must stay visible as such.
    """
    return (error.sqlstate or "")[:2] in {"22", "54"}
