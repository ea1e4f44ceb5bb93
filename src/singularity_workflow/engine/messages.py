"""
Send messages and listen to them: PostgreSQL as the message bus.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from singularity_workflow.engine.arguments import (
    read_bounded,
    read_duration,
    read_mapping,
    read_text,
)
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.events import EVENT_QUEUE
from singularity_workflow.model.json_codec import NotJson, encode_json
from singularity_workflow.model.messages import Message
from singularity_workflow.model.names import queue_problem
from singularity_workflow.model.positions import START, Cursor, Position, read_cursor
from singularity_workflow.telemetry.fields import shortened
from singularity_workflow.telemetry.tracing import current_traceparent

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session
    from singularity_workflow.notifications.source import MessageSource
    from singularity_workflow.notifications.subscription import Subscription
    from singularity_workflow.store.messages import MessageStore

__all__ = ["Notifications", "read_after"]

logger = logging.getLogger("singularity_workflow.notifications")

_LARGEST: Final = 100_000_000
"""Bytes of one call; PostgreSQL's own limit is about 256 MB of JSON."""

_MOST_AT_ONCE: Final = 1_000
_LONGEST_NOTICE: Final = 8_000
_LONGEST_CHANNEL: Final = 63
_OWN_CHANNELS: Final = "singularity_workflow"
_HIGHEST_ID: Final = 2**63 - 1


class Notifications:
    """
    The messages of an engine: `engine.notifications`.

    A message is stored in a queue, a table of pgmq, and told to whoever listens, in one
    transaction. Listening takes nothing away: every listener gets every message, which
    stays until the queue's retention is over.

    Args:
        session: Returns what the engine has opened.

    .. versionadded:: 0.1
    """

    def __init__(self, session: Callable[[], Session]) -> None:
        self._session = session

    async def send_with_notify(
        self,
        queue: str,
        message: object,
        *,
        headers: Mapping[str, object] | None = None,
        connection: object = None,
    ) -> int:
        """
        Store a message in a queue and tell its listeners, in one transaction.

        Args:
            queue:
                Its name; the same in upper and lower case. It is made if it is not
                there.
            message: Anything that is JSON, of any length up to 100 MB.
            headers: What goes beside it. With OpenTelemetry the current span is added,
                as `traceparent`.
            connection:
                A psycopg connection of the caller: the message is sent in its
                transaction, and told when that commits.

        Returns:
            The message's id.

        Raises:
            InvalidSetting: If an argument cannot work.
        """
        with _logged(queue, message) as sent:
            name = _read_queue(queue)
            body = _encode("message", message)
            extra = _read_headers(headers)
            sent.id = await self._session().store.messages.send(
                name, body, headers=extra, connection=connection
            )
        return sent.id

    async def send_batch_with_notify(
        self,
        queue: str,
        messages: Iterable[object],
        *,
        headers: Mapping[str, object] | None = None,
        connection: object = None,
    ) -> list[int]:
        """
        Store messages in a queue and tell its listeners once, in one transaction.

        Args:
            queue: Its name, as for `send_with_notify`.
            messages: The messages, up to 100 MB together.
            headers: What goes beside each of them.
            connection: A psycopg connection of the caller, as for `send_with_notify`.

        Returns:
            Their ids, in order.

        Raises:
            InvalidSetting: If an argument cannot work; no message is sent then.
        """
        with _logged(queue, None) as sent:
            name = _read_queue(queue)
            if isinstance(messages, (str, bytes, Mapping)) or not isinstance(
                messages, Iterable
            ):
                raise InvalidSetting(f"messages must be a list, got {messages!r:.80}")
            batch = list(messages)
            sent.type = _type_of(batch[0]) if batch else None
            body = _encode("messages", batch)
            extra = _read_headers(headers)
            ids: list[int] = []
            if batch:
                ids = await self._session().store.messages.send_batch(
                    name, body, headers=extra, connection=connection
                )
            sent.count = len(ids)
            sent.id = ids[-1] if ids else 0
        return ids

    def listen(
        self,
        queue: str,
        callback: Callable[[Message], object] | None = None,
        after: str | None = None,
    ) -> Subscription[Message]:
        """
        Listen to a queue, and to bare notifications of this name.

        `await` the subscription, or use `async with`: from then on it gets every
        message that is committed. Take them by `async for` or `get`, or by a callback.
        Of `workflow_events`, the queue of the engine, each event is a message.

        Args:
            queue: Its name; it is made if it is not there.
            callback:
                Called with each message, one after the other: a coroutine function, or
                a plain one, which runs in a thread. What it raises is logged.
            after:
                The cursor of the last message that was dealt with: begins with what
                came after it, and may repeat what was sent about the same time.

        Raises:
            InvalidSetting: If an argument cannot work.
        """
        from singularity_workflow.notifications.callbacks import (  # noqa: PLC0415
            call_with_each,
        )
        from singularity_workflow.notifications.inbox import Inbox  # noqa: PLC0415
        from singularity_workflow.notifications.subscription import (  # noqa: PLC0415
            Subscription,
        )

        name = _read_queue(queue)
        start = read_after(after)
        if callback is not None and not callable(callback):
            raise InvalidSetting(f"callback must be a function, got {callback!r}")
        session = self._session()
        inbox = Inbox(name)
        source = _source(session.store.messages, name)
        channel = queue if _channel_problem(queue) is None else None

        def tell(payload: str) -> None:
            inbox.tell(Message(id=None, queue=queue, payload=payload))

        async def opens() -> None:
            await session.feeds.add(inbox, source, start)
            if channel is not None:
                await session.hub.listen_to(channel, tell)
            if callback is not None:
                session.keep(call_with_each(subscription, callback))

        async def closes() -> None:
            if channel is not None:
                await session.hub.stop_listening_to(channel, tell)
            await session.feeds.remove(inbox, source)

        subscription: Subscription[Message]
        subscription = Subscription(inbox, opens=opens, closes=closes)
        return subscription

    async def unlisten(self, subscription: Subscription[Any]) -> None:
        """End a subscription; twice is fine."""
        from singularity_workflow.notifications.subscription import (  # noqa: PLC0415
            Subscription,
        )

        if not isinstance(subscription, Subscription):
            raise InvalidSetting(
                f"{subscription!r} is no subscription that `listen` returned"
            )
        await subscription.close()

    async def notify_only(
        self, channel: str, payload: str = "", *, connection: object = None
    ) -> None:
        """
        Notify whoever listens now; nothing is stored.

        Args:
            channel: Its name, as it is written, of up to 63 bytes.
            payload: A text of less than 8,000 bytes.
            connection:
                A psycopg connection of the caller: it is told when its transaction
                commits.

        Raises:
            InvalidSetting: If an argument cannot work.
        """
        with _logged(channel, None) as sent:
            if problem := _channel_problem(channel):
                raise InvalidSetting(f"channel {problem}")
            text = read_text("payload", payload)
            if text is None:
                raise InvalidSetting("payload must be text, got None")
            if (size := len(text.encode())) >= _LONGEST_NOTICE:
                raise InvalidSetting(
                    f"payload has {size} bytes, {_LONGEST_NOTICE - 1} are possible",
                    hint="send_with_notify takes messages of any length.",
                )
            sent.verb = "notified"
            await self._session().store.messages.notify(
                channel, text, connection=connection
            )

    async def read_message(self, queue: str, message_id: int) -> Message | None:
        """
        Return one message, None if it is not there.

        Raises:
            QueueNotFound: If there is no such queue.
        """
        from singularity_workflow.notifications.source import (  # noqa: PLC0415
            MessageSource,
        )

        name = _read_queue(queue)
        number = read_bounded("message_id", message_id, 0, _HIGHEST_ID)
        if number is None:
            raise InvalidSetting("message_id must be an integer, got None")
        return await MessageSource(self._session().store.messages, name).read_one(
            number
        )

    async def history(
        self, queue: str, after: str | None = None, limit: int = 100
    ) -> list[Message]:
        """
        Return the messages of a queue that there are now, from the oldest on.

        Args:
            queue: Its name.
            after:
                The cursor of a message: begins with the next one. What an older
                transaction commits later in front of it is not seen; to miss nothing,
                `listen` after this cursor.
            limit: How many at the most, from 1 to 1,000.

        Raises:
            QueueNotFound: If there is no such queue.
        """
        name = _read_queue(queue)
        most = read_bounded("limit", limit, 1, _MOST_AT_ONCE)
        if most is None:
            raise InvalidSetting("limit must be an integer, got None")
        place = _read_cursor(after)
        start = START if place is None else _behind(place.exact)
        store = self._session().store.messages
        source = _source(store, name)
        found: list[Message] = []
        while len(found) < most:
            page = await store.read(name, start, limit=most)
            placed = [
                one for row in page.rows for one in source.expand(row, page.horizon)
            ]
            found += [one.item for one in placed if one.position >= start]
            if page.is_last:
                break
            start = placed[-1].position.behind
        return found[:most]

    async def set_retention(self, queue: str, retention: Duration) -> None:
        """
        Say how long a queue keeps its messages; by default 7 days.

        Args:
            queue: Its name; it is made if it is not there.
            retention: In seconds or as a `timedelta`; workers remove what is older.

        Raises:
            InvalidSetting: If an argument cannot work.
        """
        name = _read_queue(queue)
        kept = read_duration("retention", retention)
        if not kept:
            raise InvalidSetting(f"retention must be > 0 seconds, got {retention!r}")
        await self._session().store.messages.configure(name, kept)


def _source(store: MessageStore, name: str) -> MessageSource:
    from singularity_workflow.notifications.event_source import (  # noqa: PLC0415
        EventMessageSource,
    )
    from singularity_workflow.notifications.source import (  # noqa: PLC0415
        MessageSource,
    )

    if name == EVENT_QUEUE:
        return EventMessageSource(store, name)
    return MessageSource(store, name)


def read_after(after: str | None) -> Position | None:
    """
    Return where a listener begins that was given a cursor.

    Raises:
        InvalidSetting: If it is none.
    """
    cursor = _read_cursor(after)
    return None if cursor is None else _behind(cursor.safe)


def _behind(position: Position) -> Position:
    return position._replace(part=position.part + 1)


def _read_cursor(after: str | None) -> Cursor | None:
    if after is None:
        return None
    try:
        return read_cursor(after)
    except ValueError as error:
        raise InvalidSetting(
            f"after {error}, got {after!r:.80}",
            hint="Give the cursor of a message that was received before.",
        ) from None


def _read_headers(headers: Mapping[str, object] | None) -> bytes | None:
    span = current_traceparent()
    if span is not None and "traceparent" not in (headers or {}):
        headers = {**(headers or {}), "traceparent": span}
    return read_mapping("headers", headers)


def _read_queue(queue: str) -> str:
    if problem := queue_problem(queue):
        raise InvalidSetting(f"queue {problem}")
    return queue.lower()


def _channel_problem(channel: object) -> str | None:
    if not isinstance(channel, str):
        return f"must be text, got {type(channel).__name__}"
    if not channel.isprintable():
        return f"must be printable text, got {channel!r:.80}"
    if not 1 <= (size := len(channel.encode())) <= _LONGEST_CHANNEL:
        return f"must have 1 to {_LONGEST_CHANNEL} bytes, got {size}"
    if channel.lower().startswith(_OWN_CHANNELS):
        return f"must not begin with {_OWN_CHANNELS}, got {channel!r}"
    return None


def _encode(name: str, value: object) -> bytes:
    try:
        body = encode_json(value)
    except NotJson as error:
        raise InvalidSetting(f"{name} is not JSON: {error}") from None
    if len(body) > _LARGEST:
        raise InvalidSetting(
            f"{name} has {len(body)} bytes, at most {_LARGEST} are possible",
            hint="Send less at once, or send where it is stored.",
        )
    return body


@dataclass(slots=True)
class _Sent:
    """What is known of a call, for the log."""

    type: str | None
    id: int = 0
    count: int = 1
    verb: str = "sent"


@contextmanager
def _logged(queue: object, message: object) -> Iterator[_Sent]:
    """Log what a call has done, or how it failed."""
    began = time.perf_counter()
    sent = _Sent(_type_of(message))
    try:
        yield sent
    except (Exception, asyncio.CancelledError) as error:
        logger.error(  # noqa: TRY400 - the caller gets the traceback
            "not sent to %r: %s",
            _name_of(queue),
            shortened(error) or type(error).__name__,
            extra=_extra(queue, sent, began),
        )
        raise
    if logger.isEnabledFor(logging.INFO):
        what = "" if sent.count == 1 else f" {sent.count} messages"
        logger.info(
            "%s%s to %r", sent.verb, what, queue, extra=_extra(queue, sent, began)
        )


def _extra(queue: object, sent: _Sent, began: float) -> dict[str, object]:
    return {
        "queue": _name_of(queue),
        "message_id": sent.id or None,
        "duration_ms": round((time.perf_counter() - began) * 1000, 3),
        "message_type": sent.type,
    }


def _name_of(queue: object) -> str:
    """Return what a caller gave for a queue, without what may be a message instead."""
    return shortened(queue) if isinstance(queue, str) else type(queue).__name__


def _type_of(message: object) -> str | None:
    """Return what a message says of itself; anything but a text may be its content."""
    kind = message.get("type") if isinstance(message, Mapping) else None
    return shortened(kind) if isinstance(kind, str) else None
