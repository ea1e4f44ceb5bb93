"""
Messages, for programs without coroutines; see `messages`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from singularity_workflow.errors import (
    ConfigurationError,
    InvalidSetting,
    SubscriptionEnded,
)
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.messages import Message, check_most

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Self

    from singularity_workflow.engine.messages import Notifications
    from singularity_workflow.notifications.subscription import Subscription

__all__ = ["Call", "SyncNotifications", "SyncSubscription", "subscribe"]

_T = TypeVar("_T")
_R = TypeVar("_R")


class Call(Protocol):
    """Runs a coroutine of an `Engine` to its end."""

    def __call__(self, coroutine: Coroutine[Any, Any, _R]) -> _R:
        raise NotImplementedError


class SyncSubscription(Generic[_T]):
    """
    Messages, or events, as they come, with an `Engine`. See `Subscription`.

    It listens already. Use `with` to end it, `for` and `get` to take what comes.

    .. versionadded:: 0.1
    """

    def __init__(self, call: Call, subscription: Subscription[_T]) -> None:
        self._call = call
        self._subscription = subscription
        # taken from the loop's thread already, many at a time
        self._taken: deque[_T] = deque()

    @property
    def queue(self) -> str:
        """The queue, or the channel of bare notifications."""
        return self._subscription.queue

    @property
    def is_closed(self) -> bool:
        """Whether it was ended; what it has already may still be taken."""
        return self._subscription.is_closed

    @property
    def lags(self) -> int:
        """How often it was too slow, so far."""
        return self._subscription.lags

    def close(self) -> None:
        """End it; see `Subscription.close`."""
        if not self.is_closed:
            self._call(self._subscription.close())

    def get(self, timeout: Duration | None = None) -> _T:
        """Return what comes next; see `Subscription.get`."""
        return self.take(timeout, 1)[0]

    def take(self, timeout: Duration | None = None, most: int = 100) -> list[_T]:
        """Return what comes next, and what is there; see `Subscription.take`."""
        return self.take_rest(most) or self._take(timeout, most)

    def take_rest(self, most: int) -> list[_T]:
        """Return what is there already; see `Subscription.take_rest`."""
        check_most(most)
        found: list[_T] = []
        while len(found) < most:
            try:
                found.append(self._taken.popleft())
            except IndexError:  # not asked before: other threads take some, too
                break
        return found

    def _take(self, timeout: Duration | None, most: int) -> list[_T]:
        try:
            return self._call(self._subscription.take(timeout, most))
        except (ConfigurationError, CancelledError):
            if not self.is_closed:
                raise
            # the engine is closed, and nothing else touches what is left
            rest = self._subscription.take_rest(most)
            if not rest:
                raise SubscriptionEnded(
                    f"the subscription of {self.queue!r} was ended"
                ) from None
            return rest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        try:
            first, *rest = self.take()
        except SubscriptionEnded:
            raise StopIteration from None
        self._taken.extend(rest)
        return first

    def __repr__(self) -> str:
        return f"<Sync{repr(self._subscription)[1:]}"


def subscribe(
    call: Call, listen: Callable[[], Subscription[_T]]
) -> SyncSubscription[_T]:
    """Make a subscription, and let it listen."""

    async def opened() -> Subscription[_T]:
        return await listen()

    return SyncSubscription(call, call(opened()))


class SyncNotifications:
    """
    The messages of an `Engine`: `engine.notifications`. See `Notifications`.

    .. versionadded:: 0.1
    """

    def __init__(self, call: Call, notifications: Notifications) -> None:
        self._call = call
        self._notifications = notifications

    def send_with_notify(
        self,
        queue: str,
        message: object,
        *,
        headers: Mapping[str, object] | None = None,
        connection: object = None,
    ) -> int:
        """Store a message and tell listeners; see `Notifications.send_with_notify`."""
        return self._call(
            self._notifications.send_with_notify(
                queue, message, headers=headers, connection=connection
            )
        )

    def send_batch_with_notify(
        self,
        queue: str,
        messages: Iterable[object],
        *,
        headers: Mapping[str, object] | None = None,
        connection: object = None,
    ) -> list[int]:
        """Store messages; see `Notifications.send_batch_with_notify`."""
        return self._call(
            self._notifications.send_batch_with_notify(
                queue, messages, headers=headers, connection=connection
            )
        )

    def listen(
        self,
        queue: str,
        callback: Callable[[Message], object] | None = None,
        after: str | None = None,
    ) -> SyncSubscription[Message]:
        """Listen to a queue, from now on; see `Notifications.listen`."""
        return subscribe(
            self._call, lambda: self._notifications.listen(queue, callback, after)
        )

    def unlisten(self, subscription: SyncSubscription[Any]) -> None:
        """End a subscription; see `Notifications.unlisten`."""
        if not isinstance(subscription, SyncSubscription):
            raise InvalidSetting(
                f"{subscription!r} is no subscription that `listen` returned"
            )
        subscription.close()

    def notify_only(
        self, channel: str, payload: str = "", *, connection: object = None
    ) -> None:
        """Notify, and store nothing; see `Notifications.notify_only`."""
        self._call(
            self._notifications.notify_only(channel, payload, connection=connection)
        )

    def read_message(self, queue: str, message_id: int) -> Message | None:
        """Return one message; see `Notifications.read_message`."""
        return self._call(self._notifications.read_message(queue, message_id))

    def history(
        self, queue: str, after: str | None = None, limit: int = 100
    ) -> list[Message]:
        """Return the messages that there are; see `Notifications.history`."""
        return self._call(self._notifications.history(queue, after, limit))

    def set_retention(self, queue: str, retention: Duration) -> None:
        """Say how long a queue keeps messages; see `Notifications.set_retention`."""
        self._call(self._notifications.set_retention(queue, retention))
