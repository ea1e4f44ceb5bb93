"""
(d) Maps: one run, as many tasks as elements, and what memory that takes.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Sequence

from benchmarks.apart import Measurement, check_results
from benchmarks.events import EVENTS, figure_with, in_turn
from benchmarks.workloads import mapped, plain_mapped
from singularity_workflow import AsyncEngine, Workflow

__all__ = ["measure"]

_WARM_UP = 200
_RSS_UNIT = 1 if sys.platform == "darwin" else 1_024


def measure(
    dsn: str,
    size: int,
    rounds: int,
    *,
    name: str,
    is_async: bool = True,
    variants: Sequence[bool] = EVENTS,
) -> Measurement:
    """
    Measure all rounds of maps of one size, in this process alone.

    Args:
        dsn: The database.
        size: How many elements.
        rounds: How many maps, one after the other.
        name: What the names of the figures begin with.
        is_async: Whether the step is a coroutine, or a plain function.
        variants: What `notify_events` is in turn.
    """
    workflow = mapped if is_async else plain_mapped
    found = asyncio.run(
        _measure(dsn, workflow, size, rounds, name=name, variants=variants)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    found.add(f"{name}_peak_mb", peak / 1_000_000)
    return found


async def _measure(
    dsn: str,
    workflow: Workflow,
    size: int,
    rounds: int,
    *,
    name: str,
    variants: Sequence[bool],
) -> Measurement:
    found = Measurement(runs=len(variants) * (1 + rounds))
    async with AsyncEngine(dsn) as engine:
        for events in variants:
            await _seconds(engine, workflow, _WARM_UP, events=events)
        for events in in_turn(rounds, variants):
            seconds = await _seconds(engine, workflow, size, events=events)
            found.add(figure_with(events, f"{name}_s"), seconds)
            found.add(figure_with(events, f"{name}_tasks_per_s"), size / seconds)
    return found


async def _seconds(
    engine: AsyncEngine, workflow: Workflow, size: int, *, events: bool
) -> float:
    elements = list(range(size))
    started = time.perf_counter()
    result = await engine.execute(workflow, elements, notify_events=events)
    seconds = time.perf_counter() - started
    check_results(result, {"element": elements}, workflow.name)
    return seconds
