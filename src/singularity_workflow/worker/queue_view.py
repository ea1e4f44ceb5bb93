"""
What is known of the queues without asking: may there be messages, and from which key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from singularity_workflow.store.replies import Reply

__all__ = ["IDLE_POLL", "QueueView"]

IDLE_POLL: Final = 4.0
"""Seconds after which empty queues are looked at again without a hint."""

_FULL_SCAN: Final = 5.0
"""
Seconds between claims from the very first key.

The others begin at the last key that was taken: what an old snapshot keeps of the
messages before it need not be passed over each time.
"""

_SHARE_OF_SCANS: Final = 0.02
_LONGEST_PAUSE: Final = 60.0
"""
The most of the time that goes into such claims, and the most seconds between them.

A snapshot that is held for minutes makes each of them pass over all that was claimed
since. Hints tell of new messages before the last key anyway: this is for lost ones.
"""


class QueueView:
    """
    The queues of one worker, as its last claims and the hints since show them.

    Args:
        clock: Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.may_have_messages = True
        self.head: int | None = None
        self._clock = clock
        self._low = 0
        # how many claims are under way, and the smallest key announced meanwhile
        self._claims = 0
        self._announced: int | None = None
        self._scanned_at = float("-inf")
        self._scan_began = 0.0
        self._pause = _FULL_SCAN
        self._claimed_at = float("-inf")

    def announce(self, key: int | None) -> None:
        """Take note of new messages from *key* on; None: from anywhere."""
        self.may_have_messages = True
        low = 0 if key is None else key
        self._low = min(self._low, low)
        self._announced = low if self._announced is None else min(self._announced, low)

    def look_again(self) -> None:
        """Believe no longer that the queues are empty, if that was seen long ago."""
        if not self.may_have_messages and self._clock() - self._claimed_at > IDLE_POLL:
            self.announce(None)

    def begin_claim(self) -> int:
        """Return the key from which to claim; now and then the very first."""
        now = self._clock()
        if now - self._scanned_at > self._pause:
            self._low = 0
        if self._low == 0:
            self._scan_began = now
        if not self._claims:
            self._announced = None
        self._claims += 1
        return self._low

    def break_claim(self) -> None:
        """Take note that a claim ended without a reply."""
        self._claims -= 1
        self.announce(None)

    def end_claim(self, low: int, slots: int, reply: Reply) -> None:
        """
        Take note of what a claim found.

        Args:
            low: The key from which it searched.
            slots: How many tasks it could have brought.
            reply: What it brought.
        """
        self._claims -= 1
        if reply.last is None and len(reply.tasks) >= slots:
            return  # hand-over took all slots, and the queues were not looked at
        self._claimed_at = self._clock()
        if low == 0:
            self._scanned_at = self._claimed_at
            took = self._scanned_at - self._scan_began
            self._pause = min(_LONGEST_PAUSE, max(_FULL_SCAN, took / _SHARE_OF_SCANS))
        if reply.last is not None:
            self._low = reply.last
        self.head = reply.head
        self.may_have_messages = reply.head is not None
        if self._announced is not None:
            # committed after the claim had looked: not seen by it
            self.announce(self._announced)
