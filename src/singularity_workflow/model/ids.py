"""
Ids of runs and workers: version 7 uuids, whose order is the order of creation.

48 bits of Unix milliseconds, the version, 12 bits that count within a millisecond, the
variant and 62 random bits (RFC 9562, sections 5.7 and 6.2, method 1).
"""

from __future__ import annotations

import os
import time
from uuid import UUID

__all__ = ["IdMaker"]


class IdMaker:
    """Make ids that ascend within one maker, also inside one millisecond."""

    __slots__ = ("_count", "_milliseconds")

    def __init__(self) -> None:
        self._milliseconds = 0
        self._count = 0

    def new_id(self) -> UUID:
        """Return a new id; not safe for several threads at once."""
        now = time.time_ns() // 1_000_000
        if now > self._milliseconds:
            self._milliseconds, self._count = now, 0
        else:
            self._count += 1
            if self._count > 0xFFF:  # more than 4,096 in one: borrow from the next
                self._milliseconds, self._count = self._milliseconds + 1, 0
        random = int.from_bytes(os.urandom(8), "big") >> 2
        high = (self._milliseconds & 0xFFFFFFFFFFFF) << 16 | 0x7000 | self._count
        return UUID(int=high << 64 | 0b10 << 62 | random)
