"""
Tell the database that this worker lives, and learn which tasks are not ours any more.

A thread with an event loop and a connection of its own: a step that blocks the worker's
loop must not look like death. The same thread sees when that happens, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import SingularityError
from singularity_workflow.store.replies import Beat, TaskRef
from singularity_workflow.telemetry.fields import log_fields
from singularity_workflow.worker.watchdog import LoopWatchdog

__all__ = ["SHARE_OF_WALKS", "Heartbeat", "PulseStore"]

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE: Final = 3
_BEATS_PER_SWEEP: Final = 6
_SWEEP_FOR: Final = 12.0
"""Seconds: longer than a task must be unknown before it counts as handed to nobody."""

_LONGEST_PAUSE_WHEN_AWAY: Final = 1.0
_LONGEST_PAUSE_WHEN_DEAF: Final = 0.7
"""Seconds: without notifications only the beats tell that a run was cancelled."""

SHARE_OF_WALKS: Final = 0.02
"""
The most of the time that looking through the open runs may take.

What an old snapshot keeps of runs that have ended meanwhile is passed over each time:
after five minutes of load that took two seconds, every ten.
"""


class PulseStore(Protocol):
    """The one call of the heartbeat."""

    async def heartbeat(
        self, worker_id: UUID, known: Collection[TaskRef], *, sweep: bool
    ) -> Beat: ...

    async def close(self) -> None: ...


class Heartbeat:
    """
    A thread that beats three times per lease, and more often if nothing else tells us.

    Args:
        make_store: Called in the thread: where the lease lives.
        worker_id: Whose it is.
        lease: How long the worker is believed to live after a beat.
        known_tasks: Called in the thread: the attempts that are here.
        on_beat: Called in the thread, with what each beat learned.
        watchdog: Looks after the worker's loop, from this thread.
        is_told: Called in the thread: whether notifications arrive.
    """

    def __init__(
        self,
        *,
        make_store: Callable[[], PulseStore],
        worker_id: UUID,
        lease: timedelta,
        known_tasks: Callable[[], Collection[TaskRef]],
        on_beat: Callable[[Beat], None],
        watchdog: LoopWatchdog,
        is_told: Callable[[], bool],
    ) -> None:
        self.worker_id = worker_id
        self._make_store = make_store
        self._interval = lease.total_seconds() / _BEATS_PER_LEASE
        self._known_tasks = known_tasks
        self._on_beat = on_beat
        self._watchdog = watchdog
        self._is_told = is_told
        self._sweep_until = 0.0
        self._no_sweep_before = 0.0
        self._is_away = False
        self._lease = lease.total_seconds()
        # by the clock on the wall: the other one stands still while a laptop sleeps
        self._last_beat_at = time.time()
        self._judges_from = 0.0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, name="swf-heartbeat", daemon=True
        )

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; returns when the thread has ended or hangs in a dead connection."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=2)

    @property
    def may_judge(self) -> bool:
        """
        Whether a silence of others means anything.

        If this worker could not beat for a lease (the database was away, the machine
        slept), the others may not have been able to either: they get one lease more.
        """
        now = time.time()
        return now - self._last_beat_at <= self._lease and now >= self._judges_from

    def sweep_soon(self) -> None:
        """Let the next beats return what was handed to us in a reply that got lost."""
        self._sweep_until = time.monotonic() + self._interval + _SWEEP_FOR

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._beat_until_stopped())
        finally:
            self._loop.close()

    async def _beat_until_stopped(self) -> None:
        store = self._make_store()
        watching = asyncio.ensure_future(self._watchdog.watch())
        beats = 0
        pause = self._interval
        try:
            while not await self._stopped_before_beat(pause):
                beats += 1
                pause = await self._beat(store, beats)
        finally:
            watching.cancel()
            await store.close()

    async def _stopped_before_beat(self, seconds: float) -> bool:
        """Wait until it is time to beat, and return whether we were stopped."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if await self._stopped_within(min(left, _LONGEST_PAUSE_WHEN_DEAF)):
                return True
            if not self._is_told():
                return False
        return self._stop.is_set()

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _beat(self, store: PulseStore, beats: int) -> float:
        """Beat once, and return how long to wait before the next."""
        began = time.monotonic()
        is_urgent = began < self._sweep_until
        is_turn = beats % _BEATS_PER_SWEEP == 0 and began >= self._no_sweep_before
        sweep = is_urgent or is_turn
        try:
            beat = await store.heartbeat(
                self.worker_id, self._known_tasks(), sweep=sweep
            )
        except SingularityError as error:
            if not self._is_away:
                logger.warning(
                    "the heartbeat cannot be sent: %s",
                    error.message,
                    extra=log_fields(worker_id=str(self.worker_id)),
                )
            self._is_away = True
            # a hand-over may have been lost with the connection
            self.sweep_soon()
            # soon: this beat and the next have to fit into one lease
            return min(self._interval / 4, _LONGEST_PAUSE_WHEN_AWAY)
        except Exception:
            logger.exception("the heartbeat failed, trying again")
            return self._interval
        self._is_away = False
        if sweep:
            took = time.monotonic() - began
            self._no_sweep_before = began + took / SHARE_OF_WALKS
        self._note_beat()
        self._on_beat(beat)
        return self._interval

    def _note_beat(self) -> None:
        now = time.time()
        silence, self._last_beat_at = now - self._last_beat_at, now
        if silence > self._lease:
            self._judges_from = now + self._lease
            logger.warning(
                "no heartbeat for %.1f s: the others are given time to show up",
                silence,
                extra=log_fields(worker_id=str(self.worker_id)),
            )
