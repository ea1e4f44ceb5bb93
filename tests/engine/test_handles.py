"""Handles: to wait for a run, to look at it, to cancel it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from engine.support import make_workflow, run, single, until, wait_until
from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    Engine,
    RetryPolicy,
    RunCancelled,
    RunFailed,
    RunNotFound,
    RunStatus,
    StateTransitionError,
)

PROGRAMS = Path(__file__).with_name("programs")


async def forever():
    """Wait for something that never happens."""
    await asyncio.Event().wait()


def boom():
    raise ValueError("boom")


def test_start_returns_before_the_run_ends(engine):
    """
    The handle knows the run, whose status can be asked for.
    """
    go = threading.Event()

    def step():
        assert go.wait(20)
        return 1

    handle = engine.start(single(step))

    assert handle.status()[0] == RunStatus.STARTED
    assert str(handle.id) in repr(handle)
    go.set()
    assert handle.result() == {"step": 1}
    assert handle.status()[0] == RunStatus.COMPLETED


def test_a_result_can_be_asked_for_after_the_end(engine):
    """
    And more than once.
    """
    handle = engine.start(single(lambda: 1))
    wait_until(lambda: handle.status()[0] == RunStatus.COMPLETED, "the end")

    assert [handle.result(), handle.result()] == [{"step": 1}] * 2


def test_an_error_can_be_asked_for_after_the_end(engine):
    """
    A failed run raises at each call.
    """
    handle = engine.start(single(boom, max_attempts=1))
    wait_until(lambda: handle.status()[0] == RunStatus.FAILED, "the end")

    for _ in range(2):
        with pytest.raises(RunFailed, match="boom"):
            handle.result()


def test_another_engine_gets_the_result_of_an_ended_run(engine, dsn):
    """
    A handle can be made from the id, as text too.
    """
    done = engine.start(single(lambda: 1))
    done.result()
    failed = engine.start(single(boom, max_attempts=1))
    with pytest.raises(RunFailed):
        failed.result()

    with Engine(dsn) as other:
        assert other.get_handle(str(done.id)).result() == {"step": 1}
        with pytest.raises(RunFailed, match="boom") as caught:
            other.get_handle(failed.id).result()

    assert (caught.value.step, caught.value.attempts) == ("step", 1)
    assert "boom" in caught.value.remote_traceback


def test_another_engine_waits_for_a_run(engine, dsn):
    """
    Until it ends, wherever it runs.
    """
    go = threading.Event()

    def step():
        assert go.wait(20)
        return 1

    handle = engine.start(single(step))

    async def main():
        async with AsyncEngine(dsn) as other:
            waiting = asyncio.create_task(other.get_handle(handle.id).result())
            await other.get_run_status(handle.id)
            assert not waiting.done()
            go.set()
            return await waiting

    assert run(main) == {"step": 1}


def test_an_unknown_run_is_not_found(engine):
    """
    By its result, its status and its cancellation.
    """
    handle = engine.get_handle(uuid.uuid4())

    for call in (handle.result, handle.status, handle.cancel):
        with pytest.raises(RunNotFound, match=str(handle.id)):
            call()


def test_waiting_for_an_unknown_run_disturbs_no_other(dsn):
    """
    Those who wait beside it get what they wait for.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            handles = [await engine.start(single(lambda: 1)) for _ in range(3)]
            calls = [other.get_handle(one.id).result() for one in handles]
            calls.insert(1, other.get_handle(uuid.uuid4()).result())
            return await asyncio.gather(*calls, return_exceptions=True)

    first, unknown, *others = run(main)
    assert isinstance(unknown, RunNotFound)
    assert [first, *others] == [{"step": 1}] * 3


def test_cancelling_stops_a_coroutine(engine):
    """
    The step is cancelled, and the result says why.
    """
    started, stopped = threading.Event(), threading.Event()

    async def step():
        started.set()
        try:
            await forever()
        finally:
            stopped.set()

    handle = engine.start(single(step))
    assert started.wait(20)
    handle.cancel("not needed any more")

    assert stopped.wait(20)
    with pytest.raises(RunCancelled, match="not needed any more") as caught:
        handle.result()
    assert caught.value.reason == "not needed any more"
    status, figures = handle.status()
    assert (status, figures["reason"]) == (RunStatus.CANCELLED, "not needed any more")


def test_cancelling_is_seen_by_a_thread(engine):
    """
    A plain function cannot be stopped, but it can look at `ctx.cancelled`.
    """
    started, seen = threading.Event(), threading.Event()

    def step(ctx):
        started.set()
        wait_until(lambda: ctx.cancelled, "ctx.cancelled")
        seen.set()

    handle = engine.start(single(step))
    assert started.wait(20)
    engine.cancel_workflow_run(handle.id)

    assert seen.wait(20)


def test_what_is_queued_never_starts_after_a_cancellation(dsn):
    """
    With one slot the second run waits, is cancelled, and leaves no trace.
    """
    ran = []

    async def main():
        go = asyncio.Event()

        async def first():
            await go.wait()

        async def second():
            ran.append("second")

        async with AsyncEngine(dsn, concurrency=1) as engine:
            one = await engine.start(single(first))
            two = await engine.start(single(second))
            await two.cancel()
            go.set()
            await one.result()
            await engine.execute(single(lambda: 1))
            with pytest.raises(RunCancelled):
                await two.result(timeout=5)

    run(main)
    assert ran == []


def test_a_run_that_waits_for_a_retry_can_be_cancelled(engine):
    """
    Its timer finds nothing to do.
    """
    flow = single(boom, retry=RetryPolicy(max_attempts=5, delay=3600))
    handle = engine.start(flow)
    wait_until(lambda: handle.status()[1]["waiting_tasks"], "the first failure")
    handle.cancel()

    with pytest.raises(RunCancelled):
        handle.result()


@pytest.mark.parametrize("step", [lambda: 1, boom], ids=["completed", "failed"])
def test_an_ended_run_cannot_be_cancelled(engine, step):
    """
    The error says what it is.
    """
    handle = engine.start(single(step, max_attempts=1))
    wait_until(lambda: handle.status()[1]["ended_at"], "the end")

    with pytest.raises(StateTransitionError, match=r"completed|failed") as caught:
        handle.cancel()
    assert caught.value.run_id == handle.id


def test_a_cancelled_run_cannot_be_cancelled_again(engine):
    """
    It ended with the first cancellation.
    """
    handle = engine.start(single(forever))
    handle.cancel()

    with pytest.raises(StateTransitionError, match="cancelled"):
        handle.cancel()


def test_a_cancellation_from_elsewhere_is_told(dsn):
    """
    Whoever waits in the process that runs it is told, and its step is stopped.
    """
    stopped, ids = threading.Event(), []

    async def step(ctx):
        ids.append(ctx.run_id)
        try:
            await forever()
        finally:
            stopped.set()

    async def main():
        async with AsyncEngine(dsn, lease=1) as engine, AsyncEngine(dsn) as other:
            call = asyncio.create_task(engine.execute(single(step)))
            run_id = await until(lambda: ids and ids[0], "the step to start")
            await other.cancel_workflow_run(run_id, reason="from elsewhere")
            with pytest.raises(RunCancelled, match="from elsewhere"):
                await call

    run(main)
    assert stopped.wait(20)


def test_cancelling_the_call_cancels_the_run(dsn):
    """
    Whoever gives up on `execute` does not leave a run behind.
    """

    async def main():
        started, stopped = asyncio.Event(), asyncio.Event()
        ids = []

        async def step(ctx):
            ids.append(ctx.run_id)
            started.set()
            try:
                await forever()
            finally:
                stopped.set()

        async with AsyncEngine(dsn) as engine:
            call = asyncio.create_task(engine.execute(single(step)))
            await started.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await stopped.wait()
            return await engine.get_run_status(ids[0])

    status, figures = run(main)
    assert status == RunStatus.CANCELLED
    assert "execute was cancelled" in figures["reason"]


def test_a_limit_on_the_call_cancels_the_run(dsn):
    """
    `asyncio.timeout` around `execute` is a cancellation like others.
    """

    async def main():
        flow = single(forever)
        async with AsyncEngine(dsn) as engine:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await engine.execute(flow)
            (info,) = await engine.list_workflow_runs(workflow=flow.name)
            return info.status

    assert run(main) == RunStatus.CANCELLED


def test_a_call_that_is_cancelled_at_once_leaves_no_run(dsn):
    """
    Even one whose start is under way.
    """

    async def main():
        flow = single(forever)
        async with AsyncEngine(dsn) as engine:
            await engine.register(flow)
            for steps in range(6):
                call = asyncio.create_task(engine.execute(flow))
                for _ in range(steps):
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            page = await engine.list_workflow_runs(workflow=flow.name)
            return {one.status for one in page}

    assert run(main) <= {RunStatus.CANCELLED}


def test_cancelling_the_wait_of_a_handle_leaves_the_run(dsn):
    """
    `result` only waits.
    """

    async def main():
        go = asyncio.Event()

        async def step():
            await go.wait()
            return 1

        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(step))
            waiting = asyncio.create_task(handle.result())
            await asyncio.sleep(0)
            waiting.cancel()
            go.set()
            return await handle.result()

    assert run(main) == {"step": 1}


def test_runs_that_start_are_not_disturbed_by_cancellations(dsn):
    """
    While some runs are cancelled, others that are just being started are not missed.
    """

    async def main():
        flow = single(lambda: 1)
        hanging = single(forever)
        async with AsyncEngine(dsn) as engine:

            async def cancel():
                handle = await engine.start(hanging)
                waiting = asyncio.create_task(handle.result())
                await asyncio.sleep(0)
                await handle.cancel()
                with pytest.raises(RunCancelled):
                    await waiting

            async def calls():
                for _ in range(20):
                    assert await engine.execute(flow) == {"step": 1}

            await asyncio.gather(
                *(calls() for _ in range(4)), *(cancel() for _ in range(40))
            )

    run(main)


def test_closing_the_engine_ends_the_wait(dsn):
    """
    Whoever waits is told that nobody will answer, and that the run is durable.
    """

    async def main():
        started = asyncio.Event()

        async def step():
            started.set()
            await forever()

        engine = await AsyncEngine(dsn).connect()
        calls = [asyncio.create_task(engine.execute(single(step)))]
        handle = await engine.start(single(forever))
        calls.append(asyncio.create_task(handle.result()))
        await started.wait()
        await until(lambda: str(handle.id) in engine._session.waiters, "the wait")
        await engine.close()
        return await asyncio.gather(*calls, return_exceptions=True)

    for error in run(main):
        assert isinstance(error, ConfigurationError)
        assert "closed" in error.message
        assert "recover" in error.hint


def test_an_interrupt_cancels_the_run_of_a_blocking_call(dsn, sql):
    """
    Ctrl-C in `Engine.execute`: the program ends soon, and its run is cancelled.
    """
    program = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "blocking.py"), dsn],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run_id = program.stdout.readline().strip()
    pressed = time.monotonic()
    os.kill(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=20)

    assert time.monotonic() - pressed < 10
    assert "KeyboardInterrupt" in errors
    assert program.returncode not in (0, None)
    assert (
        sql.value(
            "select r.status from singularity_workflow.runs r where r.run_id = %s",
            run_id,
        )
        == "cancelled"
    )


def test_steps_of_other_runs_survive_a_cancellation(engine):
    """
    Only the tasks of the run itself are stopped.
    """
    go = threading.Event()

    def step():
        assert go.wait(20)
        return 1

    flow = make_workflow()
    flow.step(name="step")(step)
    kept, dropped = engine.start(flow), engine.start(flow)
    dropped.cancel()
    go.set()

    assert kept.result() == {"step": 1}
