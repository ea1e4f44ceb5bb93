"""
Which tasks here are on trial: a worker died with them before.

One at a time is taken from the lane of those, so that the one that kills its worker
takes no others of them with it. Who has run for a while without doing so makes room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from singularity_workflow.store.replies import TaskRef

__all__ = ["PROBATION", "LostLane"]

PROBATION: Final = 2.0
"""
Seconds that a task which was lost before must run, until the next one may begin.

Most of what kills a process does so when it begins: the input that a C library crashes
on, the file that does not fit into memory. Without an end of the trial, a hundred long
tasks whose worker was killed would run one after the other.
"""


class LostLane:
    """
    The tasks on trial.

    Args:
        on_free: Called when another one may be taken.
    """

    def __init__(self, on_free: Callable[[], None]) -> None:
        self._on_free = on_free
        # those that are here, with the end of their trial once they run
        self.on_trial: dict[TaskRef, asyncio.TimerHandle | None] = {}

    @property
    def is_free(self) -> bool:
        """Whether a task may be taken that was lost before."""
        return not self.on_trial

    def enter(self, ref: TaskRef) -> None:
        """Take note of a task that was handed to us."""
        self.on_trial.setdefault(ref, None)

    def begin(self, ref: TaskRef) -> None:
        """Let its trial begin: it runs now."""
        loop = asyncio.get_running_loop()
        self.on_trial[ref] = loop.call_later(PROBATION, self.leave, ref)

    def leave(self, ref: TaskRef) -> None:
        """Make room: it has ended, or has run for long enough."""
        trial = self.on_trial.pop(ref)
        if trial is not None:
            trial.cancel()
        self._on_free()
