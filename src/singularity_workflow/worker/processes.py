"""
Processes for steps, one call at a time in each, so that one can be killed.

The pool of the standard library breaks as a whole when one of its processes dies. Here
each process has a pipe and a thread of its own: a death fails one call, and the next
call gets a new process. A function travels by its qualified name, so it must be one
that can be imported; arguments and results travel pickled between our own processes.
"""

from __future__ import annotations

import multiprocessing
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final

import orjson

from singularity_workflow.model.context import Context, Tell

__all__ = ["ProcessDied", "ProcessSlots", "RemoteError"]

_Call = tuple["Future[Any]", Callable[..., Any], dict[str, object], Tell]

_RESULT: Final = "result"
_ERROR: Final = "error"
_EVENT: Final = "event"


class ProcessDied(Exception):
    """The process that ran a step ended before the step did."""


class RemoteError(Exception):
    """
    What a step raised in another process, when the exception itself cannot travel.

    Args:
        kind: Qualified name of the exception's class.
        message: Its message.
        remote_traceback: Its traceback, as text.
    """

    def __init__(self, kind: str, message: str, remote_traceback: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.remote_traceback = remote_traceback


class ProcessSlots:
    """
    Run calls in processes.

    Args:
        count: The most processes at once; each is made when it is first needed.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._slots: list[_Slot] = []
        self._waiting = 0

    def submit(
        self, function: Callable[..., Any], arguments: dict[str, object], tell: Tell
    ) -> Future[Any]:
        """Run *function* with keyword *arguments* in a process; *tell* its events."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting += 1
            idle = sum(slot.is_idle for slot in self._slots)
            if idle < self._waiting and len(self._slots) < self._count:
                slot = _Slot(self._context, self._calls, self._took)
                self._slots.append(slot)
                slot.start()
        self._calls.put((future, function, arguments, tell))
        return future

    def kill(self, future: Future[Any]) -> bool:
        """End the process that runs *future*; a call that waits is cancelled."""
        if future.cancel():
            return True
        with self._lock:
            slots = list(self._slots)
        return any(slot.kill(future) for slot in slots)

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            slots, self._slots = self._slots, []
        for _ in slots:
            self._calls.put(None)
        for slot in slots:
            slot.end()

    def _took(self) -> None:
        with self._lock:
            self._waiting -= 1


class _Slot:
    """One process at a time, and the thread that talks to it."""

    def __init__(
        self,
        context: SpawnContext,
        calls: queue.SimpleQueue[_Call | None],
        on_took: Callable[[], None],
    ) -> None:
        self._context = context
        self._calls = calls
        self._on_took = on_took
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._running: Future[Any] | None = None
        self._lock = threading.Lock()
        self.is_idle = True
        self._thread = threading.Thread(
            target=self._work, name="swf-process", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def kill(self, future: Future[Any]) -> bool:
        with self._lock:
            if self._running is not future or self._process is None:
                return False
            self._process.kill()
            return True

    def end(self) -> None:
        with self._lock:
            process = self._process
        if process is not None:
            process.kill()
            process.join(timeout=5)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            self._on_took()
            future, function, arguments, tell = call
            if not future.set_running_or_notify_cancel():
                continue
            self.is_idle = False
            try:
                future.set_result(self._call(future, function, arguments, tell))
            except BaseException as error:
                future.set_exception(error)
            self.is_idle = True

    def _call(
        self,
        future: Future[Any],
        function: Callable[..., Any],
        arguments: dict[str, object],
        tell: Tell,
    ) -> Any:
        request = pickle.dumps((function, arguments))
        connection = self._connect()
        with self._lock:
            self._running = future
        try:
            connection.send_bytes(request)
            while True:
                kind, value = pickle.loads(connection.recv_bytes())  # noqa: S301
                if kind != _EVENT:
                    break
                tell(value[0], orjson.Fragment(value[1]))
        except (EOFError, OSError):
            raise self._death() from None
        finally:
            with self._lock:
                self._running = None
        if kind == _RESULT:
            return value
        raise value

    def _connect(self) -> Connection:
        if self._connection is None or self._process is None:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            with self._lock:
                self._process, self._connection = process, ours
            return ours
        return self._connection

    def _death(self) -> ProcessDied:
        with self._lock:
            process, self._process = self._process, None
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        code = None
        if process is not None:
            process.join(timeout=5)
            code = process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name
        return ProcessDied(f"the step's process ended in the middle of it: {how}")


def _serve(connection: Connection) -> None:
    """Do calls until the other side is gone; runs in the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker decides when to stop
    while True:
        try:
            connection.send_bytes(_answer(connection.recv_bytes(), connection))
        except (EOFError, OSError):
            return


class _Mouthpiece:
    """What a step in the process tells, for as long as it runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()  # the step may have threads of its own
        self._is_over = False

    def tell(self, kind: str, data: object) -> None:
        message = pickle.dumps((_EVENT, (kind, orjson.dumps(data))))
        with self._lock:
            if not self._is_over:
                self._connection.send_bytes(message)

    def close(self) -> None:
        # a thread that goes on must not speak for the next task
        with self._lock:
            self._is_over = True


def _answer(request: bytes, connection: Connection) -> bytes:
    try:
        function, arguments = pickle.loads(request)  # noqa: S301 - from our own worker
        mouthpiece = _Mouthpiece(connection)
        for argument in arguments.values():
            if isinstance(argument, Context):
                argument.offer_events(mouthpiece.tell)
        try:
            return pickle.dumps((_RESULT, function(**arguments)))
        finally:
            mouthpiece.close()
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        try:
            error.__notes__ = [*getattr(error, "__notes__", ()), text]
            data = pickle.dumps((_ERROR, error))
            pickle.loads(data)  # noqa: S301 - some exceptions go in but not out
        except Exception:
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            return pickle.dumps((_ERROR, RemoteError(kind, str(error), text)))
        return data
