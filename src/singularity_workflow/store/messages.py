"""
Messages in the database: one method a function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from singularity_workflow.model.messages import Position
from singularity_workflow.store import sql_files
from singularity_workflow.store.borrowed import call_on
from singularity_workflow.store.connections import JsonText

if TYPE_CHECKING:
    from singularity_workflow.store.pools import Pool

__all__ = ["MessagePage", "MessageStore", "StoredMessage"]

_PAGE: Final = 500


class StoredMessage(NamedTuple):
    """A message as it lies in its queue."""

    id: int
    xid: int
    sent_at: datetime
    payload: Any
    headers: dict[str, Any]

    @property
    def position(self) -> Position:
        """Its place in the order of the queue."""
        return Position(self.xid, self.id)


@dataclass(frozen=True, slots=True)
class MessagePage:
    """
    Messages in order of position.

    Args:
        horizon: The first transaction that may still commit messages.
        messages: The messages.
        is_last: Whether there were no more when this was read.
    """

    horizon: int
    messages: list[StoredMessage]
    is_last: bool


class MessageStore:
    """
    Queues of messages.

    Args:
        pool: For every call that is not made on a connection of the caller.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open_queue(self, queue: str) -> None:
        """Make a queue, if it is not there."""
        await self._call(None, "open_queue", queue=queue)

    async def send(
        self,
        queue: str,
        message: bytes,
        *,
        headers: bytes | None = None,
        connection: object = None,
    ) -> int:
        """Store a message and tell listeners; return its id."""
        number: int = await self._call(
            connection,
            "send_with_notify",
            queue=queue,
            message=JsonText(message),
            headers=None if headers is None else JsonText(headers),
        )
        return number

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
        after: Position,
        *,
        limit: int = _PAGE,
        sent: Sequence[int] | None = None,
    ) -> MessagePage:
        """
        Return messages after a position.

        Args:
            queue: The queue.
            after: The position.
            limit: How many at the most.
            sent: Instead of the position: those of just these transactions.
        """
        data = await self._call(
            None,
            "read_messages",
            queue=queue,
            xid=after.xid,
            id=after.id,
            limit=limit,
            sent=None if sent is None else list(sent),
        )
        messages = [_to_message(row) for row in data["messages"]]
        return MessagePage(data["horizon"], messages, len(messages) < limit)

    async def read_one(self, queue: str, number: int) -> StoredMessage | None:
        """Return a message by its id."""
        row = await self._call(None, "read_message", queue=queue, id=number)
        return None if row is None else _to_message(row)

    async def notify(
        self, channel: str, payload: str, *, connection: object = None
    ) -> None:
        """Notify, and store nothing."""
        await self._call(connection, "notify_only", channel=channel, payload=payload)

    async def configure(self, queue: str, retention: timedelta) -> None:
        """Say how long a queue keeps its messages."""
        await self._call(None, "configure_queue", queue=queue, retention=retention)

    async def prune(self, limit: int = 500) -> int:
        """Remove old messages; return how many."""
        removed: int = await self._call(None, "prune_messages", limit=limit)
        return removed

    async def _call(
        self, connection: object, name: str, /, **parameters: Any
    ) -> Any:
        query = sql_files.query(f"messages/{name}")
        if connection is not None:
            return await call_on(connection, query, parameters)
        return await self._pool.call(query, parameters)


def _to_message(row: Sequence[Any]) -> StoredMessage:
    number, xid, sent_at, payload, headers = row
    rest = {
        key: value
        for key, value in (headers if isinstance(headers, Mapping) else {}).items()
        if key != "xid"
    }
    return StoredMessage(
        number, xid, datetime.fromisoformat(sent_at), payload, rest
    )
