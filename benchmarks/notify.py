"""
(m) Many connections that commit starts while two workers run them: with NOTIFY, and
with nothing but polling.

Each connection is that of an engine of its own, that starts one run after the other.
The time goes from the first start to the end of the last run, by the server's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg

from benchmarks.apart import Measurement, check_outputs
from benchmarks.crew import Crew
from benchmarks.events import in_turn
from benchmarks.loads import Load
from benchmarks.workers import PROCESSES, now, observer, seconds_to_last_end
from benchmarks.workloads import single
from singularity_workflow import AsyncEngine

__all__ = ["measure"]

_CONNECTIONS = 32
_WARM_UP = 5
_FIGURES = {True: "notify_runs_per_s", False: "polling_runs_per_s"}


def measure(dsn: str, load: Load) -> Measurement:
    """Measure both in turn, in all rounds."""
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    with (
        Crew(dsn, PROCESSES) as told,
        Crew(dsn, PROCESSES, use_notify=False) as polling,
        observer(dsn) as connection,
    ):
        crews = {True: told, False: polling}
        for use_notify, crew in crews.items():
            await _seconds(dsn, connection, crew, _WARM_UP, use_notify=use_notify)
            found.runs += _CONNECTIONS * _WARM_UP
        for use_notify in in_turn(load.rounds, list(crews)):
            seconds = await _seconds(
                dsn, connection, crews[use_notify], load.starts, use_notify=use_notify
            )
            runs = _CONNECTIONS * load.starts
            found.add(_FIGURES[use_notify], runs / seconds)
            found.runs += runs
    check_outputs(dsn, single.name, 1)
    return found


async def _seconds(
    dsn: str,
    connection: psycopg.Connection[tuple[Any, ...]],
    crew: Crew,
    starts: int,
    *,
    use_notify: bool,
) -> float:
    """Start so many runs on each connection; the seconds until all have ended."""
    async with _engines(dsn, use_notify=use_notify) as engines:
        crew.begin()
        began = now(connection)
        await asyncio.gather(*[_start(engine, starts) for engine in engines])
        seconds = seconds_to_last_end(connection, began)
        crew.rest()
    return seconds


@asynccontextmanager
async def _engines(dsn: str, *, use_notify: bool) -> AsyncIterator[list[AsyncEngine]]:
    """Connect engines that have nothing to do yet, but know the workflow."""
    async with AsyncExitStack() as stack:
        engines = []
        for _ in range(_CONNECTIONS):
            engine = AsyncEngine(dsn, pool_size=1, use_notify=use_notify)
            engines.append(await stack.enter_async_context(engine))
            await engine.register(single)
        yield engines


async def _start(engine: AsyncEngine, starts: int) -> None:
    for number in range(starts):
        await engine.start(single, number, execution="distributed")
