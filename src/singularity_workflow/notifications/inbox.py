"""
What one listener has not taken yet, and how it catches up.

A listener that is too slow never holds up others: what does not fit is left in the
table and read from there later. So nothing is lost, and something may come twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from singularity_workflow.errors import ConnectionFailed
from singularity_workflow.model.positions import START, Placed, Position
from singularity_workflow.telemetry.fields import log_fields

if TYPE_CHECKING:
    from singularity_workflow.notifications.source import Page

__all__ = ["Catch", "Inbox", "RowId"]

logger = logging.getLogger(__name__)

_CAPACITY: Final = 1_000
"""Items that wait for a listener before it counts as slow."""

_PAUSE_WHEN_AWAY: Final = 0.25
"""Seconds after which reading is tried again when the server was away."""

RowId = tuple[int, int]
"""`pos` and `id` of a row."""


@dataclass(frozen=True, slots=True)
class Catch:
    """
    How a listener reads what it has missed.

    Args:
        read: Reads a page from a position on.
        expand: Returns what a row has for listeners, given the page's horizon.
    """

    read: Callable[[Position], Awaitable[Page]]
    expand: Callable[[Any, int], Collection[Placed]]


class Inbox:
    """
    Keep what comes until it is taken.

    Args:
        name: The queue, for the log.
        accepts: Tells which items are wanted; by default all.
        key: Of the only items that are wanted, such as the id of a run.
        is_last: Tells the item after which there is nothing more.
        capacity: Items that may wait before the listener counts as slow.
    """

    def __init__(
        self,
        name: str,
        *,
        accepts: Callable[[Any], bool] | None = None,
        key: str | None = None,
        is_last: Callable[[Any], bool] | None = None,
        capacity: int = _CAPACITY,
    ) -> None:
        self.name = name
        self.key = key
        self.lags = 0
        self.is_stopped = False
        self.is_finished = False
        # the end of a subscription that nobody has closed; nothing else holds it
        self.closing: asyncio.Task[None] | None = None
        self._accepts = accepts
        self._is_last = is_last
        self._capacity = capacity
        self._waiting: deque[Any] = deque()
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._catch: Catch | None = None
        # where to go on reading, and what of that is known already
        self._start = START
        self._known: set[RowId] = set()
        self._horizon = 0
        self._split: Position | None = None
        self._is_behind = False
        # what is offered during a look at the table, which may be the last one
        self._joining: list[tuple[RowId, Placed]] | None = None
        self._has_lagged = False
        self._is_over = False

    # for the listener

    def __len__(self) -> int:
        return len(self._waiting)

    def pop(self) -> Any:
        """Take the next item."""
        return self._waiting.popleft()

    async def wait(self) -> None:
        """
        Wait until there is something to take, or nothing more comes.

        To give up waiting does not break off a look at the table, which the next one to
        wait has the use of.
        """
        while not self._waiting and not self.is_stopped and not self.is_finished:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._is_behind and self._joining is None and self._catch is not None:
                self._joining = []
                self._reader = asyncio.create_task(self._catch_up(self._catch))
            self._changed.clear()
            await self._changed.wait()

    def finish_when_caught_up(self) -> None:
        """Expect nothing beyond what is in the table."""
        self._is_over = True

    def stop(self) -> None:
        """Take nothing more."""
        self.is_stopped = True
        if self._reader is not None:
            self._reader.cancel()
        self._changed.set()

    # for the feed

    def begin(
        self, catch: Catch, after: Position | None, *, is_held: bool = False
    ) -> None:
        """
        Take items from now on.

        Args:
            catch: How to read what was missed.
            after: Where to begin reading; None: what is there is not its business.
            is_held: Keep what comes until `release`.
        """
        self._catch = catch
        if after is not None:
            self._start = after
            self._is_behind = True
        elif is_held:
            self._is_behind = True
            self._joining = []
        self._changed.set()

    def release(self, known: set[RowId]) -> None:
        """Take what came since `begin`, but for what was there before."""
        self._known = known
        self._join()

    def offer(self, row: RowId, placed: Placed, horizon: int, seen: set[RowId]) -> None:
        """
        Take an item if there is room for it, else fall behind.

        Args:
            row: Where it is stored.
            placed: The item.
            horizon: All in front of it has been offered.
            seen: All rows from there on that have been offered, this one included.
        """
        if self._is_behind:
            if self._joining is not None:
                self._joining.append((row, placed))
            return
        if row in self._known:
            return
        if len(self._waiting) < self._capacity:
            self._put(placed)
        elif self._accepts is None or self._accepts(placed.item):
            self._fall_behind(placed.position, horizon, seen - {row})

    def move(self, horizon: int) -> None:
        """Take note that nothing in front of the horizon is offered any more."""
        self._horizon = horizon
        if self._known and not self._is_behind:
            self._forget()

    def tell(self, item: Any) -> None:
        """Take something that is stored nowhere, and lost if there is no room."""
        if len(self._waiting) < self._capacity:
            self._append(item)
        else:
            self.lags += 1
            self._has_lagged = True

    # inside

    def _fall_behind(self, split: Position, horizon: int, known: set[RowId]) -> None:
        self._is_behind = self._has_lagged = True
        self.lags += 1
        self._start = Position(horizon, 0, -1)
        self._known |= known
        self._split = split

    async def _catch_up(self, catch: Catch) -> None:
        """Read the next page of what was missed; be live again when it is the last."""
        try:
            self._take_page(catch, await catch.read(self._start))
        except ConnectionFailed as error:
            logger.info(
                "queue %r: %s",
                self.name,
                error.message,
                extra=log_fields(queue=self.name),
            )
            await asyncio.sleep(_PAUSE_WHEN_AWAY)
        except Exception as error:
            self._error = error
        finally:
            self._joining = None
            self._changed.set()

    def _take_page(self, catch: Catch, page: Page) -> None:
        for row in page.rows:
            place = (row.pos, row.id)
            if place not in self._known:
                for placed in catch.expand(row, page.horizon):
                    if self._is_wanted(placed.position):
                        self._put(placed)
                self._known.add(place)
        if page.rows:
            last = page.rows[-1]
            self._start = Position(last.pos, last.id).behind
        if page.is_last:
            # what was offered during the look is in it, or comes behind it
            self._join()
        self._forget()

    def _join(self) -> None:
        """Be live, with what was offered meanwhile."""
        for place, placed in self._joining or ():
            if place not in self._known:
                self._put(placed)
        self._joining = None
        self._is_behind = False
        self._split = None
        self.is_finished |= self._is_over
        self._changed.set()

    def _forget(self) -> None:
        horizon = self._horizon
        if self._is_behind:
            # the feed may be further: what is known is met again on the way there
            horizon = min(horizon, self._start.pos)
        self._known = {row for row in self._known if row[0] >= horizon}

    def _is_wanted(self, position: Position) -> bool:
        """Tell whether something read is new: of one row, a part may be known."""
        if position < self._start:
            return False
        split = self._split
        return split is None or position[:2] != split[:2] or position.part >= split.part

    def _put(self, placed: Placed) -> None:
        item = placed.item
        if self.is_finished or (self._accepts is not None and not self._accepts(item)):
            return
        self._append(item)
        if self._is_last is not None and self._is_last(item):
            self.is_finished = True
            self._changed.set()

    def _append(self, item: Any) -> None:
        if self._has_lagged:
            self._has_lagged = False
            item = replace(item, lagged=True)
        self._waiting.append(item)
        self._changed.set()
