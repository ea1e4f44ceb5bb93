"""
Notice when something blocks the worker's event loop, and name the step that does.

Runs on another loop, of the heartbeat's thread: the blocked one could not tell.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Final

__all__ = ["LoopWatchdog"]

logger = logging.getLogger(__name__)

_INTERVAL: Final = 0.5
_TOO_LONG: Final = 1.0
_FRAMES_SHOWN: Final = 3


class LoopWatchdog:
    """
    Look after one event loop.

    Args:
        loop: The loop; this object is made in its thread.
        name_task: Tells what a task of the loop does, None if it is not a step.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name_task: Callable[[asyncio.Task[object]], str | None],
    ) -> None:
        self._loop = loop
        self._thread_id = threading.get_ident()
        self._name_task = name_task
        self._seen_at = time.monotonic()

    async def watch(self) -> None:
        """Look until cancelled; each time of blocking is told once."""
        is_told = False
        while True:
            try:
                self._loop.call_soon_threadsafe(self._note)
            except RuntimeError:  # the loop was closed
                return
            await asyncio.sleep(_INTERVAL)
            blocked_for = time.monotonic() - self._seen_at
            if blocked_for < _TOO_LONG:
                is_told = False
            elif not is_told:
                is_told = True
                self._tell(blocked_for)

    def _note(self) -> None:
        self._seen_at = time.monotonic()

    def _tell(self, blocked_for: float) -> None:
        task = asyncio.current_task(self._loop)
        name = None if task is None else self._name_task(task)
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - its purpose
        stack = "".join(traceback.format_stack(frame)[-_FRAMES_SHOWN:]) if frame else ""
        # many small callbacks in one turn are no step's fault
        level = logging.DEBUG if name is None else logging.WARNING
        logger.log(
            level,
            "%s blocks the event loop for %.1f s, and every other step with it; "
            "make it a plain function, which runs in a thread, or await there\n%s",
            name or "something",
            blocked_for,
            stack.rstrip(),
        )
