"""
Messages as they lie in their queues, in pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["MessagePage", "StoredMessage", "parse_page"]


class StoredMessage(NamedTuple):
    """A message, and where it is; `pos` is None if pgmq's own function sent it."""

    pos: int | None
    id: int
    sent_at: datetime
    headers: dict[str, Any]
    payload: Any


@dataclass(frozen=True, slots=True)
class MessagePage:
    """
    Messages in the order of their positions.

    Args:
        horizon: The first place that may still get messages.
        rows: The messages.
        is_last: Whether there were no more when this was read.
    """

    horizon: int
    rows: Sequence[StoredMessage]
    is_last: bool


def parse_page(data: dict[str, Any]) -> MessagePage:
    """Return a page as `read_messages.sql` has written it."""
    return MessagePage(
        horizon=data["horizon"],
        rows=[
            StoredMessage(
                pos,
                number,
                datetime.fromisoformat(sent_at),
                # pgmq's own functions take any JSON
                headers if isinstance(headers, dict) else {},
                payload,
            )
            for pos, number, sent_at, headers, payload in data["messages"]
        ],
        is_last=not data.get("has_more", False),
    )
