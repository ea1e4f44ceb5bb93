"""
How to wait for one thing or another.
"""

from __future__ import annotations

import asyncio
import contextlib

__all__ = ["within"]


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for *event*; return whether it came in that time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
