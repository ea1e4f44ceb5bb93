"""
Call what is due: timers at the moment when the next one is, and the leases of others.

Any worker does it for all; advisory locks in the database let one at a time. Each duty
is a call of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import SingularityError
from singularity_workflow.store.replies import Fired, Reaped

__all__ = ["Duty", "Reaper", "Ticker", "TickerStore"]

logger = logging.getLogger(__name__)

_TIMER_PAUSE: Final = 1.0
"""Seconds; a timer that another process set is noticed after this."""

_REAP_PAUSE: Final = 5.0
_SHORTEST_TIMEOUT: Final = 1.0
"""Seconds that giving tasks back may take: another connection may do better."""
_SHORTEST_PAUSE: Final = 0.01


class TickerStore(Protocol):
    """The calls that this module makes."""

    async def fire_timers(self, worker_id: UUID, limit: int = 500) -> Fired: ...

    async def reap_workers(self, worker_id: UUID, timeout: float) -> Reaped: ...


class Duty:
    """
    Call something again and again: when it is due, and not too seldom.

    Args:
        name: For the log.
        call: Does it, and returns in how many seconds it is due again, None if not.
        longest_pause: Seconds after which it is called though nothing is due.
        share: The most of the time that such calls may take; None: no matter.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[], Awaitable[float | None]],
        longest_pause: float,
        share: float | None = None,
    ) -> None:
        self._name = name
        self._call = call
        self._longest_pause = longest_pause
        self._share = share
        self._due_at = float("inf")
        self._sooner = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._repeat(), name=f"swf-{self._name}")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def due_in(self, seconds: float) -> None:
        """Take note that it is due."""
        due_at = asyncio.get_running_loop().time() + seconds
        if due_at < self._due_at:
            self._due_at = due_at
            self._sooner.set()

    async def _repeat(self) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._longest_pause
        while True:
            pause = min(self._due_at, latest) - loop.time()
            if pause > 0:
                self._sooner.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._sooner.wait(), pause)
                    continue
            self._due_at = float("inf")
            began = loop.time()
            await self._call_once()
            pause = self._longest_pause
            if self._share is not None:
                pause = max(pause, (loop.time() - began) / self._share)
            latest = began + pause

    async def _call_once(self) -> None:
        try:
            next_in = await self._call()
        except SingularityError as error:
            if not self._is_away:
                logger.warning("%s: %s", self._name, error.message)
            self._is_away = True
        except Exception:
            # said once: some duties are tried every second
            level = logging.DEBUG if self._is_away else logging.ERROR
            logger.log(level, "%s failed, trying again", self._name, exc_info=True)
            self._is_away = True
        else:
            self._is_away = False
            if next_in is not None:
                # what is due and held by somebody stays due: do not spin on it
                self.due_in(max(next_in, _SHORTEST_PAUSE))


class Ticker(Duty):
    """
    Fire timers.

    Args:
        store: Where they are.
        worker_id: Tells who we are.
        on_fired: Told what came of it.
    """

    def __init__(
        self,
        store: TickerStore,
        worker_id: Callable[[], UUID],
        on_fired: Callable[[Fired], None],
    ) -> None:
        async def fire() -> float | None:
            fired = await store.fire_timers(worker_id())
            on_fired(fired)
            return fired.next_in

        super().__init__("timers", fire, _TIMER_PAUSE)


class Reaper(Duty):
    """
    Give back the tasks of workers that died.

    Args:
        store: Where the leases are.
        worker_id: Tells who we are.
        lease: Of this worker; the shorter it is, the more often others are looked at.
        may_judge: Tells whether others may be taken for dead now.
        on_reaped: Told what came of it.
    """

    def __init__(
        self,
        store: TickerStore,
        worker_id: Callable[[], UUID],
        lease: timedelta,
        may_judge: Callable[[], bool],
        on_reaped: Callable[[Reaped], None],
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._may_judge = may_judge
        self._on_reaped = on_reaped
        self._timeout = max(_SHORTEST_TIMEOUT, lease.total_seconds() / 3)
        pause = min(_REAP_PAUSE, lease.total_seconds() / 4)
        super().__init__("leases", self._reap, pause)

    async def _reap(self) -> float | None:
        if not self._may_judge():
            return None
        reaped = await self._store.reap_workers(self._worker_id(), self._timeout)
        self._on_reaped(reaped)
        return 0.0 if reaped.has_more else reaped.next_in
