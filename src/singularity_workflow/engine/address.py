"""
Where the database is: the argument, the environment, or the embedded server.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

__all__ = ["DSN_VARIABLES", "Address", "find_dsn", "opened_address"]

DSN_VARIABLES: Final = ("SINGULARITY_WORKFLOW_DATABASE_URL", "DATABASE_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """
    A database that can be connected to.

    Args:
        dsn: A libpq connection string or URL.
        is_embedded: Whether it is on the embedded server.
    """

    dsn: str
    is_embedded: bool


def find_dsn(dsn: str | None) -> str | None:
    """
    Return the address to connect to, None for the embedded server.

    Args:
        dsn: What the application gave; it goes before the environment.
    """
    if dsn:
        return dsn
    for name in DSN_VARIABLES:
        if found := os.environ.get(name):
            return found
    return None


@asynccontextmanager
async def opened_address(dsn: str | None) -> AsyncIterator[Address]:
    """
    Yield where to connect; the embedded server, if meant, runs meanwhile.

    Raises:
        EmbeddedServerError: There is no address, and no server can be started.
    """
    found = find_dsn(dsn)
    if found is not None:
        yield Address(dsn=found, is_embedded=False)
        return

    # loaded only by those who have no address
    from singularity_workflow.store.embedded import acquire_server  # noqa: PLC0415

    server = await asyncio.to_thread(acquire_server)
    try:
        yield Address(dsn=server.dsn, is_embedded=True)
    finally:
        await asyncio.to_thread(server.release)
