"""
One connection that listens, opened again whenever it is lost.

Owns the proof that notifications arrive at all: behind a transaction pooler LISTEN is
accepted and means nothing. The listener sends itself a probe through another
connection; without an echo it reports that there is only polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg

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
        send_probe: Sends a payload to the work channel on another connection.
        on_notification: Told channel and payload of each notification.
        on_gap: Called after each time of not listening: something may have been missed.
    """

    def __init__(
        self,
        dsn: str,
        *,
        send_probe: Callable[[str], Awaitable[None]],
        on_notification: Callable[[str, str], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._dsn = dsn
        self._send_probe = send_probe
        self._on_notification = on_notification
        self._on_gap = on_gap
        self._probe = _PROBE + uuid.uuid4().hex
        self._heard_probe = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_listening = False

    def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen_again(), name="swf-listener")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

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
                self._on_gap()
            if has_listened:
                pause, is_away = 0.1, False
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _listen(self) -> None:
        connection = await connect(self._dsn)
        async with connection:
            with cut_after(connection, _HEALTH_TIMEOUT):
                await connection.execute(sql_files.query("notifications/listen_work"))
                await connection.execute(sql_files.query("notifications/listen_events"))
            self._heard_probe.clear()
            probing = asyncio.create_task(self._prove())
            try:
                while True:
                    await self._take_notifications(connection)
                    if probing.done() and not probing.result():
                        return await asyncio.sleep(_PAUSE_WHEN_DEAF)
                    with cut_after(connection, _HEALTH_TIMEOUT):
                        await connection.execute(sql_files.query("session/ping"))
            finally:
                probing.cancel()

    async def _take_notifications(
        self, connection: psycopg.AsyncConnection[Any]
    ) -> None:
        """Take what comes, until it is time to see whether the connection lives."""
        timeout = _HEALTH_CHECK if self.is_listening else _PROBE_TIMEOUT
        async for notification in connection.notifies(timeout=timeout):
            if notification.payload == self._probe:
                self._heard_probe.set()
                if not self.is_listening:
                    self.is_listening = True
                    self._on_gap()
                    return
            elif not notification.payload.startswith(_PROBE):
                self._on_notification(notification.channel, notification.payload)

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
