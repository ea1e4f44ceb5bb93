"""
The pool behind everything that is not the hot path: ours, or the application's.

Owns how one call is made on a pooled connection. A borrowed connection keeps its own
settings: codecs and row factory are set on the cursor, and the isolation level for
one transaction only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from psycopg.rows import tuple_row

from singularity_workflow.errors import ConnectionFailed, InvalidSetting
from singularity_workflow.store import sql_files
from singularity_workflow.store.channel import DEFAULT_CALL_TIMEOUT, Channel
from singularity_workflow.store.connections import (
    KEEPALIVES,
    cut_after,
    cut_blocking_after,
    set_codecs,
    translated_errors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    import psycopg
    import psycopg_pool

__all__ = ["Pool", "borrow_pool", "own_pool"]

_LONGEST_IDLE: Final = 60.0
"""Seconds after which a connection that nobody used is closed."""


class Pool(Protocol):
    """Where a connection comes from, for one call."""

    @property
    def conninfo(self) -> str:
        """How to open further connections to the same database."""
        raise NotImplementedError

    async def call(
        self,
        query: LiteralString,
        parameters: Mapping[str, Any],
        timeout: float | None = None,
    ) -> Any:
        """Run one query in a transaction; return the first column of its row."""

    async def close(self) -> None:
        """Close the pool, if it is ours."""


def own_pool(dsn: str, size: int) -> Pool:
    """
    Return a pool of our own; its connections are made on first need.

    Args:
        dsn: Where to connect.
        size: The most connections it may hold, at least 1.
    """
    return _OwnPool(dsn, size)


def borrow_pool(pool: object) -> Pool:
    """
    Use the application's own pool, and leave closing it to the application.

    Raises:
        InvalidSetting: If it is neither kind of psycopg pool.
    """
    import psycopg_pool  # noqa: PLC0415 - loaded only by those who have a pool

    if isinstance(pool, psycopg_pool.AsyncConnectionPool):
        return _AsyncPool(pool, _conninfo(pool))
    if isinstance(pool, psycopg_pool.ConnectionPool):
        return _BlockingPool(pool, _conninfo(pool))
    raise InvalidSetting(
        f"pool must be a psycopg_pool pool, got {type(pool).__name__}",
        hint="Pass an AsyncConnectionPool or a ConnectionPool.",
    )


def _conninfo(pool: Any) -> str:
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    conninfo = pool.conninfo
    if not isinstance(conninfo, str):
        raise InvalidSetting(
            "the pool computes its conninfo, so no connection beside it can be opened",
            hint="Give the pool a conninfo string, or give the engine a dsn.",
        )
    connection_keywords = {
        key: value
        for key, value in (pool.kwargs or {}).items()
        if isinstance(value, (str, int)) and key in _LIBPQ
    }
    return make_conninfo(conninfo, **connection_keywords)


# what an application gives its pool beside the conninfo, and a connection needs
_LIBPQ = frozenset({
    "dbname", "host", "hostaddr", "password", "passfile", "port", "service",
    "sslcert", "sslkey", "sslmode", "sslrootcert", "user", *KEEPALIVES,
})  # fmt: skip


class _OwnPool:
    """
    Some connections, each of which makes one call at a time.

    Not one of `psycopg_pool`: after an outage that waits ever longer before it tries
    again, and it lets a call wait for ever for a network that swallows packets.
    """

    def __init__(self, dsn: str, size: int) -> None:
        self.conninfo = dsn
        self._free = asyncio.Semaphore(size)
        # the one that was used last is at the end, and is used again first
        self._idle: list[tuple[float, Channel]] = []
        self._is_closed = False

    async def call(
        self,
        query: LiteralString,
        parameters: Mapping[str, Any],
        timeout: float | None = None,
    ) -> Any:
        async with self._free:
            channel = self._idle.pop()[1] if self._idle else self._new_channel()
            try:
                return await channel.call(query, parameters, timeout)
            except ConnectionFailed:
                # what broke one of them has most likely broken all
                await self._close_idle(since=0)
                raise
            finally:
                now = asyncio.get_running_loop().time()
                self._idle.append((now, channel))
                await self._close_idle(since=0 if self._is_closed else _LONGEST_IDLE)

    async def close(self) -> None:
        self._is_closed = True
        await self._close_idle(since=0)

    def _new_channel(self) -> Channel:
        return Channel(self.conninfo, "pool")

    async def _close_idle(self, since: float) -> None:
        latest = asyncio.get_running_loop().time() - since
        while self._idle and self._idle[0][0] <= latest:
            await self._idle.pop(0)[1].close()


class _AsyncPool:
    """The application's pool of asynchronous connections."""

    def __init__(
        self, pool: psycopg_pool.AsyncConnectionPool[Any], conninfo: str
    ) -> None:
        self._pool = pool
        self.conninfo = conninfo

    async def call(
        self,
        query: LiteralString,
        parameters: Mapping[str, Any],
        timeout: float | None = None,
    ) -> Any:
        with translated_errors():
            async with self._pool.connection() as connection:
                with cut_after(connection, timeout or DEFAULT_CALL_TIMEOUT):
                    return await self._call(connection, query, parameters)

    async def _call(
        self,
        connection: psycopg.AsyncConnection[Any],
        query: LiteralString,
        parameters: Mapping[str, Any],
    ) -> Any:
        async with (
            connection.transaction(),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            set_codecs(cursor)
            await cursor.execute(sql_files.query("session/read_committed"))
            await cursor.execute(query, parameters)
            row = await cursor.fetchone()
            return row[0] if row else None

    async def close(self) -> None:
        """Do nothing: the pool is not ours."""


class _BlockingPool:
    """The application's blocking pool, used from threads."""

    def __init__(self, pool: psycopg_pool.ConnectionPool[Any], conninfo: str) -> None:
        self._pool = pool
        self.conninfo = conninfo

    async def call(
        self,
        query: LiteralString,
        parameters: Mapping[str, Any],
        timeout: float | None = None,
    ) -> Any:
        return await asyncio.to_thread(
            self._call, query, parameters, timeout or DEFAULT_CALL_TIMEOUT
        )

    def _call(
        self, query: LiteralString, parameters: Mapping[str, Any], timeout: float
    ) -> Any:
        with (
            translated_errors(),
            self._pool.connection() as connection,
            cut_blocking_after(connection, timeout),
            connection.transaction(),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            set_codecs(cursor)
            cursor.execute(sql_files.query("session/read_committed"))
            cursor.execute(query, parameters)
            row = cursor.fetchone()
            return row[0] if row else None

    async def close(self) -> None:
        """Do nothing: the pool is not ours."""
