"""
The load: runs that are started all the time, and waited for.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from singularity_workflow import AsyncEngine, ConnectionFailed, SingularityError

from .flows import EXPECTED, WORKFLOWS

__all__ = ["Load", "Started"]

_WEIGHTS = {"chaos_chain": 6, "chaos_fan": 4, "chaos_book": 6, "chaos_heavy": 1}
_PAUSE = 0.05


@dataclass(kw_only=True, slots=True)
class Started:
    """A run, and how it ended as far as is known."""

    run_id: UUID
    workflow: str
    input: int
    output: dict[str, Any] | None = None
    error: str | None = None

    @property
    def expected(self) -> dict[str, Any]:
        """What must come out of it."""
        return EXPECTED[self.workflow](self.input)


@dataclass(kw_only=True, slots=True)
class Load:
    """
    Keep so many runs open.

    Args:
        dsn: Where the engine connects that starts them.
        open_runs: How many.
        dice: Chooses them.
    """

    dsn: str
    open_runs: int
    dice: random.Random
    runs: list[Started] = field(default_factory=list)
    restarted: int = 0
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    async def apply(self, must_end: asyncio.Event, patience: float) -> None:
        """
        Start runs until told to end, and wait for the rest of them.

        Args:
            must_end: Set when no more runs are to be started.
            patience: Seconds to wait for those that are open then.
        """
        engine = await self._connected()
        try:
            while not must_end.is_set():
                if len(self._waiting) < self.open_runs:
                    await self._start(engine)
                else:
                    await asyncio.wait(
                        self._waiting,
                        timeout=_PAUSE,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
            if self._waiting:
                await asyncio.wait(self._waiting, timeout=patience)
            for waiting in list(self._waiting):
                waiting.cancel()
            await asyncio.gather(*self._waiting, return_exceptions=True)
        finally:
            await engine.close()

    async def _connected(self) -> AsyncEngine:
        while True:
            engine = AsyncEngine(self.dsn)
            try:
                await engine.connect()
            except ConnectionFailed:
                await asyncio.sleep(_PAUSE)
            else:
                return engine

    async def _start(self, engine: AsyncEngine) -> None:
        """Start one run; what is not known to have worked is asked for again."""
        names = list(_WEIGHTS)
        (name,) = self.dice.choices(names, [_WEIGHTS[one] for one in names])
        workflow = next(one for one in WORKFLOWS if one.name == name)
        value = self.dice.randrange(1, 100_000)
        key = f"run-{len(self.runs)}"
        while True:
            try:
                handle = await engine.start(
                    workflow, value, execution="distributed", idempotency_key=key
                )
            except ConnectionFailed:
                self.restarted += 1
                await asyncio.sleep(_PAUSE)
            else:
                break
        run = Started(run_id=handle.id, workflow=name, input=value)
        self.runs.append(run)
        waiting = asyncio.create_task(_wait(engine, run))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)


async def _wait(engine: AsyncEngine, run: Started) -> None:
    try:
        run.output = await engine.get_handle(run.run_id).result()
    except SingularityError as error:
        run.error = f"{type(error).__name__}: {error}"
