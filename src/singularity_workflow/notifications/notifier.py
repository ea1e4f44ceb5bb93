"""
Send hints after the commits that they are about, as few as will do.

NOTIFY takes a lock of the whole instance until its commit, so it never stands in a hot
one. What is to be told while a hint is under way goes with the next: the last one is
always sent, and under load there is one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import SingularityError

__all__ = ["HintStore", "Notifier"]

logger = logging.getLogger(__name__)


_SPACING: Final = 0.005
"""Seconds between hints: each wakes every engine, and tells what came meanwhile."""


class HintStore(Protocol):
    """The one call that this module makes."""

    async def send_hints(
        self, key: int | None, ended: Collection[UUID], events: Collection[int]
    ) -> None: ...


class Notifier:
    """
    Coalesce hints and send them.

    Args:
        store: Where they are sent.
        are_events_wanted: Whether anybody listens to events.
    """

    def __init__(self, store: HintStore, are_events_wanted: Callable[[], bool]) -> None:
        self._store = store
        self._are_events_wanted = are_events_wanted
        self._key: int | None = None
        self._ended: set[str] = set()
        self._events: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._sent_at = float("-inf")

    def announce(self, key: int) -> None:
        """Tell workers that tasks are queued, from *key* on."""
        self._key = key if self._key is None else min(self._key, key)
        self._send_soon()

    def tell_ended(self, run_ids: Iterable[str]) -> None:
        """Tell who waits for these runs, or still runs their tasks, that they ended."""
        self._ended.update(run_ids)
        if self._ended:
            self._send_soon()

    def tell_events(self, positions: Collection[int]) -> None:
        """Tell who listens to events where new ones are."""
        if positions and self._are_events_wanted():
            self._events.update(positions)
            self._send_soon()

    async def close(self) -> None:
        """Send what is left."""
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _send_soon(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send(), name="swf-notifier")

    async def _send(self) -> None:
        now = asyncio.get_running_loop().time
        while self._key is not None or self._ended or self._events:
            await asyncio.sleep(max(0.0, self._sent_at + _SPACING - now()))
            self._sent_at = now()
            key, self._key = self._key, None
            ended, self._ended = self._ended, set()
            events, self._events = self._events, set()
            try:
                await self._store.send_hints(key, [UUID(one) for one in ended], events)
            except SingularityError as error:
                # whoever it was for finds out by polling
                logger.info("a hint was not sent: %s", error.message)
            except Exception:
                logger.exception("sending a hint failed")
