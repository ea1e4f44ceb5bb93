"""
What the one listening connection of an engine hears, given to those concerned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from singularity_workflow.store.listener import EVENTS_CHANNEL, WORK_CHANNEL, Listener
from singularity_workflow.store.store import Store

__all__ = ["Hub"]

logger = logging.getLogger(__name__)

_ENDED: Final = "ended "

OnWork = Callable[[int | None], None]
OnEnded = Callable[[Sequence[str]], None]


class Hub:
    """
    Spread hints within one engine.

    Args:
        store: Where to listen.
    """

    def __init__(self, store: Store) -> None:
        self._listener = Listener(
            store.dsn,
            send_probe=store.send_probe,
            on_notification=self._on_notification,
            on_gap=self._on_gap,
        )
        self._on_work: list[OnWork] = []
        self._on_ended: list[OnEnded] = []
        self._on_gaps: list[Callable[[], None]] = []

    @property
    def is_listening(self) -> bool:
        """Whether notifications are known to arrive; else there is only polling."""
        return self._listener.is_listening

    def start(self) -> None:
        """Begin to listen; more than once is fine."""
        self._listener.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._listener.close()

    def subscribe(
        self,
        *,
        on_work: OnWork | None = None,
        on_ended: OnEnded | None = None,
        on_gap: Callable[[], None] | None = None,
    ) -> None:
        """
        Be told of hints.

        Args:
            on_work: Told the smallest key of queued tasks, None if any may be.
            on_ended: Told the ids of runs that ended.
            on_gap: Called when hints may have been missed.
        """
        if on_work is not None:
            self._on_work.append(on_work)
        if on_ended is not None:
            self._on_ended.append(on_ended)
        if on_gap is not None:
            self._on_gaps.append(on_gap)

    def unsubscribe(self, callback: object) -> None:
        """Tell *callback* nothing more."""
        for callbacks in (self._on_work, self._on_ended, self._on_gaps):
            if callback in callbacks:
                callbacks.remove(callback)  # type: ignore[arg-type]

    def _on_notification(self, channel: str, payload: str) -> None:
        if channel == WORK_CHANNEL:
            key = int(payload) if payload.lstrip("-").isdecimal() else None
            for on_work in self._on_work:
                on_work(key)
        elif channel == EVENTS_CHANNEL and payload.startswith(_ENDED):
            run_ids = payload.removeprefix(_ENDED).split()
            for on_ended in self._on_ended:
                on_ended(run_ids)

    def _on_gap(self) -> None:
        for on_work in self._on_work:
            on_work(None)
        for on_gap in self._on_gaps:
            on_gap()
