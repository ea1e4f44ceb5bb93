"""
Bring a database to the schema of this library, or say why it is not there.

Owns the ledger `singularity_workflow.schema_migrations`. Migrations are numbered,
applied once, in order, each with its checksum; functions are code and are re-applied,
all that changed in one transaction. An advisory lock makes one of many callers do it.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singularity_workflow.errors import (
    ConfigurationError,
    SchemaError,
    SchemaIncomplete,
    SchemaOutdated,
    SchemaTooNew,
)
from singularity_workflow.store import sql_files
from singularity_workflow.store.connections import translated_errors
from singularity_workflow.store.pgmq import ensure_pgmq
from singularity_workflow.version import library_version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import psycopg

__all__ = [
    "SchemaStatus",
    "check_schema",
    "migrate",
    "schema_status",
]

logger = logging.getLogger(__name__)

OLDEST_SERVER = 14
MIGRATE = "Run: singularity-workflow db migrate"


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaStatus:
    """
    How the schema of a database compares with this library.

    Args:
        pending: Names of migrations and functions that `migrate` would apply.
        problem: The error that a connection would raise; None if the schema fits.
    """

    pending: tuple[str, ...]
    problem: SchemaError | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Applied:
    kind: str
    name: str
    number: int | None
    checksum: str
    library: str
    is_complete: bool


async def schema_status(connection: psycopg.AsyncConnection[Any]) -> SchemaStatus:
    """Compare the database with this library; changes nothing."""
    applied = await _applied(connection)
    migrations = [
        m.name for m in sql_files.migrations() if ("migration", m.name) not in applied
    ]
    functions = [
        f"function {f.name}"
        for f in sql_files.functions()
        if ("function", f.name) not in applied
        or applied["function", f.name].checksum != f.checksum
    ]
    pending = (*migrations, *functions)
    problem = _edited(applied) or _problem(applied, pending)
    return SchemaStatus(pending=pending, problem=problem)


async def check_schema(connection: psycopg.AsyncConnection[Any]) -> None:
    """
    Refuse a schema that this library cannot work with.

    Raises:
        SchemaOutdated: Missing, or older than the library.
        SchemaTooNew: Migrated by a newer library.
        SchemaIncomplete: A migration did not finish, or an applied one was edited.
    """
    with translated_errors():
        status = await schema_status(connection)
    if status.problem is not None:
        raise status.problem


async def migrate(connection: psycopg.AsyncConnection[Any]) -> tuple[str, ...]:
    """
    Apply what is missing; safe to call from many processes at once.

    Args:
        connection: In autocommit mode, as a role that may create schemas.

    Returns:
        The names of what was applied; empty if nothing was missing.

    Raises:
        SchemaTooNew: The database was migrated by a newer library.
        SchemaIncomplete: An applied migration was edited afterwards.
        PgmqUnavailable: pgmq is missing and cannot be installed, or is too old.
        ConfigurationError: The server is older than PostgreSQL 14.
    """
    with translated_errors():
        await _refuse_old_server(connection)
        async with _schema_lock(connection):
            applied = await _applied(connection)
            problem = _problem(applied, ())
            if isinstance(problem, SchemaTooNew):
                raise problem
            if edited := _edited(applied):
                raise edited
            async with connection.transaction():
                await ensure_pgmq(connection)
                await connection.execute(sql_files.query("schema/create_ledger"))
            return await _apply(connection, applied)


async def _apply(
    connection: psycopg.AsyncConnection[Any],
    applied: dict[tuple[str, str], _Applied],
) -> tuple[str, ...]:
    """
    Apply what is missing: all of it at once, but for migrations that cannot be.

    A migration may drop functions that change their signature. If its commit came
    before that of the new ones, the workers of the old library could report nothing
    meanwhile.
    """
    pending = [
        migration
        for migration in sql_files.migrations()
        if (earlier := applied.get(("migration", migration.name))) is None
        or not earlier.is_complete
    ]
    done: list[str] = []
    while True:
        async with connection.transaction():
            while pending and not pending[0].is_online:
                done.append(await _apply_migration(connection, pending.pop(0)))
            if not pending:
                return (*done, *await _apply_functions(connection, applied))
        # its statements commit one by one, so the ledger says "begun" before
        done.append(await _apply_migration(connection, pending.pop(0)))


async def _apply_migration(
    connection: psycopg.AsyncConnection[Any], migration: sql_files.Migration
) -> str:
    logger.info("applying migration %s", migration.name)
    await _begin(connection, "migration", migration)
    await connection.execute(migration.text)
    await _end(connection, "migration", migration.name)
    return migration.name


async def _apply_functions(
    connection: psycopg.AsyncConnection[Any],
    applied: dict[tuple[str, str], _Applied],
) -> list[str]:
    changed = [
        f
        for f in sql_files.functions()
        if ("function", f.name) not in applied
        or applied["function", f.name].checksum != f.checksum
    ]
    if not changed:
        return []
    await connection.execute(sql_files.query("schema/allow_forward_references"))
    for function in changed:
        await connection.execute(function.text)
        await _begin(connection, "function", function)
        await _end(connection, "function", function.name)
    return [f"function {f.name}" for f in changed]


async def _begin(
    connection: psycopg.AsyncConnection[Any],
    kind: str,
    file: sql_files.Migration | sql_files.SqlFunction,
) -> None:
    await connection.execute(
        sql_files.query("schema/begin_migration"),
        {
            "kind": kind,
            "name": file.name,
            "number": getattr(file, "number", None),
            "checksum": file.checksum,
            "library": library_version(),
        },
    )


async def _end(connection: psycopg.AsyncConnection[Any], kind: str, name: str) -> None:
    await connection.execute(
        sql_files.query("schema/end_migration"), {"kind": kind, "name": name}
    )


@asynccontextmanager
async def _schema_lock(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    await connection.execute(sql_files.query("schema/lock_schema"))
    try:
        yield
    finally:
        if not connection.closed:
            await connection.execute(sql_files.query("schema/unlock_schema"))


async def _applied(
    connection: psycopg.AsyncConnection[Any],
) -> dict[tuple[str, str], _Applied]:
    cursor = await connection.execute(sql_files.query("schema/has_ledger"))
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return {}
    cursor = await connection.execute(sql_files.query("schema/applied"))
    rows = await cursor.fetchall()
    return {
        (kind, name): _Applied(
            kind=kind,
            name=name,
            number=number,
            checksum=checksum,
            library=library,
            is_complete=is_complete,
        )
        for kind, name, number, checksum, library, is_complete in rows
    }


def _problem(
    applied: dict[tuple[str, str], _Applied], pending: tuple[str, ...]
) -> SchemaError | None:
    if not applied:
        return SchemaOutdated("the database has no workflow schema yet", hint=MIGRATE)

    ours = {m.name for m in sql_files.migrations()}
    newest = max((a.library for a in applied.values()), key=_version_key, default="0")
    unknown = [
        a.name for a in applied.values() if a.kind == "migration" and a.name not in ours
    ]
    if unknown or _version_key(newest) > _version_key(library_version()):
        return SchemaTooNew(
            f"the schema was migrated by singularity-workflow {newest}, "
            f"this is {library_version()}",
            hint=f"Run: pip install --upgrade 'singularity-workflow>={newest}'",
        )

    halfway = [a.name for a in applied.values() if not a.is_complete]
    if halfway:
        return SchemaIncomplete(
            f"migration {halfway[0]} was begun and did not finish", hint=MIGRATE
        )
    if pending:
        return SchemaOutdated(
            f"the schema lacks {len(pending)} changes of this library, "
            f"the first is {pending[0]}",
            hint=MIGRATE,
        )
    return None


def _edited(applied: dict[tuple[str, str], _Applied]) -> SchemaIncomplete | None:
    for migration in sql_files.migrations():
        earlier = applied.get(("migration", migration.name))
        if earlier and earlier.is_complete and earlier.checksum != migration.checksum:
            return SchemaIncomplete(
                f"migration {migration.name} was applied with another content, by "
                f"singularity-workflow {earlier.library}",
                hint="Released migrations never change: install the version that "
                "migrated this database, or give this one an empty database.",
            )
    return None


async def _refuse_old_server(connection: psycopg.AsyncConnection[Any]) -> None:
    cursor = await connection.execute(sql_files.query("schema/server_version"))
    row = await cursor.fetchone()
    major = (row[0] if row else 0) // 10_000
    if major < OLDEST_SERVER:
        raise ConfigurationError(
            f"PostgreSQL {major} is too old, {OLDEST_SERVER} is needed",
            hint="Use a newer server, or leave the address out for the embedded one.",
        )


def _version_key(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
