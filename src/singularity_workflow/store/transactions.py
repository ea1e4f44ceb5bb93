"""
Transactions that a step shares with its own completion: both commit, or neither.

A step's `with` block ends before its return value exists, so nothing commits there:
the connection is kept, and `complete` records the result as the last statement before
COMMIT. What is not recorded rolls back. Whether a COMMIT took effect whose answer was
lost is asked from the server by the transaction's id.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg

from singularity_workflow.errors import ConnectionFailed
from singularity_workflow.store import sql_files
from singularity_workflow.store.connections import (
    JsonText,
    connect,
    connect_blocking,
    translated_errors,
)
from singularity_workflow.store.replies import Reply, parse_reply

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["AsyncStepTransaction", "StepTransaction"]

_UNKNOWN_FOR: Final = 30.0
"""Seconds to ask what became of a COMMIT before it counts as failed."""

_PAUSE: Final = 0.2


def _completion(worker_id: UUID, batch: bytes, run_id: UUID) -> dict[str, Any]:
    return {
        "worker_id": worker_id,
        "batch": JsonText(batch),
        "slots": 0,
        "queues": [],
        "claim": False,
        "low": 0,
        "max_key": None,
        "wanted": [str(run_id)],
        "known_maps": [],
        "wait": True,
        "lost": False,
    }


class AsyncStepTransaction:
    """
    The transaction of a coroutine step.

    Args:
        dsn: Where to connect.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def open(self) -> psycopg.AsyncConnection[Any]:
        """Return a connection in a transaction."""
        self._connection = await connect(self._dsn)
        with translated_errors():
            await self._connection.set_autocommit(False)
        return self._connection

    async def complete(self, worker_id: UUID, batch: bytes, run_id: UUID) -> Reply:
        """
        Record the result and commit; a refused one rolls back.

        Raises:
            ConnectionFailed: Nothing was committed.
        """
        connection = self._connection
        assert connection is not None
        try:
            with translated_errors():
                cursor = await connection.execute(
                    sql_files.query("tasks/report_tasks"),
                    _completion(worker_id, batch, run_id),
                )
                row = await cursor.fetchone()
                assert row is not None
                reply = parse_reply(row[0])
                if reply.refused or reply.deferred:
                    await connection.rollback()
                    return reply
                cursor = await connection.execute(
                    sql_files.query("session/current_xact")
                )
                xid_row = await cursor.fetchone()
                assert xid_row is not None
            await self._commit(connection, xid_row[0])
        finally:
            await self.close()
        return reply

    async def close(self) -> None:
        """Roll back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    async def _commit(self, connection: psycopg.AsyncConnection[Any], xid: str) -> None:
        try:
            await connection.commit()
        except psycopg.Error as error:
            if not await self._has_committed(xid):
                raise ConnectionFailed(
                    "the connection was lost before the step's transaction committed"
                ) from error

    async def _has_committed(self, xid: str) -> bool:
        deadline = asyncio.get_running_loop().time() + _UNKNOWN_FOR
        while asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(ConnectionFailed):
                async with await connect(self._dsn) as connection:
                    cursor = await connection.execute(
                        sql_files.query("session/xact_status"), {"xid": xid}
                    )
                    row = await cursor.fetchone()
                    if row is not None and row[0] != "in progress":
                        return bool(row[0] == "committed")
            await asyncio.sleep(_PAUSE)
        return False


class StepTransaction:
    """
    The transaction of a step that runs in a thread; see `AsyncStepTransaction`.

    Args:
        dsn: Where to connect.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None

    def open(self) -> psycopg.Connection[Any]:
        """Return a connection in a transaction."""
        self._connection = connect_blocking(self._dsn)
        with translated_errors():
            self._connection.autocommit = False
        return self._connection

    def complete(self, worker_id: UUID, batch: bytes, run_id: UUID) -> Reply:
        """Record the result and commit; a refused one rolls back."""
        connection = self._connection
        assert connection is not None
        try:
            with translated_errors():
                row = connection.execute(
                    sql_files.query("tasks/report_tasks"),
                    _completion(worker_id, batch, run_id),
                ).fetchone()
                assert row is not None
                reply = parse_reply(row[0])
                if reply.refused or reply.deferred:
                    connection.rollback()
                    return reply
                xid_row = connection.execute(
                    sql_files.query("session/current_xact")
                ).fetchone()
                assert xid_row is not None
            self._commit(connection, xid_row[0])
        finally:
            self.close()
        return reply

    def close(self) -> None:
        """Roll back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _commit(self, connection: psycopg.Connection[Any], xid: str) -> None:
        try:
            connection.commit()
        except psycopg.Error as error:
            if not self._has_committed(xid):
                raise ConnectionFailed(
                    "the connection was lost before the step's transaction committed"
                ) from error

    def _has_committed(self, xid: str) -> bool:
        deadline = time.monotonic() + _UNKNOWN_FOR
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(ConnectionFailed),
                connect_blocking(self._dsn) as connection,
            ):
                row = connection.execute(
                    sql_files.query("session/xact_status"), {"xid": xid}
                ).fetchone()
                if row is not None and row[0] != "in progress":
                    return bool(row[0] == "committed")
            time.sleep(_PAUSE)
        return False
