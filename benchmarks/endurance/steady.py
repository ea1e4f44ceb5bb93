"""
A steady load: chains, by two worker processes, for as long as is wanted.

This process keeps so many chains under way that the workers never wait, and checks the
result of each. What was done when is asked of the database afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from benchmarks.apart import check_results
from benchmarks.crew import Crew
from benchmarks.endurance.growth import Growth, read_growth
from benchmarks.endurance.outcome import Window
from benchmarks.workers import PROCESSES
from benchmarks.workloads import CHAIN_STEPS, chain
from singularity_workflow import AsyncEngine

__all__ = ["SteadyLoad", "steady_load"]

_STREAMS = 8
_BATCH = 100

_ENDED = """
select count(*) from singularity_workflow.runs where ended_at > %s and ended_at <= %s
"""


@dataclass(slots=True)
class SteadyLoad:
    """
    A load that goes on.

    Args:
        connection: Looks on.
        streams: Put chains under way.
        runs: How many chains were started.
        began: When the load began, by the server's clock.
        is_ending: Whether no more chains are to be started.
        found: What was done in each window; when the load has ended.
    """

    connection: psycopg.AsyncConnection[tuple[Any, ...]]
    streams: list[asyncio.Task[None]] = field(default_factory=list)
    runs: int = 0
    began: datetime | None = None
    is_ending: bool = False
    found: list[Window] = field(default_factory=list)
    _marks: list[tuple[str, datetime, datetime, Growth]] = field(default_factory=list)

    async def watch(self, part: str, seconds: float, windows: int) -> None:
        """Let it go on for some time, and look at the tables after each window."""
        begin = await self._now()
        for _ in range(windows):
            done, _ = await asyncio.wait(
                self.streams,
                timeout=seconds / windows,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for stream in done:
                stream.result()  # it never ends before it is told to, but by an error
            end = await self._now()
            self._marks.append((part, begin, end, await read_growth(self.connection)))
            begin = end

    async def look_back(self) -> None:
        """Ask what was done in each window."""
        assert self.began is not None
        for part, begin, end, growth in self._marks:
            cursor = await self.connection.execute(_ENDED, (begin, end))
            row = await cursor.fetchone()
            assert row is not None
            self.found.append(
                Window(
                    part=part,
                    begin=(begin - self.began).total_seconds(),
                    end=(end - self.began).total_seconds(),
                    steps_per_s=row[0] * CHAIN_STEPS / (end - begin).total_seconds(),
                    growth=growth,
                )
            )

    async def begin(self, engine: AsyncEngine) -> None:
        """Begin to put chains under way."""
        self.began = await self._now()
        self.streams = [
            asyncio.create_task(self._stream(engine)) for _ in range(_STREAMS)
        ]

    async def end(self) -> None:
        """Let what is under way come to its end."""
        self.is_ending = True
        await asyncio.gather(*self.streams)

    async def _stream(self, engine: AsyncEngine) -> None:
        wanted = [{chain.steps[-1].name: n + CHAIN_STEPS} for n in range(_BATCH)]
        while not self.is_ending:
            self.runs += _BATCH
            results = await engine.execute_many(
                chain, range(_BATCH), execution="distributed", notify_events=False
            )
            check_results(results, wanted, chain.name)

    async def _now(self) -> datetime:
        cursor = await self.connection.execute("select clock_timestamp()")
        row = await cursor.fetchone()
        assert row is not None
        now: datetime = row[0]
        return now


@asynccontextmanager
async def steady_load(dsn: str) -> AsyncIterator[SteadyLoad]:
    """Begin a load, and end it with all runs completed."""
    async with (
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection,
        AsyncEngine(dsn) as engine,
    ):
        load = SteadyLoad(connection)
        with Crew(dsn, PROCESSES) as crew:
            crew.begin()
            await load.begin(engine)
            try:
                yield load
                await load.end()
            finally:
                for stream in load.streams:
                    stream.cancel()
            await asyncio.to_thread(crew.rest)
        await load.look_back()
