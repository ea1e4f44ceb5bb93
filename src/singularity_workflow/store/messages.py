"""
Queues of messages: one method a function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.positions import Position
from singularity_workflow.store import sql_files
from singularity_workflow.store.borrowed import call_on
from singularity_workflow.store.channel import BatchRejected
from singularity_workflow.store.connections import JsonText
from singularity_workflow.store.pages import MessagePage, parse_page
from singularity_workflow.store.sending import Sender

if TYPE_CHECKING:
    from singularity_workflow.store.pools import Pool

__all__ = ["MessageStore"]

_PAGE: Final = 500


class MessageStore:
    """
    Queues of messages.

    Args:
        pool: For every call that is not made on a connection of the caller.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sender = Sender(self._send_each)

    async def open_queue(self, queue: str) -> str:
        """Make a queue if it is not there; return pgmq's name of it."""
        name: str = await self._call(None, "open_queue", queue=queue)
        return name

    async def send(
        self,
        queue: str,
        message: bytes,
        *,
        headers: bytes | None = None,
        connection: object = None,
    ) -> int:
        """Store an encoded message and tell listeners; return its id."""
        if connection is None:
            return await self._sender.send(queue, message, headers)
        number: int = await self._call(
            connection,
            "send_with_notify",
            queue=queue,
            message=JsonText(message),
            headers=None if headers is None else JsonText(headers),
        )
        return number

    async def _send_each(self, items: bytes) -> list[int]:
        numbers: list[int] = await self._call(None, "send_each", items=JsonText(items))
        return numbers

    async def send_batch(
        self,
        queue: str,
        messages: bytes,
        *,
        headers: bytes | None = None,
        connection: object = None,
    ) -> list[int]:
        """Store an encoded array of messages and tell listeners; return their ids."""
        numbers: list[int] = await self._call(
            connection,
            "send_batch_with_notify",
            queue=queue,
            messages=JsonText(messages),
            headers=None if headers is None else JsonText(headers),
        )
        return numbers

    async def read(
        self,
        queue: str,
        start: Position,
        *,
        limit: int = _PAGE,
        positions: Sequence[int] | None = None,
        bare: bool = False,
    ) -> MessagePage:
        """
        Return a page of messages.

        Args:
            queue: The queue.
            start: Where it begins.
            limit: How many of those that are complete; what is not comes at once.
            positions: Those of just these places.
            bare: Whether to leave out the payloads.

        Raises:
            QueueNotFound: If there is no such queue.
        """
        return parse_page(
            await self._call(
                None,
                "read_messages",
                queue=queue,
                pos=start.pos,
                id=start.id,
                limit=limit,
                positions=None if positions is None else list(positions),
                bare=bare,
            )
        )

    async def read_one(self, queue: str, number: int) -> MessagePage:
        """Return the page that has one message, or none if it is not there."""
        return parse_page(
            await self._call(None, "read_message", queue=queue, id=number)
        )

    async def notify(
        self, channel: str, payload: str, *, connection: object = None
    ) -> None:
        """Notify, and store nothing."""
        await self._call(connection, "notify_only", channel=channel, payload=payload)

    async def configure(self, queue: str, retention: timedelta) -> None:
        """Say how long a queue keeps its messages."""
        await self._call(None, "configure_queue", queue=queue, retention=retention)

    async def prune(self, limit: int = 500) -> tuple[int, bool]:
        """Remove old messages; return how many, and whether more are left."""
        data = await self._call(None, "prune_messages", limit=limit)
        return data["removed"], data["has_more"]

    async def _call(self, connection: object, name: str, /, **parameters: Any) -> Any:
        query = sql_files.query(f"messages/{name}")
        with _refused_data():
            if connection is not None:
                return await call_on(connection, query, parameters)
            return await self._pool.call(query, parameters)


@contextmanager
def _refused_data() -> Iterator[None]:
    """Turn what the server says of values that it cannot store into our own error."""
    try:
        yield
    except (BatchRejected, psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as e:
        raise InvalidSetting(f"PostgreSQL cannot store the message: {e}") from e
