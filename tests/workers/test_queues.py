"""Tasks wait in queues, and workers serve some of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import AsyncEngine, RunFailed, RunTimeout, Worker
from workers import flows


def test_each_worker_gets_what_it_serves(start_worker, engine, stage):
    """
    A step with a queue of its own runs where that is served, and what follows from a
    task is not handed over to a worker that does not serve it (S11).
    """
    usual = start_worker("mixed", "--queues", "default")
    special = start_worker("mixed", "--queues", "gpu")

    results = [
        engine.execute(flows.mixed, stage.input, execution="distributed")["train"]
        for _ in range(3)
    ]

    assert results == [[usual.pid, special.pid]] * 3


def test_a_worker_serves_the_queues_of_its_workflows(start_worker, engine, stage, look):
    """
    Unless it is told otherwise.
    """
    worker = start_worker("mixed")

    result = engine.execute(flows.mixed, stage.input, execution="distributed")

    assert result == {"train": [worker.pid, worker.pid]}
    (queues,) = look.rows("select queues from singularity_workflow.workers")
    assert sorted(queues) == ["default", "gpu"]


def test_a_queue_that_nobody_serves_keeps_its_tasks(start_worker, engine, stage, look):
    """
    Until somebody comes who does.
    """
    usual = start_worker("mixed", "--queues", "default")
    handle = engine.start(flows.mixed, stage.input, execution="distributed")
    with pytest.raises(RunTimeout):
        handle.result(timeout=1)
    assert look.tasks(handle.id) == [("completed", 1, 0, 0), ("queued", 0, 0, 0)]

    special = start_worker("mixed", "--queues", "gpu")

    assert handle.result(timeout=20) == {"train": [usual.pid, special.pid]}


def test_names_of_queues_are_lower_case(dsn):
    """
    However they are written.
    """
    flow = make_workflow(queue="Upper")

    @flow.step
    async def step():
        return 1

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow, "UPPER"):
            return await engine.execute(flow, execution="distributed")

    assert run(main) == {"step": 1}


def test_a_task_that_waits_in_its_queue_for_too_long_fails(dsn, look, clock):
    """
    Any worker notices, even if it does not serve that queue.
    """
    slow = make_workflow()

    @slow.step(queue="nobody", queue_timeout=timedelta(minutes=5), max_attempts=1)
    async def step():
        return 1

    other = make_workflow()
    other.step(name="step")(lambda: 1)

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, other):
            handle = await engine.start(slow, execution="distributed")
            clock.advance(minutes=5, seconds=1)
            with pytest.raises(RunFailed, match="longer than allowed") as caught:
                await handle.result(timeout=20)
            return handle.id, caught.value

    run_id, error = run(main)
    assert error.error_type == "singularity_workflow.errors.QueueTimeout"
    assert look.tasks(run_id) == [("failed", 1, 1, 0)]


def test_a_task_that_was_claimed_in_time_may_take_its_time(dsn, look, clock):
    """
    The limit is on the wait, not on the work.
    """
    flow = make_workflow()
    timers = "select count(*) from singularity_workflow.timers"

    @flow.step(queue_timeout=60)
    async def step():
        clock.advance(seconds=120)
        await until(lambda: not look.value(timers), "the timer to be fired")
        return 1

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            return await engine.execute(flow, execution="distributed")

    assert run(main) == {"step": 1}


def test_the_deadline_of_a_run_holds_in_other_processes(
    start_worker, engine, stage, look
):
    """
    The step is stopped there, and the waiter told.
    """
    start_worker()

    with pytest.raises(RunTimeout):
        engine.execute(flows.gated, stage.input, timeout=0.5, execution="distributed")

    stage.await_note("stopped")
    assert look.rows("select status::text, reason from singularity_workflow.runs") == [
        ("cancelled", "deadline")
    ]


def test_urgent_runs_are_claimed_first(dsn):
    """
    Of what waits, the smallest key goes next.
    """
    flow = make_workflow()
    order = []

    @flow.step
    async def step(run_input):
        order.append(run_input)

    async def main():
        async with AsyncEngine(dsn) as engine:
            handles = [
                await engine.start(
                    flow, priority, priority=priority, execution="distributed"
                )
                for priority in (0, -1, 5, 1)
            ]
            async with Worker(engine, flow, concurrency=1):
                for handle in handles:
                    await handle.result(timeout=20)

    run(main)
    assert order == [5, 1, 0, -1]
