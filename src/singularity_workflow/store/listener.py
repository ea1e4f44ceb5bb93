"""
One connection that listens, opened again whenever it is lost.

Owns the proof that notifications arrive at all: behind a transaction pooler LISTEN is
accepted and means nothing. The listener sends itself a probe through another
connection; without an echo it reports that there is only polling. It wakes itself in
the same way when it is to listen to other channels.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
from psycopg import sql

from singularity_workflow.errors import SingularityError
from singularity_workflow.store import sql_files
from singularity_workflow.store.connections import (
    connect,
    cut_after,
    translated_errors,
)

__all__ = ["EVENTS_CHANNEL", "WORK_CHANNEL", "Listener"]

logger = logging.getLogger(__name__)

WORK_CHANNEL: Final = "singularity_workflow_work"
EVENTS_CHANNEL: Final = "singularity_workflow_events"

_PROBE: Final = "probe "
_WAKE: Final = " wake"
_PROBE_TIMEOUT: Final = 3.0
_HEALTH_CHECK: Final = 15.0
_HEALTH_TIMEOUT: Final = 5.0
_LONGEST_PAUSE: Final = 5.0
_PAUSE_WHEN_DEAF: Final = 60.0


class Listener:
    """
    Listen until closed.

    Args:
        dsn: Where to connect.
        send_probe: Sends a payload to the channel of events on another connection.
        on_notification: Told channel and payload of each notification.
        on_gap: Called after each time of not listening: something may have been missed.
        on_newcomer: Called when another listener proves that it hears.
    """

    def __init__(
        self,
        dsn: str,
        *,
        send_probe: Callable[[str], Awaitable[None]],
        on_notification: Callable[[str, str], None],
        on_gap: Callable[[], None],
        on_newcomer: Callable[[], None],
    ) -> None:
        self._dsn = dsn
        self._send_probe = send_probe
        self._on_notification = on_notification
        self._on_gap = on_gap
        self._on_newcomer = on_newcomer
        self._probe = _PROBE + uuid.uuid4().hex
        self._heard_probe = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # beside the channel of events: those wanted, and those listened to
        self._wanted: Counter[str] = Counter()
        self._heard: set[str] = set()
        self._changed = asyncio.Event()
        self._waking: asyncio.Task[None] | None = None
        self._is_deaf = False
        self.is_listening = False
        self.listening_since = 0.0

    def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
            # not in the context of who needs it first: it outlives that
            self._task = asyncio.create_task(
                self._listen_again(), name="swf-listener", context=contextvars.Context()
            )

    async def close(self) -> None:
        """Stop."""
        if self._waking is not None:
            self._waking.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        # nobody waits for what does not come any more
        self._is_deaf = True
        self._changed.set()

    async def add_channel(self, channel: str) -> None:
        """
        Listen to another channel.

        Returns when that is in effect, or when it cannot be for now: the connection is
        away, or there is only polling.
        """
        self._wanted[channel] += 1
        await self._apply(lambda: channel in self._heard)

    def want_work(self) -> None:
        """
        Listen to the channel of work as soon as possible.

        Only who has a worker does: each notification wakes every connection that
        listens to its channel.
        """
        self._wanted[WORK_CHANNEL] += 1
        if self.is_listening:
            self._waking = asyncio.create_task(
                self._apply(lambda: WORK_CHANNEL in self._heard)
            )

    def drop_work(self) -> None:
        """Take back what `want_work` asked for; heeded with the next change."""
        self._wanted[WORK_CHANNEL] -= 1
        if self._wanted[WORK_CHANNEL] <= 0:
            del self._wanted[WORK_CHANNEL]

    async def remove_channel(self, channel: str) -> None:
        """Stop listening to a channel, if nobody else has added it."""
        self._wanted[channel] -= 1
        if self._wanted[channel] <= 0:
            del self._wanted[channel]
            with contextlib.suppress(SingularityError):
                await self._wake()

    async def wait_until_listening(self, timeout: float) -> bool:
        """Wait until notifications are known to arrive; tell whether they do."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self.is_listening and not self._is_deaf:
                    await self._next_change()
        return self.is_listening

    async def _apply(self, is_done: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError, SingularityError):
            async with asyncio.timeout(_PROBE_TIMEOUT):
                while self.is_listening and not is_done():
                    await self._wake()
                    if not is_done():
                        await self._next_change()

    async def _wake(self) -> None:
        if self.is_listening:
            await self._send_probe(self._probe + _WAKE)

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _listen_again(self) -> None:
        pause = 0.1
        is_away = False
        while True:
            try:
                with translated_errors():
                    await self._listen()
            except SingularityError as error:
                if not is_away:
                    logger.warning("not listening: %s", error.message)
                is_away = True
            except Exception:
                logger.exception("listening failed, trying again")
            finally:
                has_listened, self.is_listening = self.is_listening, False
                self._heard.clear()
                self._changed.set()
                self._on_gap()
            if has_listened:
                pause, is_away = 0.1, False
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _listen(self) -> None:
        connection = await connect(self._dsn)
        async with connection:
            with cut_after(connection, _HEALTH_TIMEOUT):
                await connection.execute(sql_files.query("notifications/listen_events"))
                await self._follow_channels(connection)
            self._heard_probe.clear()
            probing = asyncio.create_task(self._prove())
            try:
                while True:
                    await self._take_notifications(connection)
                    if probing.done() and not probing.result():
                        self._is_deaf = True
                        self._changed.set()
                        return await asyncio.sleep(_PAUSE_WHEN_DEAF)
                    with cut_after(connection, _HEALTH_TIMEOUT):
                        await connection.execute(sql_files.query("session/ping"))
                        await self._follow_channels(connection)
            finally:
                probing.cancel()

    async def _take_notifications(
        self, connection: psycopg.AsyncConnection[Any]
    ) -> None:
        """
        Take what comes, until there is something else to do with the connection.

        That is to see whether it lives, or to follow other channels.
        """
        now = asyncio.get_running_loop().time
        end = now() + (_HEALTH_CHECK if self.is_listening else _PROBE_TIMEOUT)
        must_stop = False
        while not must_stop and now() < end:
            # to leave the iterator early would lose the rest of a packet
            async for one in connection.notifies(timeout=end - now(), stop_after=1):
                must_stop |= self._take(one.channel, one.payload)

    def _take(self, channel: str, payload: str) -> bool:
        """Take one notification; tell whether it was for this listener itself."""
        if payload == self._probe:
            self._heard_probe.set()
            if not self.is_listening:
                self.is_listening, self._is_deaf = True, False
                self.listening_since = asyncio.get_running_loop().time()
                self._changed.set()
                self._on_gap()
                return True
        elif payload == self._probe + _WAKE:
            return True
        elif channel != EVENTS_CHANNEL or not payload.startswith(_PROBE):
            self._on_notification(channel, payload)
        elif not payload.endswith(_WAKE):
            self._on_newcomer()
        return False

    async def _follow_channels(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Listen to what is wanted now, and to nothing else."""
        wanted = set(self._wanted)
        heard = self._heard
        # who wants one of the others again meanwhile must not take it for heard
        self._heard = heard & wanted
        for query, channels in (
            ("notifications/listen", wanted - heard),
            ("notifications/unlisten", heard - wanted),
        ):
            text = sql.SQL(sql_files.query(query))
            for channel in channels:
                await connection.execute(text.format(channel=sql.Identifier(channel)))
        has_work = WORK_CHANNEL in wanted - self._heard
        self._heard = wanted
        self._changed.set()
        if has_work:
            self._on_gap()  # what came before was not heard

    async def _prove(self) -> bool:
        """Return whether a probe came back."""
        try:
            await self._send_probe(self._probe)
            await asyncio.wait_for(self._heard_probe.wait(), _PROBE_TIMEOUT)
        except SingularityError:
            return True  # not the listener's fault; its connection will tell
        except TimeoutError:
            logger.info(
                "notifications do not arrive, as behind a transaction pooler: polling"
            )
            return False
        return True
