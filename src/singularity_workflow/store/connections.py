"""
How a connection of ours is opened, and what its errors mean.

Owns the settings of a session (READ COMMITTED, no JIT, JSON by orjson), how soon a dead
peer is noticed, and the translation of database errors into the library's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import threading
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.types.json import set_json_loads

from singularity_workflow.errors import (
    ConnectionFailed,
    DefinitionError,
    InvalidSetting,
    PermissionDenied,
    SchemaOutdated,
    error_for_sqlstate,
)
from singularity_workflow.model.issues import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg.abc import AdaptContext

__all__ = [
    "KEEPALIVES",
    "JsonText",
    "array_text",
    "connect",
    "connect_blocking",
    "cut_after",
    "cut_blocking_after",
    "is_lost",
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

# a peer that vanished without a word (a machine, a firewall that forgets) is noticed
# after 25 s of silence or 15 s without an answer; the system's own defaults are hours
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}

_READ_ONLY = "25006"
_FORBIDDEN = "42501"

# 53 no memory, disk or connections left, 58 a broken disk, 57014 a time-out of the
# server's own: nothing took effect, and the same may work later
_TROUBLES = ("53", "58", "57014")

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


def array_text(items: Iterable[str]) -> str:
    """
    Return *items* as the text of an array, for a parameter that is cast to one.

    On the hot path: psycopg looks at each element of a list to find its type.
    """
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def set_codecs(context: AdaptContext) -> None:
    """Set how JSON travels, on a connection or on a single cursor."""
    context.adapters.register_dumper(JsonText, _JsonTextDumper)
    set_json_loads(_loads, context)


def _loads(data: bytes | str) -> Any:
    """
    Decode what the server sends.

    A number beyond those of orjson, which only SQL can store, must not keep a listener
    from all that is in the same page.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data, parse_int=_read_int)


def _read_int(digits: str) -> int:
    # int() itself refuses more than 4,300 digits
    return int(digits) if len(digits) < 4_000 else int(Decimal(digits))


_HAS_PASSWORD: Final = re.compile(r"password|^\w+://[^/@]*:", re.IGNORECASE)
_QUOTED: Final = re.compile(r'".*"', re.DOTALL)


def _read_address(dsn: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        cause = str(error).strip()
    # not inside of the block: the error of libpq quotes what it does not understand,
    # which may be the password
    if _HAS_PASSWORD.search(dsn):
        cause = _QUOTED.sub('"…"', cause)
    raise InvalidSetting(
        f"the address of the database cannot be read: {cause}",
        hint="Give a URL, postgresql://user@host/database, or key=value pairs. "
        "What a URL cannot hold as it is goes percent-encoded, % as %25.",
    )


def _session(dsn: str) -> dict[str, Any]:
    """Return how to connect, the options that the address carries included."""
    own = _read_address(dsn)
    # among the options: the server reports the name, which tells whether they hold
    name = re.sub(r"([\\ ])", r"\\\1", own.get("application_name", APPLICATION_NAME))
    own_options = own.get("options") or ""
    options = f"{SESSION_OPTIONS} -c application_name={name} {own_options}"
    return {
        **{name: own.get(name, value) for name, value in KEEPALIVES.items()},
        "conninfo": dsn,
        "autocommit": True,
        "connect_timeout": own.get("connect_timeout", CONNECT_TIMEOUT),
        "application_name": "",
        "options": options.rstrip(),
    }


def _pooled_session(dsn: str) -> dict[str, Any]:
    """
    Return how to connect by way of a pooler that takes no options.

    Of what they say nothing is needed for a result to be right: the functions refuse
    other isolation levels, and set for themselves what their plans need.
    """
    own = _read_address(dsn)
    return {
        **_session(dsn),
        "application_name": own.get("application_name", APPLICATION_NAME),
        "options": own.get("options") or "",
    }


def _is_from_pooler(error: psycopg.OperationalError) -> bool:
    # PgBouncer, in each of its versions
    return "unsupported startup parameter" in str(error)


def _adapt(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    set_codecs(connection)
    if connection.info.parameter_status("application_name") in {None, ""}:
        # there is a pooler between: what we prepare would be on anybody's connection
        connection.prepare_threshold = None


async def connect(dsn: str) -> psycopg.AsyncConnection[Any]:
    """
    Open a connection in autocommit mode: each call of ours is one transaction.

    By way of a transaction pooler (PgBouncer) it has no settings of its own and
    prepares nothing.

    Args:
        dsn: A libpq connection string or URL.

    Raises:
        ConnectionFailed: If the server cannot be reached or refuses us.
    """
    with translated_errors():
        try:
            connection = await psycopg.AsyncConnection.connect(**_session(dsn))
        except psycopg.OperationalError as error:
            if not _is_from_pooler(error):
                raise
            connection = await psycopg.AsyncConnection.connect(
                **_pooled_session(dsn), prepare_threshold=None
            )
    _adapt(connection)
    return connection


def connect_blocking(dsn: str) -> psycopg.Connection[Any]:
    """Open a connection for a thread of its own; see `connect`."""
    with translated_errors():
        try:
            connection = psycopg.Connection.connect(**_session(dsn))
        except psycopg.OperationalError as error:
            if not _is_from_pooler(error):
                raise
            connection = psycopg.Connection.connect(
                **_pooled_session(dsn), prepare_threshold=None
            )
    _adapt(connection)
    return connection


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether *error* means that the connection, not the request, is broken."""
    if error.sqlstate == _READ_ONLY:
        return True  # a standby by now; another connection may find the new primary
    if isinstance(error, (psycopg.InterfaceError, psycopg.OperationalError)):
        # no sqlstate: the socket died; 57P01-57P03 and 08xxx: the server went away
        state = error.sqlstate or ""
        return not state or state.startswith("08") or state[:4] == "57P0"
    return False


def _is_trouble(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_TROUBLES)


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


@contextmanager
def cut_blocking_after(
    connection: psycopg.Connection[Any], seconds: float
) -> Iterator[None]:
    """Break *connection* if the block takes longer; see `cut_after`."""
    cutting = threading.Timer(seconds, _shut_down, (connection,))
    cutting.daemon = True
    cutting.start()
    try:
        yield
    finally:
        cutting.cancel()


def _shut_down(
    connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any],
) -> None:
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
        if isinstance(known, DefinitionError):
            issue = Issue(
                code="refused",
                pointer=error.diag.message_detail or "",
                message=known.message,
                hint=known.hint,
            )
            known = DefinitionError(known.message, hint=known.hint, issues=[issue])
        if known is not None:
            raise known from error
        if error.sqlstate in _MISSING:
            raise SchemaOutdated(
                f"the database lacks something that the library needs: {message}",
                hint="Run: singularity-workflow db migrate",
            ) from error
        if error.sqlstate == _FORBIDDEN:
            raise PermissionDenied(
                f"the role of the connection may not do it: {message}",
                hint="Grant it the rights of docs/howto/own_database.md, again after "
                "a migration.",
            ) from error
        if error.sqlstate == _READ_ONLY or _is_trouble(error):
            raise ConnectionFailed(
                f"PostgreSQL cannot do it now: {message}",
                hint="Look at the server's log.",
            ) from error
        if is_lost(error):
            raise ConnectionFailed(
                f"PostgreSQL cannot be reached: {message}",
                hint="Check the address, and that the server runs: "
                "singularity-workflow db status",
            ) from error
        raise
