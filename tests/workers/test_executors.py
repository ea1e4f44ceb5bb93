"""Where steps run that ask for a place, and what steps are given by name."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import psutil
import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import (
    AsyncEngine,
    Engine,
    InvalidSetting,
    RetryPolicy,
    RunFailed,
    Worker,
)
from workers import flows
from workers.support import eventually

ONCE = RetryPolicy(max_attempts=1)


def execute(dsn, workflow, value=None, **options):
    """Run a workflow on a worker in this process and return its result."""

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, workflow, **options),
        ):
            return await engine.execute(workflow, value, execution="distributed")

    return run(main)


def test_a_step_that_takes_too_long_is_killed_with_its_process(
    start_worker, engine, stage
):
    """
    Its next attempt gets a new process.
    """
    worker = start_worker()

    result = engine.execute(flows.apart, stage.input, execution="distributed")

    assert stage.notes == ["attempt-1", "attempt-2"]
    first, second = stage.pids
    assert result == {"loop_at_first": second}
    assert worker.pid not in {first, second}
    eventually(lambda: not psutil.pid_exists(first), "the first process to be gone")


def test_a_step_that_kills_its_process_is_tried_again(start_worker, engine):
    """
    The worker lives, so that is a failure of the step and no loss.
    """
    start_worker()

    result = engine.execute(flows.suicide, execution="distributed")

    assert result == {"die_at_first": 2}


def test_the_processes_of_a_killed_worker_end_too(start_worker, engine):
    """
    As soon as they have nobody to answer.
    """
    worker = start_worker()
    pid = engine.execute(flows.elsewhere, execution="distributed")["pid"]
    children = psutil.Process(worker.pid).children()
    assert pid in {child.pid for child in children}

    worker.kill()

    eventually(
        lambda: not any(child.is_running() for child in children),
        "the end of its processes",
    )


def test_threads_by_name(dsn):
    """
    A plain function runs in the executor that the worker was given.
    """
    flow = make_workflow()

    @flow.step(executor="mine")
    def where():
        return threading.current_thread().name

    with ThreadPoolExecutor(1, "given") as mine:
        result = execute(dsn, flow, executors={"mine": mine})

    assert result["where"].startswith("given")


def test_processes_by_name(dsn):
    """
    As does one in a pool of processes, that of the standard library.
    """
    flow = make_workflow()
    flow.step(name="pid", executor="pool")(os.getpid)

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        result = execute(dsn, flow, executors={"pool": pool})

    assert result["pid"] != os.getpid()


def test_an_executor_is_not_shut_down(dsn):
    """
    It is the application's.
    """
    flow = make_workflow()
    flow.step(name="pid", executor="mine")(os.getpid)

    with ThreadPoolExecutor(1) as mine:
        execute(dsn, flow, executors={"mine": mine})

        assert mine.submit(int).result(5) == 0


def test_an_executor_that_the_worker_lacks(dsn):
    """
    The attempt fails, and says which one it was.
    """
    flow = make_workflow(retry=ONCE)
    flow.step(name="pid", executor="gpus")(os.getpid)

    with (
        ThreadPoolExecutor(1) as mine,
        pytest.raises(RunFailed, match="this worker has no executor 'gpus'") as caught,
    ):
        execute(dsn, flow, executors={"gpu": mine})

    assert "Did you mean 'gpu'" in str(caught.value)
    assert caught.value.error_type == "singularity_workflow.errors.InvalidSetting"


def test_the_name_of_the_workers_own_processes_is_taken(dsn):
    """
    An executor cannot be called `process`.
    """
    flow = make_workflow()
    flow.step(name="pid")(os.getpid)

    with ThreadPoolExecutor(1) as mine, pytest.raises(InvalidSetting, match="process"):
        execute(dsn, flow, executors={"process": mine})


def test_resources_of_the_worker_go_before_those_of_the_engine(dsn):
    """
    Both are given to steps by the names of their parameters.
    """
    flow = make_workflow()

    @flow.step
    async def use(mine, shared):
        return [mine, shared]

    async def main():
        async with (
            AsyncEngine(dsn, resources={"mine": "engine", "shared": "both"}) as engine,
            Worker(engine, flow, resources={"mine": "worker"}),
        ):
            return await engine.execute(flow, execution="distributed")

    assert run(main) == {"use": ["worker", "both"]}


def test_a_worker_needs_an_asynchronous_engine(dsn):
    """
    A blocking program has the command.
    """
    flow = make_workflow()
    flow.step(name="pid")(os.getpid)

    with Engine(dsn) as engine, pytest.raises(InvalidSetting, match="AsyncEngine"):
        Worker(engine, flow)


def test_a_worker_can_be_stopped_and_started_again(dsn):
    """
    It is another worker then.
    """
    flow = make_workflow()
    flow.step(name="pid")(os.getpid)

    async def main():
        async with AsyncEngine(dsn) as engine:
            worker = Worker(engine, flow)
            results = []
            for _ in range(2):
                async with worker:
                    name = repr(worker)
                    result = await engine.execute(flow, execution="distributed")
                results.append((name, result["pid"]))
            return results, repr(worker)

    results, at_last = run(main)
    assert [pid for _, pid in results] == [os.getpid()] * 2
    assert results[0][0] != results[1][0]
    assert at_last == "<Worker stopped>"


def test_a_step_learns_that_its_run_was_cancelled_elsewhere(dsn, stage, start_worker):
    """
    A coroutine is cancelled in the worker's process.
    """
    start_worker()

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(
                flows.gated, stage.input, execution="distributed"
            )
            await until(lambda: "attempt-1" in stage.notes, "the step to begin")
            await handle.cancel()
            await until(lambda: "stopped" in stage.notes, "the step to be stopped")

    run(main)
