"""
Rows that are measured without events and with all of them, in turn.

Both in the same processes on the same database, one round of this and one of that, so
that whatever changes meanwhile changes both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["EVENTS", "all_events", "figure_with", "in_turn"]

T = TypeVar("T")

EVENTS = (False, True)
"""What `notify_events` is in turn."""


def all_events(figure: str) -> str:
    """Return what a figure is called when it is measured with all events."""
    return f"{figure}_all_events"


def figure_with(notify_events: bool, figure: str) -> str:
    """Return what a figure is called when it is measured with these events."""
    return all_events(figure) if notify_events else figure


def in_turn(rounds: int, variants: Sequence[T]) -> Iterator[T]:
    """Yield all variants in each round, first in this order and then in the other."""
    for number in range(rounds):
        yield from variants if number % 2 == 0 else reversed(variants)
