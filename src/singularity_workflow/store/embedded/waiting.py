"""How long to wait for a server, and in which steps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PATIENCE_SECONDS", "Patience"]

# without a sign of life. The recovery after a crash may take much longer: it writes
# to the log every ten seconds (log_startup_progress_interval), and waiting goes on
PATIENCE_SECONDS = 120.0

_FIRST_STEP = 0.002
_LONGEST_STEP = 0.02


class Patience:
    """
    Wait until *seconds* have passed in which the server's log did not grow.

    Args:
        log: Its growth is the sign of life.
        seconds: None for `PATIENCE_SECONDS`.
    """

    def __init__(self, log: Path, seconds: float | None = None) -> None:
        self._log = log
        self._seconds = PATIENCE_SECONDS if seconds is None else seconds
        self._step = _FIRST_STEP
        self._size = self._log_size()
        self._end = time.monotonic() + self._seconds

    def wait(self) -> bool:
        """Sleep a little; return False, at once, when it has been long enough."""
        now = time.monotonic()
        if (size := self._log_size()) != self._size:
            self._size, self._end = size, now + self._seconds
        if now >= self._end:
            return False
        time.sleep(self._step)
        self._step = min(self._step * 1.5, _LONGEST_STEP)
        return True

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0
