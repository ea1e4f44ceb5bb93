"""
What a feed reads from: messages of a queue, or what the engine has noted of runs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from singularity_workflow.errors import QueueNotFound
from singularity_workflow.model.messages import Message
from singularity_workflow.model.positions import Placed, Position, make_cursor
from singularity_workflow.store.messages import MessageStore
from singularity_workflow.store.pages import MessagePage, StoredMessage
from singularity_workflow.telemetry.fields import log_fields

__all__ = ["MessageSource", "Page", "Row", "Source"]

logger = logging.getLogger(__name__)


class Row(Protocol):
    """A row of the queue; what else it has is the source's business."""

    @property
    def pos(self) -> int | None:
        raise NotImplementedError

    @property
    def id(self) -> int:
        raise NotImplementedError


class Page(Protocol):
    """Rows in the order of their positions; see `store.pages.MessagePage`."""

    @property
    def horizon(self) -> int:
        raise NotImplementedError

    @property
    def rows(self) -> Sequence[Any]:
        raise NotImplementedError

    @property
    def is_last(self) -> bool:
        raise NotImplementedError


class Source(Protocol):
    """Where a feed reads."""

    @property
    def name(self) -> str:
        """Tells sources apart: who has the same one shares a feed."""
        raise NotImplementedError

    @property
    def keeps_order(self) -> bool:
        """Whether a cause is never told after its effect, which takes longer."""
        raise NotImplementedError

    async def open(self) -> str:
        """Make it if it is not there; return its name in notifications."""
        raise NotImplementedError

    async def read(
        self,
        start: Position,
        limit: int,
        *,
        positions: Sequence[int] | None = None,
        runs: Sequence[str] | None = None,
        bare: bool = False,
    ) -> Page:
        """
        Return rows from a position on.

        Args:
            start: Where to begin, its row included.
            limit: How many rows of those that are complete.
            positions: The rows of just these places.
            runs: The rows of just these runs; may be ignored.
            bare: Whether only the places are needed.
        """
        raise NotImplementedError

    def expand(self, row: Any, horizon: int) -> Sequence[Placed]:
        """Return what a row has for listeners, with cursors for this horizon."""
        raise NotImplementedError


class MessageSource:
    """
    The messages of a queue.

    Args:
        store: Where they are.
        queue: Its name, in upper or lower case.
    """

    def __init__(self, store: MessageStore, queue: str) -> None:
        self._store = store
        self.name = queue.lower()
        self.keeps_order = False

    async def open(self) -> str:
        """Make the queue if it is not there; return pgmq's name of it."""
        return await self._store.open_queue(self.name)

    async def read(
        self,
        start: Position,
        limit: int,
        *,
        positions: Sequence[int] | None = None,
        runs: Sequence[str] | None = None,  # noqa: ARG002 - messages have none
        bare: bool = False,
    ) -> MessagePage:
        """Return messages from a position on; a dropped queue is made again."""
        read = partial(
            self._store.read,
            self.name,
            start,
            limit=limit,
            positions=positions,
            bare=bare,
        )
        try:
            return await read()
        except QueueNotFound:
            logger.warning(
                "queue %r was dropped, and is made again",
                self.name,
                extra=log_fields(queue=self.name),
            )
            await self.open()
            return await read()

    async def read_one(self, number: int) -> Message | None:
        """Return one message, None if it is not there."""
        page = await self._store.read_one(self.name, number)
        for row in page.rows:
            return self._to_message(row, page.horizon)
        return None

    def expand(self, row: StoredMessage, horizon: int) -> Sequence[Placed]:
        """Return the message of a row."""
        assert row.pos is not None
        message = self._to_message(row, horizon)
        return (Placed(Position(row.pos, row.id), None, message),)

    def _to_message(self, row: StoredMessage, horizon: int) -> Message:
        cursor = None
        if row.pos is not None:
            cursor = make_cursor(Position(row.pos, row.id), horizon)
        return Message(
            id=row.id,
            queue=self.name,
            payload=row.payload,
            sent_at=row.sent_at,
            cursor=cursor,
            headers={k: v for k, v in row.headers.items() if k != "pos"},
        )
