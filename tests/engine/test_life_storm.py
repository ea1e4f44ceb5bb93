"""Many runs with children and compensations, to which everything happens at once."""

from __future__ import annotations

import asyncio
import contextlib
import random

from engine.support import make_workflow, run, until
from singularity_workflow import (
    AsyncEngine,
    Fail,
    RetryPolicy,
    RunFilter,
    RunStatus,
    StateTransitionError,
    Worker,
)

SEED = 20_261_124
RUNS = 24
CALLS = 150


def make_flows():
    """Return a workflow whose elements are runs, some of which fail and are undone."""
    leaf = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0))
    done, undone = [], []

    async def undo(output, ctx):
        if ctx.attempt == 1 and output % 3 == 0:
            raise ValueError("at first")
        undone.append(output)

    @leaf.step(compensate=undo)
    async def work(run_input):
        done.append(run_input)
        await asyncio.sleep(0)
        return run_input

    @leaf.step(when="$.work >= 0")
    async def check(work):
        if work % 13 == 12:
            raise Fail("thirteen")
        return work

    parent = make_workflow(max_attempts=2)

    @parent.step(compensate=lambda output: undone.append(output[0]))
    async def numbers(run_input):
        return list(range(run_input, run_input + 6))

    parent.child(
        leaf, name="each", over="numbers", max_concurrency=3,
        when=lambda item: item % 5 != 4,
    )  # fmt: skip

    @parent.step
    async def total(each):
        return sum(one["check"] for one in each)

    return parent


def expected(first):
    """Return what the run of this input returns, None if it fails."""
    kept = [n for n in range(first, first + 6) if n % 5 != 4]
    return None if any(n % 13 == 12 for n in kept) else {"total": sum(kept)}


def test_a_storm(private):
    """
    Runs are paused, resumed, cancelled, retried and forked at random; in the end each
    has one result, and nothing is left open.
    """
    parent = make_flows()
    dice = random.Random(SEED)

    async def disturb(engine):
        for _ in range(CALLS):
            page = await engine.list_workflow_runs(limit=200)
            call = dice.choice(
                [
                    engine.pause_workflow_run,
                    engine.resume_workflow_run,
                    engine.resume_workflow_run,
                    engine.retry_failed_workflow,
                ]
                + [engine.cancel_workflow_run] * (dice.random() < 0.2)
            )
            with contextlib.suppress(StateTransitionError):
                await call(dice.choice(page.items).id)

    async def main():
        async with (
            AsyncEngine(private, concurrency=4) as one,
            AsyncEngine(private) as two,
            Worker(two, parent, concurrency=4),
        ):
            handles = [
                await one.start(
                    parent, number, execution=("local", "distributed")[number % 2],
                    parallel=bool(number % 3),
                )
                for number in range(RUNS)
            ]  # fmt: skip
            await asyncio.gather(disturb(one), disturb(two))

            async def all_ended():
                await one.resume_workflow_runs(RunFilter(status="paused"))
                page = await one.list_workflow_runs(
                    status=["pending", "started", "paused"], limit=1
                )
                return not page.items

            await until(all_ended, "all runs to end")
            for number, handle in enumerate(handles):
                status, _ = await handle.status()
                if status is RunStatus.COMPLETED:
                    assert await handle.result() == expected(number)
                if status is RunStatus.FAILED:
                    page = await one.list_workflow_runs(parent=handle.id, limit=100)
                    children = {one.status for one in page}
                    assert expected(number) is None or "cancelled" in children

    run(main)
