"""
One listener, in the hands of the application.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from singularity_workflow.errors import InvalidSetting, SubscriptionEnded
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.messages import check_most

if TYPE_CHECKING:
    from typing import Self

    from singularity_workflow.notifications.inbox import Inbox

__all__ = ["Subscription"]

_T = TypeVar("_T")


class Subscription(Generic[_T]):
    """
    Messages, or events, as they come; made by `Notifications.listen` and its like.

    It listens from `await subscription`, or `async with subscription`, on. `async for`
    and `get` take what comes, each item once; `close` ends it.

    Args:
        inbox: What it has not taken yet.
        opens: Makes it listen.
        closes: Ends that.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        opens: Callable[[], Awaitable[None]],
        closes: Callable[[], Awaitable[None]],
    ) -> None:
        self._inbox = inbox
        self._opens = opens
        self._closes = closes
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    @property
    def queue(self) -> str:
        """The queue, or the channel of bare notifications."""
        return self._inbox.name

    @property
    def is_closed(self) -> bool:
        """Whether it was ended; what it has already may still be taken."""
        return self._inbox.is_stopped

    @property
    def lags(self) -> int:
        """How often it was too slow, so far."""
        return self._inbox.lags

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
        """End it; twice is fine. What it has already may still be taken."""
        self._inbox.stop()
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._closing is None and self._opening is not None:
            self._closing = asyncio.create_task(self._close_once(self._opening))
        if self._closing is not None:
            # whoever gives up waiting does not leave it half closed
            await asyncio.shield(self._closing)

    def __aiter__(self) -> AsyncIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        try:
            return await self.get()
        except SubscriptionEnded:
            raise StopAsyncIteration from None

    async def get(self, timeout: Duration | None = None) -> _T:
        """
        Return what comes next.

        Args:
            timeout:
                How long to wait, in seconds or as a `timedelta`; None: without a limit.

        Raises:
            TimeoutError: Nothing came in time.
            SubscriptionEnded: It was ended, and all of it was taken.
        """
        return (await self.take(timeout, 1))[0]

    async def take(self, timeout: Duration | None = None, most: int = 100) -> list[_T]:
        """
        Return what comes next, and what else is there already.

        Args:
            timeout:
                How long to wait for the first item, in seconds or as a `timedelta`;
                None: without a limit.
            most: How many items at the most.

        Raises:
            TimeoutError: Nothing came in time.
            SubscriptionEnded: It was ended, and all of it was taken.
            InvalidSetting: If an argument cannot work.
        """
        check_most(most)
        async with asyncio.timeout(_to_seconds(timeout)):
            await self._open()
            await self._inbox.wait()
        if not self._inbox:
            if not self.is_closed:
                await self.close()
            raise SubscriptionEnded(f"the subscription of {self.queue!r} was ended")
        return self.take_rest(most)

    def take_rest(self, most: int) -> list[_T]:
        """Return what is there already, at most so many items."""
        check_most(most)
        return [self._inbox.pop() for _ in range(min(most, len(self._inbox)))]

    async def _open(self) -> Self:
        if self.is_closed:
            return self
        if self._opening is None:
            self._opening = asyncio.create_task(self._open_once())
        await asyncio.shield(self._opening)
        return self

    async def _open_once(self) -> None:
        try:
            await self._opens()
            # a loop that was left with `break` gives no other sign
            self._finalizer = weakref.finalize(
                self, _give_up, asyncio.get_running_loop(), self._inbox, self._closes
            )
            self._finalizer.atexit = False
        except BaseException:
            self._opening = None  # the next one may try again
            raise

    async def _close_once(self, opening: asyncio.Task[None]) -> None:
        await asyncio.gather(opening, return_exceptions=True)
        await self._closes()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open" if self._opening else "new"
        return f"<{type(self).__name__} {self.queue!r} {state}>"


def _give_up(
    loop: asyncio.AbstractEventLoop,
    inbox: Inbox,
    closes: Callable[[], Awaitable[None]],
) -> None:
    """End what nobody holds any more; called wherever garbage is collected."""

    async def end() -> None:
        await closes()

    def begin() -> None:
        inbox.stop()
        inbox.closing = loop.create_task(end())

    if not loop.is_closed():
        loop.call_soon_threadsafe(begin)


def _to_seconds(timeout: Duration | None) -> float | None:
    if timeout is None:
        return None
    try:
        return to_duration(timeout).total_seconds()
    except ValueError as error:
        raise InvalidSetting(f"timeout {error}") from None
