"""
A transaction elsewhere keeps its snapshot, so that no dead row can be removed: what
becomes of the load meanwhile, and afterwards?
"""

from __future__ import annotations

import asyncio

import psycopg

from benchmarks.apart import check_outputs
from benchmarks.endurance.outcome import Outcome
from benchmarks.endurance.steady import steady_load
from benchmarks.workloads import CHAIN_STEPS, chain

__all__ = ["measure"]

_WINDOW = 30.0
_FEWEST_WINDOWS = 5
_WARM_UP, _BEFORE, _HELD, _AFTER = "warm-up", "before", "held", "after"


def measure(dsn: str, seconds: float) -> Outcome:
    """Hold a snapshot for *seconds*; before and after that come three windows each."""
    outcome = asyncio.run(_measure(dsn, seconds))
    found = outcome.found
    for window in outcome.windows:
        if window.part != _WARM_UP:
            found.add(f"snapshot_{window.part}_steps_per_s", window.steps_per_s)
    found.add("snapshot_worst_steps_per_s", min(found.samples[_figure(_HELD)]))
    last = [window for window in outcome.windows if window.part == _HELD][-1]
    for table, (size, dead) in last.growth.tables.items():
        found.add(f"snapshot_{table}_mb", size / 1e6)
        found.add(f"snapshot_{table}_dead", dead)
    check_outputs(dsn, chain.name, CHAIN_STEPS)
    return outcome


def _figure(part: str) -> str:
    return f"snapshot_{part}_steps_per_s"


async def _measure(dsn: str, seconds: float) -> Outcome:
    outcome = Outcome()
    windows = max(_FEWEST_WINDOWS, round(seconds / _WINDOW))
    window = seconds / windows
    async with steady_load(dsn) as load:
        await load.watch(_WARM_UP, window, 1)
        await load.watch(_BEFORE, 3 * window, 3)
        async with await psycopg.AsyncConnection.connect(dsn) as holder:
            await holder.execute("set transaction isolation level repeatable read")
            await holder.execute("select count(*) from singularity_workflow.workers")
            await load.watch(_HELD, seconds, windows)
            await holder.rollback()
        await load.watch(_AFTER, 3 * window, 3)
    outcome.windows = load.found
    outcome.found.runs = load.runs
    return outcome
