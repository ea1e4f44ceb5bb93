"""
One call on a connection of the application, inside its own transaction.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.store.connections import set_codecs, translated_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

__all__ = ["call_on"]


async def call_on(
    connection: object, query: LiteralString, parameters: Mapping[str, Any]
) -> Any:
    """
    Run one query on *connection* and return the first column of its row.

    Args:
        connection: A psycopg connection, of either kind; its transaction, settings
            and row factory stay as they are.
        query: The query.
        parameters: Its parameters.

    Raises:
        InvalidSetting: If it is no psycopg connection.
    """
    with translated_errors():
        if isinstance(connection, psycopg.AsyncConnection):
            async with connection.cursor(row_factory=tuple_row) as cursor:
                set_codecs(cursor)
                await cursor.execute(query, parameters)
                row = await cursor.fetchone()
                return row[0] if row else None
        if isinstance(connection, psycopg.Connection):
            return await asyncio.to_thread(
                functools.partial(_call, connection, query, parameters)
            )
    raise InvalidSetting(
        f"connection must be a psycopg connection, got {type(connection).__name__}"
    )


def _call(
    connection: psycopg.Connection[Any],
    query: LiteralString,
    parameters: Mapping[str, Any],
) -> Any:
    with connection.cursor(row_factory=tuple_row) as cursor:
        set_codecs(cursor)
        cursor.execute(query, parameters)
        row = cursor.fetchone()
        return row[0] if row else None
