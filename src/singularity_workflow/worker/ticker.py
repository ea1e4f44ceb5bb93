"""
Call what is due: timers, at the moment when the next one is.

Any worker does it for all; an advisory lock in the database lets one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, Protocol

from singularity_workflow.errors import SingularityError
from singularity_workflow.store.replies import Fired

__all__ = ["Ticker", "TimerStore"]

logger = logging.getLogger(__name__)

_LONGEST_PAUSE: Final = 1.0
"""Seconds; a timer that another process set is noticed after this."""


class TimerStore(Protocol):
    """The one call that this module makes."""

    async def fire_timers(self, limit: int = 500) -> Fired: ...


class Ticker:
    """
    Fire timers.

    Args:
        store: Where they are.
        on_fired: Told what came of it.
    """

    def __init__(self, store: TimerStore, on_fired: Callable[[Fired], None]) -> None:
        self._store = store
        self._on_fired = on_fired
        self._due_at = float("inf")
        self._sooner = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    def start(self) -> None:
        """Begin to tick."""
        self._task = asyncio.create_task(self._tick(), name="swf-ticker")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def due_in(self, seconds: float) -> None:
        """Take note of a timer."""
        due_at = asyncio.get_running_loop().time() + seconds
        if due_at < self._due_at:
            self._due_at = due_at
            self._sooner.set()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        next_poll = loop.time() + _LONGEST_PAUSE
        while True:
            pause = min(self._due_at, next_poll) - loop.time()
            if pause > 0:
                self._sooner.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._sooner.wait(), pause)
                    continue
            self._due_at = float("inf")
            next_poll = loop.time() + _LONGEST_PAUSE
            await self._fire()

    async def _fire(self) -> None:
        try:
            fired = await self._store.fire_timers()
        except SingularityError as error:
            if not self._is_away:
                logger.warning("timers cannot be fired: %s", error.message)
            self._is_away = True
            return
        except Exception:
            logger.exception("firing timers failed, trying again")
            return
        self._is_away = False
        if fired.next_in is not None:
            self.due_in(max(fired.next_in, 0.001))
        self._on_fired(fired)
