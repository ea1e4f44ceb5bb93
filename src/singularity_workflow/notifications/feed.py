"""
The messages of one queue, read once for all listeners of an engine.

Each notification names a transaction, and just its messages are read. What a lost
connection has swallowed is found from the horizon on: the first transaction that was
not known to be complete.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from singularity_workflow.errors import SingularityError
from singularity_workflow.model.messages import Message, Position
from singularity_workflow.notifications.subscription import Subscription
from singularity_workflow.store.messages import (
    MessagePage,
    MessageStore,
    StoredMessage,
)

__all__ = ["Feed"]

logger = logging.getLogger(__name__)

_PAGE: Final = 1_000
_MOST_TRANSACTIONS: Final = 500
_LAST_ID: Final = 2**63 - 1
_PAUSE_WHEN_AWAY: Final = 0.5


class Feed:
    """
    Read a queue and spread what is new.

    Args:
        store: Where the messages are.
        queue: The queue.
    """

    def __init__(self, store: MessageStore, queue: str) -> None:
        self.queue = queue
        self.subscriptions: set[Subscription] = set()
        self._store = store
        # all transactions before it are read; of those from it on, these messages
        self._horizon = 0
        self._seen: set[Position] = set()
        self._sent: set[int] = set()
        self._must_scan = False
        self._has_news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    async def open(self) -> None:
        """Take note of what is there already, which is nobody's business."""
        await self._store.open_queue(self.queue)
        page = await self._store.read(self.queue, Position(_LAST_ID, 0), limit=1)
        self._horizon = page.horizon
        position = Position(self._horizon, 0)
        while True:
            page = await self._store.read(self.queue, position, limit=_PAGE)
            self._seen.update(one.position for one in page.messages)
            if page.is_last:
                break
            position = page.messages[-1].position
        self._task = asyncio.create_task(self._spread(), name=f"swf-feed-{self.queue}")

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add(self, subscription: Subscription, after: Position | None) -> None:
        """Let *subscription* have what comes, and before that what is after *after*."""
        position = Position(self._horizon, 0) if after is None else after
        subscription.begin(self.read, position, is_behind=after is not None)
        if after is None:
            subscription.forget(self._seen)
        self.subscriptions.add(subscription)

    async def read(self, after: Position) -> MessagePage:
        """Return a page for a listener that has fallen behind."""
        return await self._store.read(self.queue, after)

    def note_sent(self, xid: int) -> None:
        """Take note that a transaction has committed messages."""
        self._sent.add(xid)
        self._has_news.set()

    def note_gap(self) -> None:
        """Take note that notifications may have been lost."""
        self._must_scan = True
        self._has_news.set()

    async def _spread(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            try:
                await self._read_news()
            except SingularityError as error:
                if not self._is_away:
                    logger.warning("queue %r: %s", self.queue, error.message)
                self._is_away = True
                self.note_gap()
                await asyncio.sleep(_PAUSE_WHEN_AWAY)
            else:
                self._is_away = False

    async def _read_news(self) -> None:
        if self._must_scan:
            self._must_scan = False
            self._sent.clear()
            position = Position(self._horizon, 0)
            while True:
                page = await self._store.read(self.queue, position, limit=_PAGE)
                self._offer(page)
                if page.is_last:
                    self._move(page.horizon)
                    break
                position = page.messages[-1].position
        while self._sent:
            some = sorted(self._sent)[:_MOST_TRANSACTIONS]
            page = await self._store.read(
                self.queue, Position(0, 0), limit=_LAST_PAGE, sent=some
            )
            self._sent.difference_update(some)
            self._offer(page)
            # what those before the horizon sent was told already: commits come before
            if not self._sent:
                self._move(page.horizon)

    def _offer(self, page: MessagePage) -> None:
        for one in page.messages:
            if one.xid < self._horizon or one.position in self._seen:
                continue
            self._seen.add(one.position)
            go_on = min(one.position, Position(page.horizon, 0))
            message = _to_message(self.queue, one, go_on)
            for subscription in self.subscriptions:
                subscription.offer(message, one.position, go_on)
