"""
Keep a number of processes of the same command running, and end them together.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Final

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_QUICK_DEATH: Final = 5.0
_LONGEST_PAUSE: Final = 30.0
_KILL_AFTER: Final = 10.0


class Supervisor:
    """
    Run this process's command line again, in processes that serve with `--processes 1`.

    One that dies is replaced; one that dies at once, after a growing pause. One that
    ends in good order was asked to (SIGTERM, `drain_workers`), and is not replaced.

    They have the reading end of a pipe that only this process could write to: when it
    is killed, they see the end of the pipe, and end in good order.

    Args:
        count: How many processes.
        grace: Seconds that they have to end in good order.
    """

    def __init__(self, count: int, grace: float) -> None:
        self._count = count
        self._grace = grace
        self._is_stopping = asyncio.Event()
        self._signals = 0
        self._processes: set[asyncio.subprocess.Process] = set()
        # not inherited by anybody, but for the reading end by those we start
        self._pipe, self._lifeline = os.pipe()

    async def run(self) -> int:
        """Run until a signal comes or none is left, and return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        try:
            await asyncio.gather(*(self._keep_alive(one) for one in range(self._count)))
        finally:
            os.close(self._pipe)
            os.close(self._lifeline)
        return 0

    def _on_signal(self) -> None:
        self._signals += 1
        self._is_stopping.set()
        for process in self._processes:
            self._pass_on(process)

    def _pass_on(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            # two of a kind, one soon after the other, would arrive as one
            number = signal.SIGTERM if self._signals == 1 else signal.SIGINT
            process.send_signal(number)

    async def _keep_alive(self, number: int) -> None:
        pause = 1.0
        while not self._is_stopping.is_set():
            started = asyncio.get_running_loop().time()
            # a session of its own: Ctrl-C is for us to pass on, once
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "singularity_workflow", *_own_arguments(),
                "--lifeline", str(self._pipe),
                pass_fds=(self._pipe,),
                start_new_session=True,
            )  # fmt: skip
            self._processes.add(process)
            if self._is_stopping.is_set():
                self._pass_on(process)
            logger.info("process %d of %d is %d", number + 1, self._count, process.pid)
            await self._wait(process)
            self._processes.discard(process)
            if self._is_stopping.is_set():
                return
            if process.returncode == 0:
                logger.info("process %d ended as it was asked to", process.pid)
                return
            lived = asyncio.get_running_loop().time() - started
            pause = min(pause * 2, _LONGEST_PAUSE) if lived < _QUICK_DEATH else 0.1
            logger.warning(
                "process %d ended with %s, another one comes in %.1f s",
                process.pid, process.returncode, pause,
            )  # fmt: skip
            try:
                await asyncio.wait_for(self._is_stopping.wait(), pause)
            except TimeoutError:
                continue

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the end of a process; after a signal not much beyond its grace."""
        ended = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._is_stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if ended.done():
            return
        try:
            await asyncio.wait_for(ended, self._grace + _KILL_AFTER)
        except TimeoutError:
            logger.warning("process %d does not end and is killed", process.pid)
            process.kill()
            await process.wait()


def _own_arguments() -> list[str]:
    """Return this process's arguments, with one process instead of several."""
    return [*sys.argv[1:], "--processes", "1"]
