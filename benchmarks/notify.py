"""
(n) What NOTIFY costs those who commit, against nothing but polling.

Sixteen workers, on two connections each, drain chains that were started before: each
commits reports, sends hints and is woken by the hints of all others. Beside it, the
worst that hints can meet: 32 engines that start one run after the other, each start
told of, while two workers run them. The time goes to the end of the last run, by the
server's clock.
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
from benchmarks.workers import PROCESSES, drain, now, observer, seconds_to_last_end
from benchmarks.workloads import CHAIN_STEPS, chain, single
from singularity_workflow import AsyncEngine

__all__ = ["measure"]

_CONNECTIONS = 32
_LANES = 2  # connections on which a worker reports
_WARM_UP = 5
_STEPS = {True: "notify_steps_per_s", False: "polling_steps_per_s"}
_STARTS = {True: "notify_runs_per_s", False: "polling_runs_per_s"}


def measure(dsn: str, load: Load) -> Measurement:
    """Measure both in turn, in all rounds."""
    workers = asyncio.run(_measure_workers(dsn, load))
    starts = asyncio.run(_measure_starts(dsn, load))
    return Measurement(
        samples={**workers.samples, **starts.samples}, runs=workers.runs + starts.runs
    )


async def _measure_workers(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    each = _CONNECTIONS // _LANES // PROCESSES
    count = load.worker_chains
    async with AsyncEngine(dsn) as engine:
        with observer(dsn) as connection:
            for use_notify in in_turn(load.rounds, list(_STEPS)):
                # one crew at a time: a server takes a hundred connections
                with Crew(dsn, PROCESSES, engines=each, use_notify=use_notify) as crew:
                    await drain(engine, crew, connection, chain, _CONNECTIONS)
                    seconds = await drain(engine, crew, connection, chain, count)
                found.add(_STEPS[use_notify], count * CHAIN_STEPS / seconds)
                found.runs += _CONNECTIONS + count
    check_outputs(dsn, chain.name, CHAIN_STEPS)
    return found


async def _measure_starts(dsn: str, load: Load) -> Measurement:
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
            found.add(_STARTS[use_notify], runs / seconds)
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
        await engine.start(single, number, execution="distributed", notify_events=False)
