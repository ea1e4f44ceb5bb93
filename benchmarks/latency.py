"""
(a) How long one run takes when nothing else runs.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from benchmarks.apart import Measurement, check_results
from benchmarks.events import EVENTS, figure_with, in_turn
from benchmarks.loads import Load
from benchmarks.workloads import CHAIN_STEPS, chain, single
from singularity_workflow import AsyncEngine, Workflow

__all__ = ["measure"]

_WARM_UP = 20


def measure(dsn: str, load: Load) -> Measurement:
    """Measure single runs and chains, one after the other, in all rounds."""
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    kinds = (
        ("single", single, load.singles, 1),
        ("chain10", chain, load.lone_chains, CHAIN_STEPS),
    )
    async with AsyncEngine(dsn) as engine:
        for events in EVENTS:
            for _, workflow, _, steps in kinds:
                await _times(engine, workflow, _WARM_UP, steps, events=events)
                found.runs += _WARM_UP
        for events in in_turn(load.rounds, EVENTS):
            for name, workflow, count, steps in kinds:
                times = await _times(engine, workflow, count, steps, events=events)
                p50, p95 = (
                    statistics.median(times),
                    statistics.quantiles(times, n=20)[-1],
                )
                found.add(figure_with(events, f"{name}_ms_p50"), p50)
                found.add(figure_with(events, f"{name}_ms_p95"), p95)
                found.runs += count
    return found


async def _times(
    engine: AsyncEngine, workflow: Workflow, count: int, steps: int, *, events: bool
) -> list[float]:
    """Run it *count* times; return the milliseconds of each."""
    times = []
    for number in range(count):
        started = time.perf_counter()
        result = await engine.execute(workflow, number, notify_events=events)
        times.append((time.perf_counter() - started) * 1_000)
        check_results(list(result.values()), [number + steps], workflow.name)
    return times
