"""
An event loop on a thread of its own, for those who do not have one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from singularity_workflow.errors import ConfigurationError

__all__ = ["Portal"]

_T = TypeVar("_T")

_LONGEST_CLEAN_UP = 10.0
"""Seconds that an interrupted call has to end what it began."""


_LONGEST_FAREWELL = 1.0
"""Seconds that cancelled coroutines have to end when the loop is closed."""


class Portal:
    """Run coroutines from blocking code, all of them on one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run_loop, name="swf-engine", daemon=True
        )
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """
        Run *coroutine* to its end and return its result.

        An interruption of the caller (Ctrl-C) cancels the coroutine, and is raised
        when that has ended.

        Raises:
            ConfigurationError: The caller is a coroutine of this very loop, which
                would wait for itself.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise ConfigurationError(
                "a coroutine step called a blocking method of its own engine",
                hint="Make the step a plain function, or use an AsyncEngine.",
            )
        done: concurrent.futures.Future[_T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[_T]] = []
        context = contextvars.copy_context()

        def begin() -> None:
            task = self._loop.create_task(coroutine, context=context)
            tasks.append(task)
            task.add_done_callback(lambda task: _copy(task, done))

        def cancel() -> None:
            tasks[0].cancel()

        self._loop.call_soon_threadsafe(begin)
        try:
            return done.result()
        except BaseException:
            if not done.done():
                self._loop.call_soon_threadsafe(cancel)
                concurrent.futures.wait([done], _LONGEST_CLEAN_UP)
            raise

    def close(self) -> None:
        """Stop the loop and its thread; twice is fine."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            # a step that ignores its cancellation must not keep the program
            waiting = asyncio.wait(tasks, timeout=_LONGEST_FAREWELL)
            self._loop.run_until_complete(waiting)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())


def _copy(task: asyncio.Task[_T], done: concurrent.futures.Future[_T]) -> None:
    if task.cancelled():
        done.set_exception(concurrent.futures.CancelledError())
    elif error := task.exception():
        done.set_exception(error)
    else:
        done.set_result(task.result())
