"""
(h) How long an idle worker in another process takes to begin a run that was started.

From the call of `start`, which takes a commit, to the first line of the first step.
The clock is the one that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from benchmarks.apart import Measurement, check_results
from benchmarks.crew import Crew
from benchmarks.loads import Load
from benchmarks.workloads import timed
from singularity_workflow import AsyncEngine

__all__ = ["measure", "pick_up_times"]

_WARM_UP = 20
_SHORTEST_REST, _LONGEST_REST = 0.01, 0.03
_LONGEST_RUN = 60


def measure(dsn: str, load: Load) -> Measurement:
    """Measure all rounds."""
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement(runs=_WARM_UP + load.rounds * load.pickups)
    async with AsyncEngine(dsn) as engine:
        with Crew(dsn, 1) as crew:
            crew.begin()
            await pick_up_times(engine, _WARM_UP)
            for _ in range(load.rounds):
                times = await pick_up_times(engine, load.pickups)
                found.add("pickup_ms_p50", statistics.median(times))
                found.add("pickup_ms_p99", statistics.quantiles(times, n=100)[-1])
            crew.rest()
    return found


async def pick_up_times(engine: AsyncEngine, count: int) -> list[float]:
    """Start *count* runs, one after the other; the milliseconds to the step of each."""
    times = []
    for number in range(count):
        started = time.monotonic()
        handle = await engine.start(
            timed, number, execution="distributed", notify_events=False
        )
        result = await handle.result(timeout=_LONGEST_RUN)
        began = result["began"]["at"]
        check_results(result, {"began": {"at": began, "input": number}}, timed.name)
        times.append((began - started) * 1_000)
        # the worker is idle again, and in no step with us
        await asyncio.sleep(random.uniform(_SHORTEST_REST, _LONGEST_REST))
    return times
