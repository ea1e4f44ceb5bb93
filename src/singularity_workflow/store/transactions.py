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
from singularity_workflow.store.channel import DEFAULT_CALL_TIMEOUT
from singularity_workflow.store.connections import (
    JsonText,
    array_text,
    connect,
    connect_blocking,
    cut_after,
    cut_blocking_after,
    translated_errors,
)
from singularity_workflow.store.replies import Reply, parse_reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

__all__ = ["AsyncStepTransaction", "StepTransaction"]

_UNKNOWN_FOR: Final = 30.0
"""Seconds to ask what became of a COMMIT before it counts as failed."""

_PAUSE: Final = 0.2

# the id is "in the future": the server has crashed and knows nothing of it
_LostInCrash: Final = psycopg.errors.InvalidParameterValue


def _completion(worker_id: UUID, batch: bytes, run_id: UUID) -> dict[str, Any]:
    return {
        "worker_id": worker_id,
        "batch": JsonText(batch),
        "slots": 0,
        "queues": "{}",
        "claim": False,
        "low": 0,
        "max_key": None,
        "wanted": array_text([str(run_id)]),
        "known_maps": "{}",
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
        """Return a connection in a transaction that may last as long as the step."""
        connection = self._connection = await connect(self._dsn)
        try:
            with translated_errors(), cut_after(connection, DEFAULT_CALL_TIMEOUT):
                await connection.set_autocommit(False)
                await connection.execute(sql_files.query("session/begin_step"))
        except BaseException:
            await self.close()
            raise
        return connection

    async def complete(self, worker_id: UUID, batch: bytes, run_id: UUID) -> Reply:
        """
        Record the result and commit; a refused one rolls back.

        Raises:
            ConnectionFailed: Nothing was committed.
        """
        connection = self._connection
        assert connection is not None
        try:
            with translated_errors(), cut_after(connection, DEFAULT_CALL_TIMEOUT):
                xid = await _first_column(connection, "session/begin_completion")
                data = await _first_column(
                    connection,
                    "tasks/report_tasks",
                    _completion(worker_id, batch, run_id),
                )
                reply = parse_reply(data)
                if reply.refused or reply.deferred:
                    await connection.rollback()
                    return reply
            await self._commit(connection, xid)
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
            with cut_after(connection, DEFAULT_CALL_TIMEOUT):
                await connection.commit()
        except (psycopg.Error, ConnectionFailed) as error:
            if not await self._has_committed(xid):
                raise ConnectionFailed(
                    "the connection was lost before the step's transaction committed"
                ) from error

    async def _has_committed(self, xid: str) -> bool:
        deadline = asyncio.get_running_loop().time() + _UNKNOWN_FOR
        while asyncio.get_running_loop().time() < deadline:
            try:
                with translated_errors():
                    async with await connect(self._dsn) as connection:
                        with cut_after(connection, DEFAULT_CALL_TIMEOUT):
                            status = await _first_column(
                                connection, "session/xact_status", {"xid": xid}
                            )
                if status is not None:
                    return bool(status == "committed")
            except ConnectionFailed:
                pass
            except _LostInCrash:
                return False
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
        """Return a connection in a transaction that may last as long as the step."""
        connection = self._connection = connect_blocking(self._dsn)
        try:
            with (
                translated_errors(),
                cut_blocking_after(connection, DEFAULT_CALL_TIMEOUT),
            ):
                connection.autocommit = False
                connection.execute(sql_files.query("session/begin_step"))
        except BaseException:
            self.close()
            raise
        return connection

    def complete(self, worker_id: UUID, batch: bytes, run_id: UUID) -> Reply:
        """Record the result and commit; a refused one rolls back."""
        connection = self._connection
        assert connection is not None
        try:
            with (
                translated_errors(),
                cut_blocking_after(connection, DEFAULT_CALL_TIMEOUT),
            ):
                xid = _blocking_column(connection, "session/begin_completion")
                data = _blocking_column(
                    connection,
                    "tasks/report_tasks",
                    _completion(worker_id, batch, run_id),
                )
                reply = parse_reply(data)
                if reply.refused or reply.deferred:
                    connection.rollback()
                    return reply
            self._commit(connection, xid)
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
            with cut_blocking_after(connection, DEFAULT_CALL_TIMEOUT):
                connection.commit()
        except psycopg.Error as error:
            if not self._has_committed(xid):
                raise ConnectionFailed(
                    "the connection was lost before the step's transaction committed"
                ) from error

    def _has_committed(self, xid: str) -> bool:
        deadline = time.monotonic() + _UNKNOWN_FOR
        while time.monotonic() < deadline:
            try:
                with (
                    translated_errors(),
                    connect_blocking(self._dsn) as connection,
                    cut_blocking_after(connection, DEFAULT_CALL_TIMEOUT),
                ):
                    status = _blocking_column(
                        connection, "session/xact_status", {"xid": xid}
                    )
                if status is not None:
                    return bool(status == "committed")
            except ConnectionFailed:
                pass
            except _LostInCrash:
                return False
            time.sleep(_PAUSE)
        return False


async def _first_column(
    connection: psycopg.AsyncConnection[Any],
    query: str,
    parameters: Mapping[str, Any] | None = None,
) -> Any:
    cursor = await connection.execute(sql_files.query(query), parameters)
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


def _blocking_column(
    connection: psycopg.Connection[Any],
    query: str,
    parameters: Mapping[str, Any] | None = None,
) -> Any:
    row = connection.execute(sql_files.query(query), parameters).fetchone()
    assert row is not None
    return row[0]
