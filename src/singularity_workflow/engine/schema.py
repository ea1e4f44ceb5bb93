"""
The schema of a database, for those who look after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from singularity_workflow.engine.address import opened_address
from singularity_workflow.store.connections import connect
from singularity_workflow.store.migrate import SchemaStatus, migrate, schema_status

if TYPE_CHECKING:
    import psycopg

__all__ = ["read_schema", "upgrade_schema"]


async def upgrade_schema(dsn: str | None = None) -> tuple[str, ...]:
    """
    Bring the schema up to date, and return the names of what was applied.

    Args:
        dsn: As of `AsyncEngine`.

    Raises:
        SchemaTooNew: A newer library was here.
        ConnectionFailed: The server cannot be reached.
    """
    async with _connection(dsn) as connection:
        return await migrate(connection)


async def read_schema(dsn: str | None = None) -> SchemaStatus:
    """
    Compare the schema with this library; changes nothing.

    Args:
        dsn: As of `AsyncEngine`.

    Raises:
        ConnectionFailed: The server cannot be reached.
    """
    async with _connection(dsn) as connection:
        return await schema_status(connection)


@asynccontextmanager
async def _connection(dsn: str | None) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with opened_address(dsn) as address:
        connection = await connect(address.dsn)
        async with connection:
            yield connection
