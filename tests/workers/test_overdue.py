"""A task that waited too long is failed by whoever finds it, and the run goes on."""

from __future__ import annotations

import asyncio

import pytest
from engine.support import run

from singularity_workflow import AsyncEngine, RunFailed, Worker, Workflow


def make_overdue(**options):
    """A workflow whose first step waits in a queue that nobody serves."""
    flow = Workflow("overdue")

    @flow.step(queue="nobody", queue_timeout=0.2, max_attempts=1, **options)
    def waits():
        raise AssertionError("nobody serves its queue")

    return flow


def test_what_follows_a_skipped_task_gets_the_runs_input(dsn):
    """
    The worker that failed the task had no other of the run, and so not its input.
    """
    flow = make_overdue(on_failure="skip")

    @flow.step(depends_on=["waits"])
    async def follows(run_input):
        return run_input["n"] + 1

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow, "default"):
            return await engine.execute(
                flow, {"n": 1}, execution="distributed", timeout=20
            )

    assert run(main) == {"follows": 2}


def test_the_run_fails_with_the_reason(dsn):
    """
    Unless the step says otherwise.
    """
    flow = make_overdue()

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow, "default"):
            with pytest.raises(RunFailed) as caught:
                await engine.execute(flow, execution="distributed", timeout=20)
            return caught.value

    assert run(main).error_type.endswith("QueueTimeout")


def test_other_tasks_of_the_run_keep_their_inputs(dsn):
    """
    The elements of a map go on beside a step of the same run that is given up.
    """
    flow = make_overdue(on_failure="skip")
    gate = asyncio.Event()

    @flow.map
    async def element(item: int, run_input):
        await gate.wait()
        return item + len(run_input["items"])

    @flow.step
    async def total(element: list[int]):
        return sum(element)

    @flow.step(depends_on=["waits"])
    async def opens():
        gate.set()

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow, "default"):
            first = await engine.execute(
                flow, {"items": [1, 2, 3]}, execution="distributed", timeout=20
            )
            second = await engine.execute(
                flow, {"items": [4]}, execution="distributed", timeout=20
            )
        return first, second

    first, second = run(main)

    assert first == {"total": 15, "opens": None}
    assert second == {"total": 5, "opens": None}
