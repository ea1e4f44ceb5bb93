"""
Kernel locks on files, by `flock`.

The kernel frees such a lock when the last process that has the file open ends, be it
by SIGKILL or by a power cut: there is nothing to clean up and no pid to mistrust.

What needs care is fork: a child has its parent's files open, and would keep the
parent's locks alive. So a forked child closes its copies at once, which leaves the
parent's locks untouched. A program that is started inherits a lock only if it is told
to, and keeps it when we `close` ours.
"""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from singularity_workflow.store.embedded.waiting import Patience

__all__ = ["FileLock"]

# a forked child must find every open lock of its parent here: fork waits for the
# guard, so that it never comes between opening a file and listing it
_open_locks: WeakSet[FileLock] = WeakSet()
_guard = threading.RLock()


class FileLock:
    """
    One lock on one file, not taken yet.

    Two objects exclude each other also within one process and among threads.

    Args:
        path: The file; made if missing, and never removed, since whoever waits for
            a removed file waits for nobody.
    """

    def __init__(self, path: Path) -> None:
        # not through a symbolic link: root must not be led elsewhere
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with _guard:
            self._pid = os.getpid()
            self._descriptor = os.open(path, flags, 0o600)
            _open_locks.add(self)

    def try_shared(self) -> bool:
        """Take the lock along with others that share it, unless one has it alone."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Take the lock alone, unless anybody has it."""
        return self._try(fcntl.LOCK_EX)

    def wait_exclusive(self, patience: Patience) -> bool:
        """Take the lock alone; tell whether it came before *patience* was over."""
        while not self.try_exclusive():
            if not patience.wait():
                return False
        return True

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def fileno(self) -> int:
        """Return the descriptor, for a child process that is to inherit the lock."""
        return self._descriptor

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the lock and has not closed it."""
        return self._descriptor >= 0 and self._pid == os.getpid()

    def unlock(self) -> None:
        """Give the lock up, for every process that inherited it too."""
        if self.is_ours:
            # closing is not enough: a child that another thread is just starting
            # has the file open until its exec
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.close()

    def close(self) -> None:
        """Leave the lock to the child processes that inherited it, if any."""
        with _guard:
            descriptor, self._descriptor = self._descriptor, -1
            _open_locks.discard(self)
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unlock()


def _forget_inherited() -> None:
    for lock in list(_open_locks):
        lock.close()


def _after_fork_in_child() -> None:
    _forget_inherited()
    _guard.release()


os.register_at_fork(
    before=_guard.acquire,
    after_in_parent=_guard.release,
    after_in_child=_after_fork_in_child,
)
