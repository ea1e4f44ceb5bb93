"""
The pool behind everything that is not the hot path: ours, or the application's.

Owns how one call is made on a pooled connection. A borrowed connection keeps its own
settings: codecs and row factory are set on the cursor, and the isolation level for
one transaction only.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.rows import tuple_row

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.store import sql_files
from singularity_workflow.store.connections import (
    open_pool,
    set_codecs,
    translated_errors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    import psycopg
    import psycopg_pool

__all__ = ["Pool", "borrow_pool", "own_pool"]


class Pool(Protocol):
    """Where a connection comes from, for one call."""

    @property
    def conninfo(self) -> str:
        """How to open further connections to the same database."""
        raise NotImplementedError

    async def call(self, query: LiteralString, parameters: Mapping[str, Any]) -> Any:
        """Run one query in a transaction; return the first column of its row."""

    async def close(self) -> None:
        """Close the pool, if it is ours."""


async def own_pool(dsn: str, size: int) -> Pool:
    """
    Open a pool of our own; its connections are made on first need.

    Args:
        dsn: Where to connect.
        size: The most connections it may hold, at least 1.

    Raises:
        ConnectionFailed: If the server cannot be reached.
    """
    return _AsyncPool(await open_pool(dsn, size), dsn, is_borrowed=False)


def borrow_pool(pool: object) -> Pool:
    """
    Use the application's own pool, and leave closing it to the application.

    Raises:
        InvalidSetting: If it is neither kind of psycopg pool.
    """
    import psycopg_pool  # noqa: PLC0415 - loaded only by those who have a pool

    if isinstance(pool, psycopg_pool.AsyncConnectionPool):
        return _AsyncPool(pool, _conninfo(pool), is_borrowed=True)
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
    "sslcert", "sslkey", "sslmode", "sslrootcert", "user",
})  # fmt: skip


class _AsyncPool:
    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        conninfo: str,
        *,
        is_borrowed: bool,
    ) -> None:
        self._pool = pool
        self._is_borrowed = is_borrowed
        self.conninfo = conninfo

    async def call(self, query: LiteralString, parameters: Mapping[str, Any]) -> Any:
        with translated_errors():
            async with self._pool.connection() as connection:
                if not self._is_borrowed:
                    cursor = await connection.execute(query, parameters)
                    row = await cursor.fetchone()
                    return row[0] if row else None
                return await self._call_borrowed(connection, query, parameters)

    async def _call_borrowed(
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
        if not self._is_borrowed:
            await self._pool.close()


class _BlockingPool:
    """The application's blocking pool, used from threads."""

    def __init__(self, pool: psycopg_pool.ConnectionPool[Any], conninfo: str) -> None:
        self._pool = pool
        self.conninfo = conninfo

    async def call(self, query: LiteralString, parameters: Mapping[str, Any]) -> Any:
        return await asyncio.to_thread(functools.partial(self._call, query, parameters))

    def _call(self, query: LiteralString, parameters: Mapping[str, Any]) -> Any:
        with (
            translated_errors(),
            self._pool.connection() as connection,
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
