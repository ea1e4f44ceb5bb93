"""Workers of different builds share queues: old runs finish, unknown ones wait."""

from __future__ import annotations

import pytest
from engine.support import run, unique, until
from fixtures.definitions import single

from singularity_workflow import AsyncEngine, RunTimeout, Worker, Workflow

UNSERVED = """
select count(*) from singularity_workflow.tasks
where status = 'waiting' and wait_reason = 'unserved' and run_id = %s
"""
FAR_AWAY = """
update singularity_workflow.timers set due_at = due_at + interval '1 hour'
where kind = 'unserved'
"""


def build(name, *steps):
    """Return a workflow of a chain of steps, each of which returns (name, build)."""
    flow = Workflow(name)
    for number, (step, result) in enumerate(steps):
        before = [steps[number - 1][0]] if number else []
        flow.step(name=step, depends_on=before)(lambda result=result: result)
    return flow


def other():
    """Return a workflow that has nothing to do with the others."""
    return build(unique(), ("other", 0))


async def start(dsn, flow):
    """Start a run of a workflow that no worker here knows."""
    async with AsyncEngine(dsn) as engine:
        return (await engine.start(flow, execution="distributed")).id


def test_a_task_without_code_waits_visibly(dsn, look):
    """
    It does not go back to the head of the queue, where it would be in everybody's way
    (F9).
    """
    flow, known = build(unique(), ("a", 1)), other()

    async def main():
        run_id = await start(dsn, flow)
        async with AsyncEngine(dsn) as engine, Worker(engine, known):
            await until(lambda: look.value(UNSERVED, run_id), "it to wait")
            assert await engine.execute(known, execution="distributed") == {"other": 0}
            return run_id

    run_id = run(main)
    assert look.rows(
        "select kind from singularity_workflow.timers where run_id = %s", run_id
    ) == ["unserved"]


def test_it_waits_twice_as_long_each_time(db):
    """
    Up to a minute, as long as nobody comes who has its code (F9).
    """
    run = db.start(db.make_workflow(single("a")))
    db.set_now(db.now())
    waits = []

    for _ in range(8):
        db.report({**db.claim_one().ref, "outcome": "unserved"})
        (timer,) = run.timers("unserved")
        waits.append((timer.due_at - db.now()).total_seconds())
        db.advance(seconds=waits[-1])
        db.fire()

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert run.task("a").failures == 0


def test_a_worker_that_comes_with_the_code_wakes_it(dsn, look):
    """
    At once, whatever its timer says (F9).
    """
    flow = build(unique(), ("a", 1))

    async def main():
        run_id = await start(dsn, flow)
        async with AsyncEngine(dsn) as engine, Worker(engine, other()):
            await until(lambda: look.value(UNSERVED, run_id), "it to wait")
        look.rows(FAR_AWAY)
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            return await engine.get_handle(run_id).result(timeout=20)

    assert run(main) == {"a": 1}


def test_workers_with_different_code_share_a_queue(dsn):
    """
    Each task soon meets the one worker that has its code (F9).
    """
    flow = build(unique(), ("a", 1), ("b", 2))

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            AsyncEngine(dsn) as second,
            AsyncEngine(dsn) as third,
            Worker(second, other()),
            Worker(third, other()),
            Worker(engine, flow),
        ):
            return [
                await engine.execute(flow, execution="distributed") for _ in range(6)
            ]

    assert run(main) == [{"b": 2}] * 6


def test_an_old_run_finishes_on_its_shape_with_the_newest_code(dsn):
    """
    The steps of its version, each done by the code that knows it now.
    """
    name = unique()
    old = build(name, ("a", 1), ("b", 2))
    new = build(name, ("a", 10), ("b", 20), ("c", 30))

    async def main():
        run_id = await start(dsn, old)
        async with AsyncEngine(dsn) as engine, Worker(engine, new):
            of_old = await engine.get_handle(run_id).result(timeout=20)
            of_new = await engine.execute(new, execution="distributed")
            return of_old, of_new

    assert run(main) == ({"b": 20}, {"c": 30})


def test_a_step_that_the_newest_code_lacks_waits_for_the_old_code(dsn, look):
    """
    What it still has is done; the rest waits until a worker knows the step.
    """
    name = unique()
    old = build(name, ("a", 1), ("gone", 2))
    new = build(name, ("a", 10), ("c", 30))

    async def main():
        run_id = await start(dsn, old)
        async with AsyncEngine(dsn) as engine, Worker(engine, new):
            await until(lambda: look.value(UNSERVED, run_id), "it to wait")
            with pytest.raises(RunTimeout):
                await engine.get_handle(run_id).result(timeout=0.1)
        look.rows(FAR_AWAY)
        async with AsyncEngine(dsn) as engine, Worker(engine, old):
            return await engine.get_handle(run_id).result(timeout=20)

    assert run(main) == {"gone": 2}


def test_workers_of_two_builds_share_one_queue(dsn):
    """
    During a deployment the runs of both versions end, and on the right shape.
    """
    name = unique()
    old = build(name, ("a", 1), ("b", 2))
    new = build(name, ("a", 1), ("b", 2), ("c", 3))

    async def main():
        async with (
            AsyncEngine(dsn) as first,
            AsyncEngine(dsn) as second,
            Worker(first, old),
            Worker(second, new),
        ):
            handles = [
                await first.start(old, execution="distributed"),
                await second.start(new, execution="distributed"),
            ]
            return [await handle.result(timeout=30) for handle in handles]

    assert run(main) == [{"b": 2}, {"c": 3}]
