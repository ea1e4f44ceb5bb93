"""
(l) Cancelling a run of many queued tasks, and pausing runs.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import psycopg

from benchmarks.apart import Measurement, check_results
from benchmarks.loads import Load
from benchmarks.workloads import mapped, single
from singularity_workflow import AsyncEngine
from singularity_workflow.store.store import Store

__all__ = ["measure"]

_PAUSES = 100
_COUNT_QUEUED = """
select count(*) from pgmq.q_swf_tasks
"""


def measure(dsn: str, load: Load) -> Measurement:
    """
    Measure all rounds, in this process alone; no worker takes what is queued.

    Args:
        dsn: The database.
        load: How many tasks the cancelled run has, and how many rounds there are.
    """
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    async with AsyncEngine(dsn) as engine:
        store = engine.session.store
        with psycopg.connect(dsn, autocommit=True) as connection:
            for _ in range(load.cancel_rounds):
                found.add(
                    "cancel_s", await _cancel(engine, store, connection, load.cancelled)
                )
                found.runs += 1
                found.unfinished += 1
        handles = await engine.start_many(
            single, range(_PAUSES), execution="distributed", notify_events=False
        )
        times = []
        for handle in handles:
            began = time.perf_counter()
            await handle.pause()
            times.append((time.perf_counter() - began) * 1_000)
        found.runs += _PAUSES
        found.unfinished += _PAUSES
        found.add("pause_ms_p50", statistics.median(times))
        found.add("pause_ms_p95", statistics.quantiles(times, n=20)[-1])
    return found


async def _cancel(
    engine: AsyncEngine,
    store: Store,
    connection: psycopg.Connection[tuple[int]],
    size: int,
) -> float:
    """Return the seconds until no task of a cancelled run is queued any more."""
    handle = await engine.start(
        mapped, list(range(size)), execution="distributed", notify_events=False
    )
    await _fire_all(store)  # the fan-out goes on by timers
    check_results(_queued(connection), size, mapped.name)
    began = time.perf_counter()
    await handle.cancel()
    await _fire_all(store)
    seconds = time.perf_counter() - began
    check_results(_queued(connection), 0, mapped.name)
    status, _ = await handle.status()
    check_results(status, "cancelled", mapped.name)
    return seconds


async def _fire_all(store: Store) -> None:
    """Do what a worker would, until nothing is due."""
    while (await store.fire_timers(None)).next_in is not None:
        pass


def _queued(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute(_COUNT_QUEUED).fetchone()
    assert row is not None
    return row[0]
