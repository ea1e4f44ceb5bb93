"""
How a connection of ours is opened, and what its errors mean.

Owns the settings of a session (READ COMMITTED, no JIT, JSON by orjson) and the
translation of database errors into the library's own.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.types.json import set_json_loads

from singularity_workflow.errors import (
    ConnectionFailed,
    SchemaOutdated,
    error_for_sqlstate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg_pool
    from psycopg.abc import AdaptContext

__all__ = [
    "JsonText",
    "connect",
    "connect_blocking",
    "is_lost",
    "open_pool",
    "set_codecs",
    "translated_errors",
]

# one word in pg_stat_activity for all connections of the library
APPLICATION_NAME = "singularity_workflow"

# jit costs more than it gives for statements of a millisecond; the timeout on locks
# turns an unforeseen wait into an error that the caller retries
SESSION_OPTIONS = (
    "-c jit=off -c lock_timeout=10s "
    "-c default_transaction_isolation=read\\ committed "
    "-c idle_in_transaction_session_timeout=60s"
)

CONNECT_TIMEOUT = 10

# 42883 function, 42P01 table, 3F000 schema, 42704 type: something of ours is missing
_MISSING = frozenset({"3F000", "42883", "42P01", "42704"})


class JsonText(bytes):
    """JSON that is encoded already, to be sent as a `json` parameter."""

    __slots__ = ()


class _JsonTextDumper(Dumper):
    format = Format.TEXT
    oid = psycopg.adapters.types["json"].oid

    def dump(self, obj: JsonText) -> bytes:
        return obj


def set_codecs(context: AdaptContext) -> None:
    """Set how JSON travels, on a connection or on a single cursor."""
    context.adapters.register_dumper(JsonText, _JsonTextDumper)
    set_json_loads(orjson.loads, context)


def _session(dsn: str) -> dict[str, Any]:
    """Return how to connect, the options that the address carries included."""
    own = conninfo_to_dict(dsn)
    options = f"{SESSION_OPTIONS} {own.get('options') or ''}".rstrip()
    return {
        "conninfo": dsn,
        "autocommit": True,
        "connect_timeout": own.get("connect_timeout", CONNECT_TIMEOUT),
        "application_name": own.get("application_name", APPLICATION_NAME),
        "options": options,
    }


async def connect(dsn: str) -> psycopg.AsyncConnection[Any]:
    """
    Open a connection in autocommit mode: each call of ours is one transaction.

    Args:
        dsn: A libpq connection string or URL.

    Raises:
        ConnectionFailed: If the server cannot be reached or refuses us.
    """
    with translated_errors():
        connection = await psycopg.AsyncConnection.connect(**_session(dsn))
    set_codecs(connection)
    return connection


def connect_blocking(dsn: str) -> psycopg.Connection[Any]:
    """Open a connection for a thread of its own; see `connect`."""
    with translated_errors():
        connection = psycopg.Connection.connect(**_session(dsn))
    set_codecs(connection)
    return connection


async def open_pool(
    dsn: str, size: int
) -> psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
    """Open a pool of such connections, empty until the first need."""
    import psycopg_pool  # noqa: PLC0415 - not everybody needs ours

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        set_codecs(connection)

    session = _session(dsn)
    pool: psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[Any]]
    pool = psycopg_pool.AsyncConnectionPool(
        session.pop("conninfo"),
        kwargs=session,
        min_size=0,
        max_size=size,
        open=False,
        configure=configure,
        name="singularity_workflow",
    )
    await pool.open()
    return pool


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether *error* means that the connection, not the request, is broken."""
    if isinstance(error, (psycopg.InterfaceError, psycopg.OperationalError)):
        # no sqlstate: the socket died; 57P01-57P03 and 08xxx: the server went away
        state = error.sqlstate or ""
        return not state or state.startswith("08") or state[:4] == "57P0"
    return False


@contextmanager
def cut_after(
    connection: psycopg.AsyncConnection[Any], seconds: float
) -> Iterator[None]:
    """
    Break *connection* if the block takes longer, so that what waits for it fails.

    A network that swallows packets reports no error. To cancel the call would not do:
    psycopg then asks the server to cancel the query and waits for its answer.
    """
    loop = asyncio.get_running_loop()
    cutting = loop.call_later(seconds, _shut_down, connection)
    try:
        yield
    except psycopg.Error as error:
        if cutting.when() > loop.time():
            raise
        raise ConnectionFailed(
            f"PostgreSQL has not answered within {seconds:g} s"
        ) from error
    finally:
        cutting.cancel()


def _shut_down(connection: psycopg.AsyncConnection[Any]) -> None:
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn database errors into the library's, keeping the original as the cause."""
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error).strip()
        known = error_for_sqlstate(error.sqlstate, message, error.diag.message_hint)
        if known is not None:
            raise known from error
        if error.sqlstate in _MISSING:
            raise SchemaOutdated(
                f"the database lacks something that the library needs: {message}",
                hint="Run: singularity-workflow db migrate",
            ) from error
        if is_lost(error):
            raise ConnectionFailed(
                f"PostgreSQL cannot be reached: {message}",
                hint="Check the address, and that the server runs: "
                "singularity-workflow db status",
            ) from error
        raise
