"""
Threads for blocking steps.

The pool of the standard library waits for its threads when the interpreter ends, so a
step that hangs would hang the program. These threads are daemons, and one that was
abandoned (its attempt timed out) is replaced by the next that is needed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

__all__ = ["DaemonThreads"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_Call = tuple["Future[Any]", Callable[[], Any]]


class DaemonThreads(Executor):
    """
    An executor of daemon threads, made when no idle one is left.

    It has no bound of its own: the worker's slots are the bound.

    Args:
        name: Prefix of the threads' names.
    """

    def __init__(self, name: str = "swf-step") -> None:
        self._name = name
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._made = 0
        self._is_shut_down = False

    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        """Run *fn* in a thread."""
        future: Future[_T] = Future()
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("the threads were shut down")
            self._calls.put((future, lambda: fn(*args, **kwargs)))
            if not self._idle.acquire(blocking=False):
                self._made += 1
                threading.Thread(
                    target=self._work, name=f"{self._name}-{self._made}", daemon=True
                ).start()
        return future

    def shutdown(
        self,
        wait: bool = False,  # noqa: ARG002, FBT002 - the signature of an executor
        *,
        cancel_futures: bool = False,  # noqa: ARG002
    ) -> None:
        """Let the threads end after what they are doing; never waits for them."""
        with self._lock:
            self._is_shut_down = True
            for _ in range(self._made):
                self._calls.put(None)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                return
            future, function = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)
            del call, future, function
            self._idle.release()
