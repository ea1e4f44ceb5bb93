"""
Open the database of an engine, and close it again.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack

from singularity_workflow.engine.address import opened_address
from singularity_workflow.engine.settings import EngineSettings
from singularity_workflow.model.events import EVENT_QUEUE
from singularity_workflow.store.channel import DEFAULT_CALL_TIMEOUT
from singularity_workflow.store.connections import connect, cut_after
from singularity_workflow.store.migrate import check_schema, migrate
from singularity_workflow.store.pools import Pool, borrow_pool, own_pool
from singularity_workflow.store.store import Store

__all__ = ["Database"]

logger = logging.getLogger(__name__)


class Database:
    """
    The store of an engine, with all that was opened for it.

    Args:
        store: The typed calls.
        stack: What to close.
    """

    def __init__(self, store: Store, stack: AsyncExitStack) -> None:
        self.store = store
        self._stack = stack

    @classmethod
    async def open(cls, settings: EngineSettings) -> Database:
        """
        Connect, to the embedded server if there is no address.

        Raises:
            ConnectionFailed: The server cannot be reached.
            SchemaError: The schema is not at this library's version.
            EmbeddedServerError: There is no address, and no server can be started.
        """
        async with AsyncExitStack() as stack:
            pool, is_embedded = await _open_pool(settings, stack)
            must_migrate = settings.migrate
            if must_migrate is None:
                # nobody else looks after an embedded server's schema
                must_migrate = is_embedded
            await _check_schema(pool.conninfo, must_migrate=must_migrate)
            store = Store(pool, use_notify=settings.use_notify)
            stack.push_async_callback(store.close)
            if settings.events_retention is not None:
                await store.messages.configure(EVENT_QUEUE, settings.events_retention)
            return cls(store, stack.pop_all())
        raise AssertionError("unreachable")  # pragma: no cover

    async def close(self) -> None:
        """Close the connections; an embedded server stops with its last user."""
        await self._stack.aclose()


async def _open_pool(
    settings: EngineSettings, stack: AsyncExitStack
) -> tuple[Pool, bool]:
    if settings.pool is not None:
        return borrow_pool(settings.pool), False
    address = await stack.enter_async_context(opened_address(settings.dsn))
    pool = own_pool(address.dsn, settings.pool_size)
    stack.push_async_callback(pool.close)
    return pool, address.is_embedded


async def _check_schema(dsn: str, *, must_migrate: bool) -> None:
    connection = await connect(dsn)
    async with connection:
        if must_migrate:
            for name in await migrate(connection):
                logger.debug("applied %s", name)
        else:
            with cut_after(connection, DEFAULT_CALL_TIMEOUT):
                await check_schema(connection)
