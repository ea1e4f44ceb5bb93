"""
The same load for long: is the last tenth of the time as good as the second?
"""

from __future__ import annotations

import asyncio

from benchmarks.apart import check_outputs
from benchmarks.endurance.outcome import Outcome
from benchmarks.endurance.steady import steady_load
from benchmarks.workloads import CHAIN_STEPS, chain

__all__ = ["measure"]

_WINDOWS = 10


def measure(dsn: str, seconds: float) -> Outcome:
    """Run chains for some time, in ten windows; of ten minutes, each is one."""
    outcome = asyncio.run(_measure(dsn, seconds))
    found = outcome.found
    for window in outcome.windows:
        found.add("sustained_steps_per_s", window.steps_per_s)
    found.add("sustained_second_steps_per_s", outcome.windows[1].steps_per_s)
    found.add("sustained_last_steps_per_s", outcome.windows[-1].steps_per_s)
    for table, (size, dead) in outcome.windows[-1].growth.tables.items():
        found.add(f"sustained_{table}_mb", size / 1e6)
        found.add(f"sustained_{table}_dead", dead)
    check_outputs(dsn, chain.name, CHAIN_STEPS)
    return outcome


async def _measure(dsn: str, seconds: float) -> Outcome:
    outcome = Outcome()
    async with steady_load(dsn) as load:
        await load.watch("sustained", seconds, _WINDOWS)
    outcome.windows = load.found
    outcome.found.runs = load.runs
    return outcome
