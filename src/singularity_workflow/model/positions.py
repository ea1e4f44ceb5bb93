"""
Places in the order of a queue, and the cursors that applications keep.

Ids are drawn before messages are committed, so that a lower one may be committed later.
The first number of a position comes from the transactions of the server: what is below
the oldest running one is complete.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

__all__ = ["START", "Cursor", "Placed", "Position", "make_cursor", "read_cursor"]

_PREFIX: Final = "c1"
_HIGHEST: Final = 2**63 - 1


class Position(NamedTuple):
    """
    A place in the order of a queue; what depends on something is behind it.

    Args:
        pos: Of the transaction, as SQL stores it; the order of cause and effect.
        id: Of the message.
        part: Of what one message holds; -1 is in front of all of it.
    """

    pos: int
    id: int
    part: int = 0

    @property
    def behind(self) -> Position:
        """The place behind everything of this message."""
        return Position(self.pos, self.id + 1, -1)


START: Final = Position(0, 0, -1)
"""In front of everything."""


class Placed(NamedTuple):
    """
    Something of a message, for listeners.

    Args:
        position: Where it is.
        key: What those are called who want no more than this; a run's id.
        item: What they get: a `Message`, or an event.
    """

    position: Position
    key: str | None
    item: Any


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    What a cursor stands for.

    Args:
        safe: Everything in front of it is complete and was read: nothing is missed by
            going on from here, and some of what was read before may come again.
        exact: The place of what the cursor belongs to.
    """

    safe: Position
    exact: Position


def make_cursor(position: Position, horizon: int) -> str:
    """
    Return the cursor of what is at a position.

    Args:
        position: Where it is.
        horizon: The first place that may still get messages, or has unread ones.
    """
    pos, number, part = position
    text = f"{_PREFIX}:{min(pos, horizon)}:{pos}:{number}:{part}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: object) -> Cursor:
    """
    Return what a cursor stands for.

    Raises:
        ValueError: If it is no cursor.
    """
    if isinstance(text, str) and len(text) < 200:
        try:
            found = _decode(text)
        except (ValueError, UnicodeError):
            found = None
        if found is not None:
            return found
    raise ValueError("is no cursor of a message or an event")


def _decode(text: str) -> Cursor | None:
    padded = text + "=" * (-len(text) % 4)
    prefix, *rest = base64.urlsafe_b64decode(padded.encode()).decode().split(":")
    if prefix != _PREFIX or len(rest) != 4:
        return None
    numbers = [int(one) for one in rest]
    horizon, pos, number, part = numbers
    if not (0 <= horizon <= pos and all(0 <= one <= _HIGHEST for one in numbers)):
        return None
    exact = Position(pos, number, part)
    return Cursor(exact if horizon == pos else Position(horizon, 0, -1), exact)
