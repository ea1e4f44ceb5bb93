"""
(c) 1-step runs, started in bulk and drained by the process that started them.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.apart import Measurement, check_results
from benchmarks.events import EVENTS, figure_with, in_turn
from benchmarks.loads import Load
from benchmarks.workloads import single
from singularity_workflow import AsyncEngine

__all__ = ["measure"]

_WARM_UP = 500


def measure(dsn: str, load: Load) -> Measurement:
    """Measure all rounds."""
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement(runs=len(EVENTS) * (_WARM_UP + load.rounds * load.runs))
    async with AsyncEngine(dsn) as engine:
        for events in EVENTS:
            await _seconds(engine, _WARM_UP, events=events)
        for events in in_turn(load.rounds, EVENTS):
            seconds = await _seconds(engine, load.runs, events=events)
            found.add(figure_with(events, "single_runs_per_s"), load.runs / seconds)
    return found


async def _seconds(engine: AsyncEngine, count: int, *, events: bool) -> float:
    """Run *count* runs; the seconds from the first start to the last result."""
    started = time.perf_counter()
    results = await engine.execute_many(single, range(count), notify_events=events)
    seconds = time.perf_counter() - started
    check_results(results, [{"only": n + 1} for n in range(count)], single.name)
    return seconds
