"""
What the one listening connection of an engine hears, given to those concerned.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Final

from singularity_workflow.store.listener import EVENTS_CHANNEL, WORK_CHANNEL, Listener
from singularity_workflow.store.store import Store

__all__ = ["Hub"]

logger = logging.getLogger(__name__)

_ENDED: Final = "ended "
_SENT: Final = "sent "
_LISTENING: Final = "listening"

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
"""Anybody may notify anything: what the library has not written is no error."""

_INTEREST: Final = 60.0
"""Seconds for which whoever listens to events is believed to go on."""

_ANSWERED_WITHIN: Final = 2.0
"""Seconds in which whoever listens has answered an engine that is new."""

ANNOUNCED_EVERY: Final = 20.0
"""Seconds after which whoever listens to events says so again."""

OnWork = Callable[[int | None], None]
OnEnded = Callable[[Sequence[str]], None]
OnSent = Callable[[str, Sequence[int]], None]
OnBare = Callable[[str], None]


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
            on_newcomer=self._on_newcomer,
        )
        self._is_used = store.use_notify
        self._on_work: list[OnWork] = []
        self._on_ended: list[OnEnded] = []
        self._on_sent: list[OnSent] = []
        self._on_gaps: list[Callable[[], None]] = []
        self._on_newcomers: list[Callable[[], None]] = []
        self._channels: dict[str, list[OnBare]] = {}
        self._heard_of_listeners = float("-inf")

    @property
    def is_listening(self) -> bool:
        """Whether notifications are known to arrive; else there is only polling."""
        return self._listener.is_listening

    @property
    def has_event_listeners(self) -> bool:
        """
        Whether somebody may be listening to the events of runs, in any process.

        So it is believed as long as there is no telling: whoever listens says so when
        another engine begins to hear, and every twenty seconds.
        """
        now = asyncio.get_running_loop().time()
        return (
            not self.is_listening
            or now - self._heard_of_listeners < _INTEREST
            or now - self._listener.listening_since < _ANSWERED_WITHIN
        )

    async def wait_until_listening(self, timeout: float) -> bool:
        """Wait until notifications are known to arrive; tell whether they do."""
        self.start()
        return self._is_used and await self._listener.wait_until_listening(timeout)

    async def listen_to(self, channel: str, on_bare: OnBare) -> None:
        """Be told the bare notifications of a channel, from when this returns on."""
        self.start()
        self._channels.setdefault(channel, []).append(on_bare)
        await self._listener.add_channel(channel)

    async def stop_listening_to(self, channel: str, on_bare: OnBare) -> None:
        """Tell *on_bare* nothing more."""
        told = self._channels.get(channel, [])
        if on_bare in told:
            told.remove(on_bare)
            if not told:
                del self._channels[channel]
            await self._listener.remove_channel(channel)

    def start(self) -> None:
        """Begin to listen, unless there is to be polling; more than once is fine."""
        if self._is_used:
            self._listener.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._listener.close()

    def subscribe(
        self,
        *,
        on_work: OnWork | None = None,
        on_ended: OnEnded | None = None,
        on_sent: OnSent | None = None,
        on_gap: Callable[[], None] | None = None,
        on_newcomer: Callable[[], None] | None = None,
    ) -> None:
        """
        Be told of hints.

        Args:
            on_work: Told the smallest key of queued tasks, None if any may be.
            on_ended: Told the ids of runs that ended.
            on_sent: Told of a queue of messages, and the places of new ones.
            on_gap: Called when hints may have been missed.
            on_newcomer: Called when another engine has begun to listen.
        """
        if on_work is not None:
            self._on_work.append(on_work)
            self._listener.want_work()
        if on_ended is not None:
            self._on_ended.append(on_ended)
        if on_sent is not None:
            self._on_sent.append(on_sent)
        if on_gap is not None:
            self._on_gaps.append(on_gap)
        if on_newcomer is not None:
            self._on_newcomers.append(on_newcomer)

    def unsubscribe(self, callback: object) -> None:
        """Tell *callback* nothing more."""
        for callbacks in (
            self._on_work,
            self._on_ended,
            self._on_sent,
            self._on_gaps,
            self._on_newcomers,
        ):
            if callback in callbacks:
                callbacks.remove(callback)  # type: ignore[arg-type]
                if callbacks is self._on_work:
                    self._listener.drop_work()

    def _on_notification(self, channel: str, payload: str) -> None:
        if channel == WORK_CHANNEL:
            key = int(payload) if _NUMBER.fullmatch(payload) else None
            for on_work in self._on_work:
                on_work(key)
        elif channel == EVENTS_CHANNEL:
            self._on_event(payload)
        else:
            for on_bare in list(self._channels.get(channel, ())):
                on_bare(payload)

    def _on_event(self, payload: str) -> None:
        if payload.startswith(_ENDED):
            run_ids = payload.removeprefix(_ENDED).split()
            for on_ended in self._on_ended:
                on_ended(run_ids)
        elif payload.startswith(_SENT):
            queue, _, places = payload.removeprefix(_SENT).partition(" ")
            positions = [int(one) for one in places.split() if _NUMBER.fullmatch(one)]
            for on_sent in self._on_sent:
                on_sent(queue, positions)
        elif payload == _LISTENING:
            self._heard_of_listeners = asyncio.get_running_loop().time()

    def _on_newcomer(self) -> None:
        for on_newcomer in self._on_newcomers:
            on_newcomer()

    def _on_gap(self) -> None:
        for on_work in self._on_work:
            on_work(None)
        for on_gap in self._on_gaps:
            on_gap()
