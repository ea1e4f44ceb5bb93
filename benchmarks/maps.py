"""
(d) Maps: one run, as many tasks as elements, and what memory that takes.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time

from benchmarks.apart import Measurement, check_results
from benchmarks.workloads import mapped, plain_mapped
from singularity_workflow import AsyncEngine, Workflow

__all__ = ["measure"]

_WARM_UP = 200
_RSS_UNIT = 1 if sys.platform == "darwin" else 1_024


def measure(
    dsn: str, size: int, rounds: int, *, name: str, is_async: bool = True
) -> Measurement:
    """
    Measure all rounds of maps of one size, in this process alone.

    Args:
        dsn: The database.
        size: How many elements.
        rounds: How many maps, one after the other.
        name: What the names of the figures begin with.
        is_async: Whether the step is a coroutine, or a plain function.
    """
    workflow = mapped if is_async else plain_mapped
    times = asyncio.run(_times(dsn, workflow, size, rounds))
    found = Measurement(runs=1 + rounds)
    for seconds in times:
        found.add(f"{name}_s", seconds)
        found.add(f"{name}_tasks_per_s", size / seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    found.add(f"{name}_peak_mb", peak / 1_000_000)
    return found


async def _times(dsn: str, workflow: Workflow, size: int, rounds: int) -> list[float]:
    async with AsyncEngine(dsn) as engine:
        await _seconds(engine, workflow, _WARM_UP)
        return [await _seconds(engine, workflow, size) for _ in range(rounds)]


async def _seconds(engine: AsyncEngine, workflow: Workflow, size: int) -> float:
    elements = list(range(size))
    started = time.perf_counter()
    result = await engine.execute(workflow, elements)
    seconds = time.perf_counter() - started
    check_results(result, {"element": elements}, workflow.name)
    return seconds
