"""
(o) Goals: checking a large plan, starting it, and what decomposing costs a small one.

A goal of three tasks and the workflow of its plan are run in turn, on one engine, so
that whatever changes meanwhile changes both.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from benchmarks.apart import Measurement, check_results
from benchmarks.loads import Load
from singularity_workflow import AsyncEngine
from singularity_workflow.orchestrator import Catalog, Orchestrator, TaskGraph, validate

__all__ = ["measure"]

_WIDTH = 2
"""Of the ladder: tasks of one rung, each of which depends on all of the rung before."""

_SMALL = [
    {"id": "design"},
    {"id": "implement", "depends_on": ["design"]},
    {"id": "test", "depends_on": ["implement"]},
]


def measure(dsn: str, load: Load) -> Measurement:
    """
    Measure all rounds, in this process alone.

    Args:
        dsn: The database.
        load: How large the plans are, and how many rounds there are.
    """
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    _check_ladder(found, load)
    async with AsyncEngine(dsn) as engine:
        await _start_large(found, engine, load)
        await _compare_small(found, engine, load)
    return found


def _check_ladder(found: Measurement, load: Load) -> None:
    catalog = Catalog({"step": _step})
    ladder = TaskGraph.model_validate({"goal": "up", "tasks": _ladder(load.ladder)})
    for _ in range(load.rounds):
        began = time.perf_counter()
        issues = validate(ladder, catalog)
        found.add("ladder_validate_ms", (time.perf_counter() - began) * 1_000)
        check_results(issues, [], "ladder")


async def _start_large(found: Measurement, engine: AsyncEngine, load: Load) -> None:
    """Measure from the answer of a decomposer to the first line of a task."""
    tasks = [{"id": f"t{n}", "handler": "step"} for n in range(load.goal_tasks)]
    answered_at = 0.0
    began_at: list[float] = []

    def decompose(goal: Any) -> list[dict[str, str]]:
        nonlocal answered_at
        answered_at = time.perf_counter()
        return tasks

    async def step() -> int:
        began_at.append(time.perf_counter())
        return 1

    orchestrator = Orchestrator(engine)
    for number in range(load.rounds):
        began_at.clear()
        # each plan is a new one: nothing of it is known from the round before
        tasks[0]["description"] = f"round {number}"
        result = await orchestrator.execute_goal(
            "many", decompose, {"step": step}, real_time_notifications=False
        )
        check_results([len(result.result)], [load.goal_tasks], "goal")
        found.add("goal_first_task_ms", (began_at[0] - answered_at) * 1_000)
        found.runs += 2


async def _compare_small(found: Measurement, engine: AsyncEngine, load: Load) -> None:
    """Measure a goal beside the workflow of its plan, each after the other."""
    functions = dict.fromkeys(("design", "implement", "test"), _step)
    orchestrator = Orchestrator(engine)

    async def decompose(goal: Any) -> list[dict[str, Any]]:
        return _SMALL

    async def run_goal() -> None:
        result = await orchestrator.execute_goal(
            "small", decompose, functions, real_time_notifications=False
        )
        check_results([result.result], [{"test": 1}], "goal")

    workflow = await orchestrator.create_workflow(_SMALL, functions)

    async def run_plan() -> None:
        result = await engine.execute(workflow, {}, notify_events=False)
        check_results([result], [{"test": 1}], "plan")

    await run_goal()
    await run_plan()
    found.runs += 3
    for _ in range(load.rounds):
        goals, plans = [], []
        for _ in range(load.goals):
            goals.append(await _milliseconds(run_goal))
            plans.append(await _milliseconds(run_plan))
        found.runs += 3 * load.goals
        goal, plan = statistics.median(goals), statistics.median(plans)
        found.add("goal3_ms_p50", goal)
        found.add("plan3_ms_p50", plan)
        found.add("goal_over_plan_ms", goal - plan)


async def _milliseconds(run: Any) -> float:
    began = time.perf_counter()
    await run()
    return (time.perf_counter() - began) * 1_000


def _ladder(size: int) -> list[dict[str, Any]]:
    """Return tasks in rungs, whose paths double from each to the next."""
    tasks: list[dict[str, Any]] = []
    for number in range(size):
        rung = number // _WIDTH
        before = range((rung - 1) * _WIDTH, rung * _WIDTH) if rung else ()
        depends_on = [f"t{one}" for one in before]
        tasks.append({"id": f"t{number}", "handler": "step", "depends_on": depends_on})
    return tasks


async def _step() -> int:
    return 1
