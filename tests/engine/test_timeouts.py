"""Time-outs: of one attempt, of a whole run, and of the wait for it."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from engine.support import fail, make_workflow, run, single, until, wait_until
from singularity_workflow import (
    AsyncEngine,
    Engine,
    RetryPolicy,
    RunStatus,
    RunTimeout,
)
from singularity_workflow.worker import dispatcher, queue_view

SHORT = 0.05


async def forever():
    """Wait for something that never happens."""
    await asyncio.Event().wait()


def test_a_coroutine_is_cancelled_when_its_time_is_up(engine):
    """
    The attempt fails with a `StepTimeout` that says how long it had.
    """
    cancelled = threading.Event()

    async def step():
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    error = fail(engine, single(step, timeout=SHORT, max_attempts=1))

    assert cancelled.is_set()
    assert error.error_type == "singularity_workflow.errors.StepTimeout"
    assert "0.05 s" in error.message


def test_the_timeout_is_of_each_attempt(engine):
    """
    A time-out retries like other errors, and the next attempt has all the time.
    """

    async def step(ctx):
        if ctx.attempt < 3:
            await forever()
        return ctx.attempt

    flow = single(step, timeout=SHORT, retry=RetryPolicy(max_attempts=3, delay=0))
    assert engine.execute(flow) == {"step": 3}


def test_a_step_within_its_time_is_left_alone(engine):
    """
    A limit that is not reached changes nothing.
    """
    assert engine.execute(single(lambda ctx: ctx.timeout.seconds, timeout=60)) == {
        "step": 60
    }


def test_the_workflow_gives_its_steps_a_timeout(engine):
    """
    A step without one of its own has that of its workflow.
    """
    flow = make_workflow(timeout=SHORT, max_attempts=1)
    flow.step(name="step")(forever)

    assert fail(engine, flow).error_type.endswith("StepTimeout")


def test_a_thread_is_abandoned_and_the_log_says_so(engine, caplog):
    """
    A thread cannot be stopped: the task fails, and the function sees it in `ctx`.
    """
    seen = threading.Event()

    def step(ctx):
        wait_until(lambda: ctx.cancelled, "ctx.cancelled")
        seen.set()
        return "too late"

    with caplog.at_level(logging.WARNING, logger="singularity_workflow"):
        error = fail(engine, single(step, timeout=SHORT, max_attempts=1))

    assert error.error_type.endswith("StepTimeout")
    assert any("abandoned" in record.getMessage() for record in caplog.records)
    assert seen.wait(10)


def test_an_abandoned_thread_holds_no_slot(dsn):
    """
    With one slot the next run still gets its turn.
    """
    release = threading.Event()

    def hang():
        release.wait(30)

    with Engine(dsn, concurrency=1) as engine:
        fail(engine, single(hang, timeout=SHORT, max_attempts=1))

        assert engine.execute(single(lambda: "next")) == {"step": "next"}
        release.set()


def test_a_coroutine_that_swallows_its_cancellation_is_abandoned(dsn, caplog):
    """
    It gets a second of grace; then the task fails and the log says why.
    """

    async def main():
        release = asyncio.Event()

        async def stubborn():
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return "too late"

        async with AsyncEngine(dsn, concurrency=1) as engine:
            flow = single(stubborn, timeout=SHORT, max_attempts=1)
            handle = await engine.start(flow)
            with pytest.raises(Exception, match="StepTimeout"):
                await handle.result()
            other = await engine.execute(single(lambda: "next"))
            release.set()
            return other, (await handle.status())[0]

    with caplog.at_level(logging.WARNING, logger="singularity_workflow"):
        assert run(main) == ({"step": "next"}, RunStatus.FAILED)
    assert any("ignores its cancellation" in one.getMessage() for one in caplog.records)


def test_a_stubborn_coroutine_does_not_keep_the_blocking_engine(dsn):
    """
    `close` waits for it a moment only.
    """
    release = threading.Event()
    started = threading.Event()

    async def stubborn():
        started.set()
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    engine = Engine(dsn).connect()
    engine.start(single(stubborn))
    assert started.wait(20)
    closing = threading.Thread(target=engine.close, daemon=True)
    closing.start()
    closing.join(timeout=15)

    assert not closing.is_alive()
    release.set()


def test_a_run_that_takes_too_long_is_cancelled(engine, sql):
    """
    `timeout` is the run's deadline: it ends as cancelled, with that reason.
    """
    cancelled = threading.Event()

    async def step():
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(RunTimeout, match="deadline") as caught:
        engine.execute(single(step), timeout=0.1)

    status, figures = engine.get_run_status(caught.value.run_id)
    assert (status, figures["reason"]) == (RunStatus.CANCELLED, "deadline")
    assert cancelled.wait(10)
    assert isinstance(caught.value, TimeoutError)


def test_the_workflow_may_have_a_deadline(engine):
    """
    A run without a `timeout` has its workflow's `deadline`.
    """
    flow = make_workflow(deadline=0.1)
    flow.step(name="step")(forever)

    with pytest.raises(RunTimeout):
        engine.execute(flow)


def test_a_deadline_that_is_kept_changes_nothing(engine):
    """
    The timer of a run that ended in time finds nothing to do.
    """
    assert engine.execute(single(lambda: 1), timeout=60) == {"step": 1}


def test_the_deadline_holds_while_a_task_waits_for_its_retry(engine):
    """
    Nothing need be running when the time is up.
    """

    async def step():
        raise ValueError

    flow = single(step, retry=RetryPolicy(max_attempts=9, delay=3600))

    with pytest.raises(RunTimeout):
        engine.execute(flow, timeout=0.1)


def test_the_wait_for_a_result_may_have_a_limit(engine):
    """
    `result(timeout)` only stops waiting; the run goes on.
    """
    go = threading.Event()

    def step():
        assert go.wait(20)
        return 1

    handle = engine.start(single(step))

    with pytest.raises(RunTimeout, match=r"has not ended within 0\.05 s"):
        handle.result(timeout=SHORT)
    assert handle.status()[0] == RunStatus.STARTED
    go.set()
    assert handle.result(timeout=20) == {"step": 1}


def test_deadlines_that_another_process_enforced_are_told(dsn, sql):
    """
    Whoever fires the timer first, the caller of `execute` learns of it.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            await other.execute(single(lambda: 1))  # now it fires timers too
            session = engine._session
            await engine.execute(single(lambda: 1))
            await session._worker.ticker.close()
            with pytest.raises(RunTimeout):
                await engine.execute(single(forever), timeout=0.1)

    run(main)


def test_retries_that_another_process_fired_are_taken_up_under_load(dsn, monkeypatch):
    """
    Without a hint the queue is looked at now and then, however busy the engine is.
    """
    monkeypatch.setattr(dispatcher, "IDLE_POLL", 0.3)
    monkeypatch.setattr(queue_view, "IDLE_POLL", 0.3)

    async def main():
        done = asyncio.Event()

        async def busy(ctx):
            await asyncio.sleep(0)

        flow = make_workflow()
        flow.step(name="s0")(busy)
        for number in range(1, 20):
            flow.step(name=f"s{number}", depends_on=f"s{number - 1}")(busy)

        async def keep_busy(engine):
            while not done.is_set():
                await engine.execute(flow)

        async def step(ctx):
            if ctx.attempt == 1:
                raise ValueError
            return ctx.attempt

        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            await other.execute(single(lambda: 1))  # now it fires timers too
            load = asyncio.create_task(keep_busy(engine))
            await until(lambda: engine._session._worker, "the worker of the engine")
            await engine._session._worker.ticker.close()
            await engine._session.hub.close()
            retry = RetryPolicy(max_attempts=2, delay=0.1)
            result = await engine.execute(single(step, retry=retry))
            done.set()
            await load
            return result

    assert run(main) == {"step": 2}
