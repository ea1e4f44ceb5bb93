"""
All feeds of an engine: one for each queue that somebody listens to.

Owns that the hub's news reach the right one, and that whoever makes events knows that
somebody listens to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from singularity_workflow.errors import ConfigurationError, SingularityError
from singularity_workflow.model.events import EVENT_QUEUE
from singularity_workflow.model.positions import Position
from singularity_workflow.notifications.feed import Feed
from singularity_workflow.notifications.hub import ANNOUNCED_EVERY, Hub
from singularity_workflow.notifications.inbox import Inbox
from singularity_workflow.notifications.source import Source

__all__ = ["Feeds"]

logger = logging.getLogger(__name__)

_LONGEST_OPENING: Final = 4.0
"""Seconds to wait for notifications; without them there is polling."""

_NEWCOMERS_WAIT: Final = 0.2
"""Seconds at the most before an engine that is new is told that somebody listens."""

_FEEDS_AT_EASE: Final = 20
"""Beyond so many, each looks in vain less often."""


class Feeds:
    """
    Open a feed for the first listener of a queue, and close it after the last.

    Args:
        hub: What hears of news.
        announce: Tells all engines that somebody listens to events.
    """

    def __init__(self, hub: Hub, announce: Callable[[], Awaitable[None]]) -> None:
        self._hub = hub
        self._announce = announce
        self._feeds: dict[str, Feed] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        # by the names in notifications
        self._told: dict[str, dict[Feed, None]] = {}
        self._announcing: asyncio.Task[None] | None = None
        self._has_newcomer = asyncio.Event()
        self._has_hub = False
        self._is_closed = False

    async def add(
        self,
        inbox: Inbox,
        source: Source,
        after: Position | None,
    ) -> None:
        """
        Let a listener have what comes from a source; see `Feed.add`.

        Raises:
            ConfigurationError: If all listening was ended, maybe meanwhile.
        """
        self._check_open(inbox)
        await self._hub.wait_until_listening(_LONGEST_OPENING)
        async with self._lock(source.name):
            self._check_open(inbox)
            feed = self._feeds.get(source.name) or await self._open(source)
            try:
                await feed.add(inbox, after)
                self._check_open(inbox)
            except BaseException:
                feed.remove(inbox)
                await self._close_unused(source.name, feed)
                raise

    async def remove(self, inbox: Inbox, source: Source) -> None:
        """Let a listener have nothing more."""
        async with self._lock(source.name):
            feed = self._feeds.get(source.name)
            if feed is not None:
                feed.remove(inbox)
                await self._close_unused(source.name, feed)

    async def close(self) -> None:
        """End all listening."""
        self._is_closed = True
        for feed in list(self._feeds.values()):
            for inbox in feed.inboxes():
                inbox.stop()
            await feed.close()
        self._feeds.clear()
        self._told.clear()
        if self._announcing is not None:
            self._announcing.cancel()
            await asyncio.gather(self._announcing, return_exceptions=True)

    def _check_open(self, inbox: Inbox) -> None:
        if self._is_closed:
            inbox.stop()
            raise ConfigurationError("the engine was closed: nothing listens any more")

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _open(self, source: Source) -> Feed:
        if not self._has_hub:
            self._has_hub = True
            self._hub.subscribe(
                on_sent=self._on_sent,
                on_gap=self._on_gap,
                on_newcomer=self._has_newcomer.set,
            )
        feed = Feed(source, lambda: self._hub.is_listening, self._stretch)
        # before it is opened: what comes meanwhile must not be missed
        self._told.setdefault(source.name, {})[feed] = None
        try:
            name = await feed.open()
        except BaseException:
            self._forget(feed)
            raise
        if name != source.name:
            self._told.setdefault(name, {})[feed] = None
            feed.note_gap()
        self._feeds[source.name] = feed
        if name == EVENT_QUEUE:
            self._announce_soon()
        return feed

    async def _close_unused(self, name: str, feed: Feed) -> None:
        if not feed.is_used:
            self._feeds.pop(name, None)  # `close` may have been there before
            self._forget(feed)
            await feed.close()

    def _forget(self, feed: Feed) -> None:
        for name, feeds in list(self._told.items()):
            feeds.pop(feed, None)
            if not feeds:
                del self._told[name]

    def _stretch(self) -> float:
        return max(1.0, len(self._feeds) / _FEEDS_AT_EASE)

    def _on_sent(self, queue: str, positions: Sequence[int]) -> None:
        for feed in self._told.get(queue, ()):
            feed.note_sent(positions)

    def _on_gap(self) -> None:
        for feed in {one for feeds in self._told.values() for one in feeds}:
            feed.note_gap()

    def _announce_soon(self) -> None:
        if self._announcing is None or self._announcing.done():
            self._announcing = asyncio.create_task(
                self._announce_again(), name="swf-listening"
            )

    async def _announce_again(self) -> None:
        """Say that somebody listens to events, as long as that is so."""
        while EVENT_QUEUE in self._told:
            self._has_newcomer.clear()
            with contextlib.suppress(SingularityError):
                await self._announce()
            await asyncio.sleep(_NEWCOMERS_WAIT)  # for others: one answer does for all
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANNOUNCED_EVERY):
                    await self._has_newcomer.wait()
