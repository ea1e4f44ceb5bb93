"""
A message as a listener gets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from singularity_workflow.errors import InvalidSetting

__all__ = ["Message", "check_most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """
    A message of a queue, or a bare notification.

    Args:
        id: Its number in the queue; None for a bare notification.
        queue: The queue, or the channel.
        payload: What was sent; of a bare notification its text.
        sent_at: When its transaction began; of a bare notification None.
        cursor:
            Where a listener goes on that has dealt with this message: it misses
            nothing, and may get again what was sent about the same time. None for a
            bare notification, and for what pgmq's own functions have sent.
        headers: What was sent beside the payload, such as `traceparent`.
        lagged:
            Whether the listener was too slow before it, and has caught up from the
            table. Of a bare notification: some before it are lost.

    .. versionadded:: 0.1
    """

    id: int | None
    queue: str
    payload: Any
    sent_at: datetime | None = None
    cursor: str | None = None
    headers: dict[str, Any] | None = None
    lagged: bool = False


def check_most(most: object) -> None:
    """
    Refuse what is no number of items.

    Raises:
        InvalidSetting: If it is none.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InvalidSetting(f"most must be a whole number >= 1, got {most!r}")
