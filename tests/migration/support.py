"""
Migrations from blocking tests: each call has a connection of its own.
"""

from __future__ import annotations

import asyncio

from singularity_workflow.store import migrate as migrations
from singularity_workflow.store.connections import connect
from singularity_workflow.store.migrate import SchemaStatus

__all__ = ["check", "migrate", "migrate_many", "status"]


def migrate(dsn: str) -> tuple[str, ...]:
    """Migrate a database; return what was applied."""
    return migrate_many(dsn, 1)[0]


def migrate_many(dsn: str, count: int) -> list[tuple[str, ...]]:
    """Migrate a database over several connections at once."""

    async def one() -> tuple[str, ...]:
        connection = await connect(dsn)
        try:
            return await migrations.migrate(connection)
        finally:
            await connection.close()

    async def all_() -> list[tuple[str, ...]]:
        return await asyncio.gather(*(one() for _ in range(count)))

    return asyncio.run(all_())


def check(dsn: str) -> None:
    """Refuse a schema that does not fit, as every engine does."""

    async def run() -> None:
        connection = await connect(dsn)
        try:
            await migrations.check_schema(connection)
        finally:
            await connection.close()

    asyncio.run(run())


def status(dsn: str) -> SchemaStatus:
    """Compare a database with the library."""

    async def run() -> SchemaStatus:
        connection = await connect(dsn)
        try:
            return await migrations.schema_status(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
