"""
One listener of a queue: what it has not taken yet, and how it catches up.

A listener that is too slow never holds up others: what does not fit is left in the table
and read from there later. So nothing is lost, and a message may come twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from singularity_workflow.model.messages import Message, Position

if TYPE_CHECKING:
    from typing import Self

    from singularity_workflow.store.messages import MessagePage, StoredMessage

__all__ = ["DEFAULT_BUFFER", "ReadPage", "Subscription"]

DEFAULT_BUFFER: Final = 1_000
"""Messages that wait for a listener before it counts as slow."""

_MOST_REMEMBERED: Final = 10_000

ReadPage = Callable[[Position], "Awaitable[MessagePage]"]


class Subscription:
    """
    The messages of one queue, as they come; made by `Notifications.listen`.

    It listens from `await subscription`, or `async with subscription`, on. `async for`
    and `get` take messages, one listener each its own; `unlisten` ends it.

    Args:
        queue: The queue, or the channel of bare notifications.
        opens: Makes it listen.
        closes: Ends it.
        buffer: Messages that may wait before it counts as slow.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        queue: str,
        *,
        opens: Callable[[Subscription], Awaitable[None]],
        closes: Callable[[Subscription], Awaitable[None]],
        buffer: int = DEFAULT_BUFFER,
    ) -> None:
        self.queue = queue
        self.lags = 0
        self._opens = opens
        self._closes = closes
        self._buffer = buffer
        self._opening: asyncio.Task[None] | None = None
        self._waiting: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._read: ReadPage | None = None
        # where to go on reading when it has fallen behind
        self._position = Position(0, 0)
        self._recent: OrderedDict[Position, None] = OrderedDict()
        self._is_behind = False
        self._has_lagged = False
        self._is_closed = False

    # for the application

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End it; twice is fine. Whoever waits for a message gets no more."""
        if self._is_closed:
            return
        self._is_closed = True
        self._changed.set()
        await self._closes(self)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        message = await self._next()
        if message is None:
            raise StopAsyncIteration
        return message

    async def get(self, timeout: float | None = None) -> Message:
        """
        Return the next message.

        Args:
            timeout: Seconds to wait, None without a limit.

        Raises:
            TimeoutError: None came in time.
            EOFError: It was ended.
        """
        message = await asyncio.wait_for(self._next(), timeout)
        if message is None:
            raise EOFError(f"the subscription of {self.queue!r} was ended")
        return message

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._read else "new"
        return f"<Subscription {self.queue!r} {state}>"

    # for the feed

    def begin(self, read: ReadPage, position: Position, *, is_behind: bool) -> None:
        """
        Take messages from now on.

        Args:
            read: Reads what it missed.
            position: What is not after it is none of its business.
            is_behind: Whether there is something to catch up on first.
        """
        self._read = read
        self._position = position
        self._is_behind = is_behind
        self._changed.set()

    def offer(self, message: Message, position: Position, go_on: Position) -> None:
        """Take a message if there is room for it, else fall behind."""
        if self._is_behind:
            return
        if len(self._waiting) >= self._buffer:
            self._is_behind = self._has_lagged = True
            self.lags += 1
            return
        self._put(message, position, go_on)

    def tell(self, message: Message) -> None:
        """Take a bare notification, which is lost if there is no room."""
        if len(self._waiting) < self._buffer:
            self._waiting.append(message)
            self._changed.set()
        else:
            self.lags += 1

    async def _open(self) -> Self:
        if self._opening is None:
            self._opening = asyncio.ensure_future(_await(self._opens(self)))
        await asyncio.shield(self._opening)
        return self

    async def _next(self) -> Message | None:
        await self._open()
        while True:
            if self._waiting:
                return self._waiting.popleft()
            if self._is_closed:
                return None
            if self._is_behind:
                await self._catch_up()
                continue
            self._changed.clear()
            await self._changed.wait()

    async def _catch_up(self) -> None:
        """Read the next page of what was missed; go on live when there is no more."""
        assert self._read is not None
        page = await self._read(self._position)
        if page.is_last:
            # live again before the last look: what comes meanwhile is in both
            self._is_behind = False
            self._take(page.messages, page.horizon)
            page = await self._read(self._position)
        self._take(page.messages, page.horizon)
        if not page.is_last:
            self._is_behind = True

    def _take(self, messages: list[StoredMessage], horizon: int) -> None:
        for one in messages:
            if one.position in self._recent:
                continue
            go_on = min(one.position, Position(horizon, 0))
            message = Message(
                id=one.id,
                queue=self.queue,
                payload=one.payload,
                sent_at=one.sent_at,
                cursor=go_on.to_cursor(),
                headers=one.headers,
                is_after_lag=self._has_lagged,
            )
            self._has_lagged = False
            self._put(message, one.position, go_on)

    def _put(self, message: Message, position: Position, go_on: Position) -> None:
        if position in self._recent:
            return
        self._recent[position] = None
        if len(self._recent) > _MOST_REMEMBERED:
            self._recent.popitem(last=False)
        self._position = max(self._position, go_on)
        self._waiting.append(message)
        self._changed.set()


async def _await(one: Awaitable[None]) -> None:
    await one
