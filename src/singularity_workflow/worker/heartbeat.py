"""
Tell the database that this worker lives, and learn which tasks are not ours any more.

A thread with a connection of its own: a blocked event loop must not look like death.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import SingularityError
from singularity_workflow.store.replies import Beat, TaskRef

__all__ = ["Heartbeat", "PulseStore"]

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE: Final = 3
_BEATS_PER_SWEEP: Final = 6
_SWEEP_FOR: Final = 15.0
"""Seconds of sweeping after a lost call: a sweep takes what was started 10 s before."""

_LONGEST_PAUSE_WHEN_AWAY: Final = 1.0


class PulseStore(Protocol):
    """The one call of the heartbeat; blocking."""

    def heartbeat(
        self, worker_id: UUID, known: Collection[TaskRef], *, sweep: bool
    ) -> Beat: ...

    def close(self) -> None: ...


class Heartbeat:
    """
    A thread that beats three times per lease.

    Args:
        store: Where the lease lives.
        worker_id: Whose it is.
        lease: How long the worker is believed to live after a beat.
        known_tasks: Called in the thread: the attempts that are here.
        on_beat: Called in the thread, with what each beat learned.
    """

    def __init__(
        self,
        *,
        store: PulseStore,
        worker_id: UUID,
        lease: timedelta,
        known_tasks: Callable[[], Collection[TaskRef]],
        on_beat: Callable[[Beat], None],
    ) -> None:
        self.worker_id = worker_id
        self._store = store
        self._interval = lease.total_seconds() / _BEATS_PER_LEASE
        self._known_tasks = known_tasks
        self._on_beat = on_beat
        self._stop = threading.Event()
        self._sweep_until = 0.0
        self._thread = threading.Thread(
            target=self._beat_until_stopped, name="swf-heartbeat", daemon=True
        )

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; returns when the thread has ended or hangs in a dead connection."""
        self._stop.set()
        self._thread.join(timeout=2)

    def sweep_soon(self) -> None:
        """Let the next beats return what was handed to us in a reply that got lost."""
        self._sweep_until = time.monotonic() + self._interval + _SWEEP_FOR

    def _beat_until_stopped(self) -> None:
        beats = 0
        is_away = False
        pause = self._interval
        while not self._stop.wait(pause):
            beats += 1
            is_urgent = time.monotonic() < self._sweep_until
            sweep = is_urgent or beats % _BEATS_PER_SWEEP == 0
            try:
                beat = self._store.heartbeat(
                    self.worker_id, self._known_tasks(), sweep=sweep
                )
            except SingularityError as error:
                if not is_away:
                    logger.warning("the heartbeat cannot be sent: %s", error.message)
                is_away = True
                # a hand-over may have been lost with the connection
                self.sweep_soon()
                pause = min(self._interval, _LONGEST_PAUSE_WHEN_AWAY)
            except Exception:
                logger.exception("the heartbeat failed, trying again")
            else:
                is_away = False
                pause = self._interval
                self._on_beat(beat)
        self._store.close()
