"""
Worker processes that begin and rest together, as a benchmark tells them.

Each has an engine of its own, which stays connected, and makes a `Worker` whenever it
is told to begin. When the benchmark's process is gone, they end.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from benchmarks.apart import WrongResult
from benchmarks.workloads import chain, single, timed
from singularity_workflow import AsyncEngine, Worker

__all__ = ["Crew"]

_CONTEXT = multiprocessing.get_context("spawn")
_LONGEST_ANSWER = 60.0
_WORKFLOWS = [single, chain, timed]

_BEGIN, _REST = "begin", "rest"


class Crew:
    """
    Processes with workers, that can run all distributed workloads.

    Args:
        dsn: The database.
        processes: How many there are.
        use_notify: Of their engines.
        engines: How many each process has, with a worker each.
    """

    def __init__(
        self, dsn: str, processes: int, *, use_notify: bool = True, engines: int = 1
    ) -> None:
        self._dsn = dsn
        self._count = processes
        self._use_notify = use_notify
        self._engines = engines
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            ours, theirs = _CONTEXT.Pipe()
            process = _CONTEXT.Process(
                target=_run,
                args=(self._dsn, theirs, self._use_notify, self._engines),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self._await_answers()  # connected
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_LONGEST_ANSWER)
            if process.is_alive():
                process.kill()

    def begin(self) -> None:
        """Let the workers begin; returns when all do, which is some time after."""
        self._tell(_BEGIN)

    def rest(self) -> None:
        """Let the workers stop."""
        self._tell(_REST)

    def _tell(self, what: str) -> None:
        for pipe in self._pipes:
            pipe.send(what)
        self._await_answers()

    def _await_answers(self) -> None:
        try:
            for pipe in self._pipes:
                if not pipe.poll(_LONGEST_ANSWER):
                    raise WrongResult("a worker process does not answer")
                pipe.recv()
        except (EOFError, OSError) as error:
            raise WrongResult("a worker process has died: see above") from error


def _run(dsn: str, pipe: Connection, use_notify: bool, count: int) -> None:
    asyncio.run(_obey(dsn, pipe, count, use_notify=use_notify))


async def _obey(dsn: str, pipe: Connection, count: int, *, use_notify: bool) -> None:
    async with AsyncExitStack() as stack:
        engines = [
            AsyncEngine(dsn, pool_size=1 if count > 1 else 10, use_notify=use_notify)
            for _ in range(count)
        ]
        for engine in engines:
            await stack.enter_async_context(engine)
        pipe.send("connected")
        while await _told(pipe):
            async with AsyncExitStack() as working:
                for engine in engines:
                    worker = Worker(engine, _WORKFLOWS, concurrency=256 // count)
                    await working.enter_async_context(worker)
                pipe.send("begun")
                if not await _told(pipe):
                    return
            pipe.send("rested")


async def _told(pipe: Connection) -> bool:
    """Wait for the next word; False: there is none any more."""
    try:
        await asyncio.to_thread(pipe.recv)
    except (EOFError, OSError):
        return False
    return True
