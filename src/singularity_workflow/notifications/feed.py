"""
One queue, read once for all of its listeners in an engine.

A notification names places, and just the rows of those places are read. Only a scan of
all from the horizon on tells that nothing is missing, and moves the horizon: a commit
may be visible before its notification has arrived. Where a cause must not be told after
its effect, each notification leads to a scan in one snapshot, unless an old transaction
holds the horizon back and much lies beyond it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from singularity_workflow.errors import SingularityError
from singularity_workflow.model.positions import START, Placed, Position
from singularity_workflow.notifications.inbox import Catch, Inbox, RowId
from singularity_workflow.notifications.source import Page, Source

__all__ = ["Feed"]

logger = logging.getLogger(__name__)

_PAGE: Final = 1_000
_FEW_ROWS: Final = 500
"""Rows beyond the horizon that each news has read again; with more, only the news."""

_MOST_POSITIONS: Final = 500
_MOST_KEYS: Final = 2_000
"""Beyond so many keyed listeners everything is read."""

_SCAN_PAUSE: Final = 0.25
"""Seconds between scans while something comes."""
_SCAN_SHARE: Final = 0.05
"""Of the time, for scans: an old transaction makes them long."""
_IDLE_PAUSE: Final = 5.0
"""Seconds between scans while nothing comes."""
_POLL_PAUSE: Final = 0.5
"""Seconds between scans when notifications do not arrive."""
_PAUSE_WHEN_AWAY: Final = 0.25
_PAUSE_WHEN_BROKEN: Final = 5.0


class Feed:
    """
    Read a queue and spread what is new.

    Args:
        source: Where to read.
        is_told: Tells whether notifications arrive.
        stretch: Tells how much longer the pauses of looking in vain are.
    """

    def __init__(
        self,
        source: Source,
        is_told: Callable[[], bool],
        stretch: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._source = source
        self._is_told = is_told
        self._stretch = stretch
        self._whole: dict[Inbox, None] = {}
        self._keyed: defaultdict[str, dict[Inbox, None]]
        self._keyed = defaultdict(dict)
        # all rows in front of it have been offered; of those from it on, these
        self._horizon = 0
        self._seen: set[RowId] = set()
        self._is_fresh = True
        self._sent: set[int] = set()
        self._must_scan = False
        self._has_news = False
        self._scanned_at = 0.0
        self._scan_took = 0.0
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    @property
    def is_used(self) -> bool:
        """Whether anybody listens."""
        return bool(self._whole or self._keyed)

    async def open(self) -> str:
        """
        Take note of what is there already, which is nobody's business.

        Returns:
            The name of the queue in notifications.
        """
        name = await self._source.open()
        # the horizon of a page without rows is that of its snapshot
        nothing = await self._source.read(START, 1, positions=[], bare=True)
        self._horizon = nothing.horizon
        self._seen = await self._read_places(None)
        self._scanned_at = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._spread(), name=f"swf-feed-{name}")
        return name

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def add(self, inbox: Inbox, after: Position | None) -> None:
        """
        Let a listener have what comes.

        Args:
            inbox: Of the listener.
            after: Where it begins, with what is there already; None: with what comes.
        """
        key = inbox.key
        runs = None if key is None else [key]

        async def read(start: Position) -> Page:
            return await self._source.read(start, _PAGE // 2, runs=runs)

        catch = Catch(read, self._expander(key))
        # what has come since the feed was opened may still be on its way here
        must_look = after is None and not self._is_fresh
        self._is_fresh = False
        inbox.move(self._horizon)
        inbox.begin(catch, after, is_held=must_look)
        if key is None:
            self._whole[inbox] = None
        else:
            self._keyed[key][inbox] = None
        if must_look:
            inbox.release(await self._read_places(runs))

    def remove(self, inbox: Inbox) -> None:
        """Let a listener have nothing more."""
        key = inbox.key
        if key is None:
            self._whole.pop(inbox, None)
        elif key in self._keyed:
            self._keyed[key].pop(inbox, None)
            if not self._keyed[key]:
                del self._keyed[key]

    def note_sent(self, positions: Iterable[int]) -> None:
        """Take note that there are new rows at these places."""
        self._sent.update(positions)
        self._has_news = True
        self._woken.set()

    def note_gap(self) -> None:
        """Take note that notifications may have been lost."""
        self._must_scan = True
        self._woken.set()

    def inboxes(self) -> list[Inbox]:
        """Return those who listen."""
        return [*self._whole, *(one for some in self._keyed.values() for one in some)]

    async def _read_places(self, runs: list[str] | None) -> set[RowId]:
        """Return which rows there are from the horizon on."""
        found: set[RowId] = set()
        start = Position(self._horizon, 0, -1)
        while True:
            page = await self._source.read(start, _PAGE, runs=runs, bare=True)
            found.update((row.pos, row.id) for row in page.rows)
            if page.is_last:
                return found
            start = _behind(page)

    def _expander(self, key: str | None) -> Callable[[Any, int], Collection[Placed]]:
        if key is None:
            return self._source.expand
        return lambda row, horizon: [
            one for one in self._source.expand(row, horizon) if one.key == key
        ]

    async def _spread(self) -> None:
        while True:
            await self._wait()
            try:
                if not self._source.keeps_order or len(self._seen) > _FEW_ROWS:
                    await self._read_news()
                # of what lies between, a cause is not told after its effect
                if self._sent or self._must_scan or self._pause_left() <= 0:
                    await self._scan()
            except SingularityError as error:
                if not self._is_away:
                    logger.warning("queue %r: %s", self._source.name, error.message)
                await self._come_back(_PAUSE_WHEN_AWAY)
            except Exception:
                logger.exception("queue %r: reading failed", self._source.name)
                await self._come_back(_PAUSE_WHEN_BROKEN)
            else:
                self._is_away = False

    async def _come_back(self, pause: float) -> None:
        self._is_away = self._must_scan = True
        await asyncio.sleep(pause)

    async def _wait(self) -> None:
        """Wait until there is something to read, or it is time to look for it."""
        if self._must_scan or self._sent:
            return
        self._woken.clear()
        try:
            async with asyncio.timeout(max(0.0, self._pause_left())):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _pause_left(self) -> float:
        """Return in how many seconds the next scan is due."""
        if not self._is_told():
            pause = _POLL_PAUSE * self._stretch()
        elif self._has_news:
            pause = _SCAN_PAUSE
        else:
            pause = _IDLE_PAUSE * self._stretch()
        pause = max(pause, self._scan_took / _SCAN_SHARE)
        return self._scanned_at + pause - asyncio.get_running_loop().time()

    async def _read_news(self) -> None:
        while self._sent and not self._must_scan:
            some = sorted(self._sent)[:_MOST_POSITIONS]
            self._sent.difference_update(some)
            start = START
            while True:
                page = await self._source.read(
                    start, _PAGE, positions=some, runs=self._runs()
                )
                self._offer(page)
                if page.is_last:
                    break
                start = _behind(page)

    async def _scan(self) -> None:
        """Read all from the horizon on, and move it."""
        now = asyncio.get_running_loop().time
        began = now()
        self._must_scan = self._has_news = False
        self._sent.clear()
        start = Position(self._horizon, 0, -1)
        horizon = None
        while True:
            page = await self._source.read(start, _PAGE, runs=self._runs())
            horizon = page.horizon if horizon is None else horizon
            self._offer(page)
            if page.is_last:
                break
            start = _behind(page)
        self._horizon = horizon
        self._seen = {row for row in self._seen if row[0] >= horizon}
        for inbox in self.inboxes():
            inbox.move(horizon)
        self._scanned_at = now()
        self._scan_took = self._scanned_at - began

    def _runs(self) -> list[str] | None:
        """Return the keys of all listeners, if they have some and are not too many."""
        if self._whole or len(self._keyed) > _MOST_KEYS:
            return None
        return list(self._keyed)

    def _offer(self, page: Page) -> None:
        for row in page.rows:
            place = (row.pos, row.id)
            if row.pos < self._horizon or place in self._seen:
                continue
            self._seen.add(place)
            for placed in self._source.expand(row, self._horizon):
                for one in (*self._whole, *self._keyed.get(placed.key or "", ())):
                    one.offer(place, placed, self._horizon, self._seen)


def _behind(page: Page) -> Position:
    last = page.rows[-1]
    return Position(last.pos, last.id).behind
