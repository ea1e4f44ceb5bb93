"""
Put pgmq into the database.

As an extension where the server offers it, else from the SQL that the `pgmq` package
ships.

The package is only a carrier of SQL here. It is not imported: that would load its
clients, and the file is all that is needed.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any, LiteralString, cast

import psycopg

from singularity_workflow.errors import PgmqUnavailable
from singularity_workflow.store import sql_files

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OLDEST_VERSION", "ensure_pgmq"]

OLDEST_VERSION = (1, 5)


async def ensure_pgmq(connection: psycopg.AsyncConnection[Any]) -> None:
    """
    Install pgmq if it is missing; refuse one that is too old.

    Args:
        connection: In a transaction or not; needs the right to create a schema.

    Raises:
        PgmqUnavailable: If it is older than 1.5, or cannot be installed.
    """
    found = await _status(connection)
    if found["is_installed"]:
        _refuse_old(found["extension_version"] or found["marked_version"])
        return

    if found["available_version"]:
        _refuse_old(found["available_version"])
        await connection.execute(sql_files.query("schema/create_pgmq_extension"))
        return

    await connection.execute(_shipped_sql())


async def _status(connection: psycopg.AsyncConnection[Any]) -> dict[str, Any]:
    cursor = await connection.execute(sql_files.query("schema/pgmq_status"))
    row = await cursor.fetchone()
    return dict(
        zip(
            (
                "is_installed",
                "extension_version",
                "available_version",
                "marked_version",
            ),
            row or (False, None, None, None),
            strict=True,
        )
    )


def _refuse_old(version: str | None) -> None:
    # pgmq installed from plain SQL leaves no version behind; the functions that
    # 1.5 brought tell, and pgmq_status answers with the oldest that has them
    numbers = tuple(int(n) for n in re.findall(r"\d+", version or "0")[:2])
    if numbers < OLDEST_VERSION:
        raise PgmqUnavailable(
            f"pgmq {version or '(of unknown age)'} is installed, 1.5 is needed",
            hint="Install a newer pgmq on the server, then run in the database: "
            "alter extension pgmq update",
        )


def _shipped_sql() -> LiteralString:
    try:
        package = distribution("pgmq")
    except PackageNotFoundError:
        package = None
    for file in (package.files if package else None) or ():
        if file.name == "pgmq.sql" and "sql" in file.parts:
            path = cast("Path", file.locate())
            return cast("LiteralString", path.read_text("utf-8"))  # type: ignore[redundant-cast]
    raise PgmqUnavailable(
        "the server offers no pgmq extension, and the pgmq package ships no SQL",
        hint="pip install 'pgmq>=1.1', or install the extension on the server",
    )
