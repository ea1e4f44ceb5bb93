"""
A message as a listener gets it, and the position to go on from.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

__all__ = ["Message", "Position", "read_position"]

_PREFIX: Final = "m1:"


class Position(NamedTuple):
    """
    A place in the order of a queue: what is not after it is done with.

    Ids are drawn before messages are committed, so that a lower one may be committed
    later. The transaction comes first: only one that has no older ones beside it any
    more is part of a position.
    """

    xid: int
    id: int

    def to_cursor(self) -> str:
        """Return the position as the text that applications keep."""
        text = f"{_PREFIX}{self.xid}:{self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_position(cursor: object) -> Position:
    """
    Return the position that *cursor* stands for.

    Raises:
        ValueError: If it is no cursor of a message.
    """
    if isinstance(cursor, str):
        padded = cursor + "=" * (-len(cursor) % 4)
        try:
            text = base64.urlsafe_b64decode(padded.encode()).decode()
            xid, _, number = text.removeprefix(_PREFIX).partition(":")
            if text.startswith(_PREFIX):
                return Position(int(xid), int(number))
        except ValueError:
            pass
    raise ValueError(f"{cursor!r} is not the cursor of a message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """
    A message of a queue, or a bare notification.

    Args:
        id: Its number in the queue; None for a bare notification.
        queue: The queue, or the channel.
        payload: What was sent; of a bare notification its text.
        sent_at: When; None for a bare notification.
        cursor: Where a listener goes on that has dealt with this message: it misses
            nothing, and may get again what was sent about the same time. None for a
            bare notification.
        headers: What was sent beside the payload, such as `traceparent`.
        is_after_lag:
            Whether the listener was too slow before it, and has caught up from the
            table.

    .. versionadded:: 0.1
    """

    id: int | None
    queue: str
    payload: Any
    sent_at: datetime | None = None
    cursor: str | None = None
    headers: dict[str, Any] | None = None
    is_after_lag: bool = False
