"""
(b) Many 10-step chains at once, in one process or several that start together.

Each process has an engine of its own on the same database and runs its own chains.
The steps of all of them are divided by the time from the first start to the last end.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

from benchmarks.apart import Measurement, check_results
from benchmarks.events import EVENTS, figure_with, in_turn
from benchmarks.loads import Load
from benchmarks.workloads import CHAIN_STEPS, chain, plain_chain
from singularity_workflow import AsyncEngine, Workflow

__all__ = ["measure"]

_WARM_UP = 50
_LONGEST_WAIT = 120.0

_barrier: Barrier


def measure(
    dsn: str, load: Load, *, name: str, processes: int, is_async: bool = True
) -> Measurement:
    """
    Measure all rounds.

    Args:
        dsn: The database.
        load: How many chains, and rounds.
        name: The name of the figure, in steps per second.
        processes: How many of them there are.
        is_async: Whether the steps are coroutines, or plain functions.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_remember, initargs=(barrier,)
    ) as pool:
        running = [
            pool.submit(_run_rounds, dsn, load, is_async=is_async)
            for _ in range(processes)
        ]
        spans = [future.result() for future in running]

    found = Measurement()
    in_each_round = zip(*spans, strict=True)
    for events, together in zip(
        in_turn(load.rounds, EVENTS), in_each_round, strict=True
    ):
        begin = min(started for started, _ in together)
        end = max(ended for _, ended in together)
        steps = processes * load.chains * CHAIN_STEPS
        found.add(figure_with(events, name), steps / (end - begin))
    found.runs = processes * len(EVENTS) * (_WARM_UP + load.rounds * load.chains)
    return found


def _remember(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - a barrier is only handed down to new processes
    _barrier = barrier


def _run_rounds(dsn: str, load: Load, *, is_async: bool) -> list[tuple[float, float]]:
    """Run in a process; return when each round began and ended."""
    try:
        return asyncio.run(_rounds(dsn, load, chain if is_async else plain_chain))
    except BaseException:
        _barrier.abort()  # the others must not wait for us
        raise


async def _rounds(
    dsn: str, load: Load, workflow: Workflow
) -> list[tuple[float, float]]:
    spans = []
    async with AsyncEngine(dsn) as engine:
        for events in EVENTS:
            await _run(engine, workflow, _WARM_UP, events=events)
        for events in in_turn(load.rounds, EVENTS):
            await asyncio.to_thread(_barrier.wait, _LONGEST_WAIT)
            # the clock that all processes of a machine share
            started = time.monotonic()
            await _run(engine, workflow, load.chains, events=events)
            spans.append((started, time.monotonic()))
        await asyncio.to_thread(_barrier.wait, _LONGEST_WAIT)
    return spans


async def _run(
    engine: AsyncEngine, workflow: Workflow, count: int, *, events: bool
) -> None:
    results = await engine.execute_many(workflow, range(count), notify_events=events)
    last = workflow.steps[-1].name
    wanted = [{last: number + CHAIN_STEPS} for number in range(count)]
    check_results(results, wanted, workflow.name)
