"""
(k) One large run: a random graph of steps, against many small ones of as many steps.

Each step depends on up to five random earlier ones. The small ones once more, built at
run time and run with functions by name, show what that costs.
"""

from __future__ import annotations

import asyncio
import random
import time

from benchmarks.apart import Measurement, check_results
from benchmarks.events import EVENTS, figure_with, in_turn
from benchmarks.loads import Load
from singularity_workflow import AsyncEngine, Workflow
from singularity_workflow.model.validation import validate

__all__ = ["measure"]

_SMALL_STEPS = 10
_SEED = 1


def measure(dsn: str, load: Load) -> Measurement:
    """
    Measure all rounds, in this process alone.

    Args:
        dsn: The database.
        load: How many steps the graph has, and how many rounds there are.
    """
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    steps = load.graph_steps
    large = _graph("bench_graph", steps)
    small = _graph("bench_small_graph", _SMALL_STEPS)
    runs = steps // _SMALL_STEPS
    async with AsyncEngine(dsn) as engine:
        dynamic = await _build_flow(engine, small)
        await engine.register(large)
        for events in EVENTS:
            await engine.execute_many(small, [None] * runs, notify_events=events)
            found.runs += runs
        for _ in range(load.rounds):
            began = time.perf_counter()
            issues = validate(large.definition)
            found.add("graph_validate_ms", (time.perf_counter() - began) * 1_000)
            check_results(issues, [], large.name)
        for events in in_turn(load.rounds, EVENTS):
            began = time.perf_counter()
            handle = await engine.start(large, notify_events=events)
            found.add(figure_with(events, "graph_start_s"), time.perf_counter() - began)
            await handle.result()
            seconds = time.perf_counter() - began
            found.add(figure_with(events, "graph_steps_per_s"), steps / seconds)
            found.runs += 1

            for name, workflow in (
                ("small_graphs_steps_per_s", small),
                ("dynamic_graphs_steps_per_s", dynamic),
            ):
                began = time.perf_counter()
                await engine.execute_many(workflow, [None] * runs, notify_events=events)
                seconds = time.perf_counter() - began
                found.add(figure_with(events, name), runs * _SMALL_STEPS / seconds)
                found.runs += runs
    return found


async def _build_flow(engine: AsyncEngine, like: Workflow) -> Workflow:
    """Return the same workflow, built at run time and bound to its functions."""
    name = "bench_dynamic_graph"
    await engine.flow_builder.create_flow(name)
    for step in like.steps:
        await engine.flow_builder.add_step(name, step.name, step.depends_on)
    return await engine.flow_builder.bind(name, like.functions)


def _graph(name: str, size: int) -> Workflow:
    """Return a workflow of random edges, the same whenever it is made."""
    dice = random.Random(_SEED)
    workflow = Workflow(name)
    names: list[str] = []
    for number in range(size):
        wanted = min(len(names), dice.randint(0, 5))
        workflow.step(name=f"s{number}", depends_on=dice.sample(names, wanted))(_body)
        names.append(f"s{number}")
    return workflow


async def _body():
    return 1
