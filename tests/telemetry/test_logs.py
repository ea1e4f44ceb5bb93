"""Log records: what becomes of runs and tasks is said once, with the same fields."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
import subprocess
import sys
import threading

import pytest
from engine.support import Sql, fail, make_workflow, single, wait_until

import singularity_workflow.logging
from singularity_workflow import AsyncEngine, Engine, RetryPolicy
from singularity_workflow.logging import TaskFields
from telemetry import traced
from telemetry.support import traced_worker

LIBRARY = "singularity_workflow"
APP = logging.getLogger("app.steps")


@pytest.fixture
def said(caplog):
    """Return the records of the library that contain some text, from DEBUG on."""
    caplog.set_level(logging.DEBUG, logger=LIBRARY)

    def find(text):
        return [
            one
            for one in caplog.records
            if one.name.startswith(LIBRARY) and text in one.getMessage()
        ]

    return find


@pytest.fixture
def plain(dsn):
    """An engine that is not traced."""
    with Engine(dsn) as found:
        yield found


def test_start_and_end_of_a_run_are_told(plain, said):
    """
    At INFO, with run, workflow and how long it took.
    """
    flow = single(lambda: 1)

    handle = plain.start(flow)
    handle.result()

    (start,), (end,) = said("started"), said("run completed")
    assert (start.levelname, end.levelname) == ("INFO", "INFO")
    assert {start.run_id, end.run_id} == {str(handle.id)}
    assert {start.workflow, end.workflow} == {flow.name}
    assert end.duration_ms > 0


def test_a_start_that_is_repeated_is_told_once(plain, said):
    """
    The second with the same key starts nothing.
    """
    flow = single(lambda: 1)
    for _ in range(2):
        plain.execute(flow, idempotency_key="k")

    assert len(said(f"run of {flow.name} started")) == 1


def test_each_attempt_is_told_at_debug(plain, said):
    """
    Its begin and its end, with all that names it.
    """
    flow = make_workflow()
    flow.map(name="each")(lambda item: item)

    handle = plain.start(flow, [1, 2])
    handle.result()

    begins, ends = said("attempt begins"), said("attempt completed")
    assert {one.levelname for one in (*begins, *ends)} == {"DEBUG"}
    assert sorted(one.task_index for one in ends) == [0, 1]
    for one in (*begins, *ends):
        assert (one.run_id, one.workflow) == (str(handle.id), flow.name)
        assert (one.step, one.attempt, one.message_type) == ("each", 1, "task")
        assert one.queue == f"local:{one.worker_id}"
    assert all(one.duration_ms >= 0 for one in ends)


def test_a_retry_is_a_warning_and_the_last_failure_an_error(plain, said):
    """
    And so is the run that failed by it.
    """

    def step():
        raise ValueError("no luck\nat all")

    flow = single(step, retry=RetryPolicy(max_attempts=2, delay=0))
    error = fail(plain, flow)

    (again,), (last,) = said("is repeated"), said("for good")
    (end,) = said("run failed")
    assert [one.levelname for one in (again, last, end)] == [
        "WARNING",
        "ERROR",
        "ERROR",
    ]
    assert [one.attempt for one in (again, last)] == [1, 2]
    assert {one.run_id for one in (again, last, end)} == {str(error.run_id)}
    for one in (again, last):
        assert (one.queue, one.message_type) == (f"local:{one.worker_id}", "task")
        assert one.duration_ms >= 0
    assert end.getMessage() == "run failed at step 'step': ValueError: no luck"


@pytest.mark.parametrize("what", ["pause", "resume", "cancel"])
def test_what_is_done_to_a_run_is_told(plain, said, what):
    """
    Once, by the process that did it; what changes nothing is not told.
    """
    handle = plain.start(single(lambda: 1, queue="nobodys"), execution="distributed")
    if what == "resume":
        handle.pause()
    for _ in range(2 if what != "cancel" else 1):
        getattr(handle, what)()

    (record,) = said(
        {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}[what]
    )
    assert (record.levelname, record.run_id) == ("INFO", str(handle.id))


def test_a_lost_worker_is_a_warning(dsn, plain, said):
    """
    With its id.
    """
    plain.execute(single(lambda: 1))
    worker_id = Sql(dsn).value(
        "insert into singularity_workflow.workers (worker_id, host, pid, version, "
        "queues, workflows, concurrency, lease, heartbeat_at) values "
        "(gen_random_uuid(), 'h', 1, '0', '{}', '{}', 1, '1 s', now() - interval '1 h')"
        "returning worker_id::text"
    )

    (record,) = wait_until(lambda: said("is lost"), "the loss to be told")

    assert (record.levelname, record.worker_id) == ("WARNING", worker_id)


def test_a_late_result_is_told(plain, said):
    """
    With the attempt whose result it was.
    """
    release, started = threading.Event(), threading.Event()

    def step():
        started.set()
        release.wait(20)

    handle = plain.start(single(step, max_attempts=1))
    assert started.wait(20)
    handle.cancel("enough")
    release.set()

    (stop,) = wait_until(lambda: said("not ours any more"), "the stop")
    assert (stop.run_id, stop.step, stop.attempt) == (str(handle.id), "step", 1)


def test_records_of_a_step_tell_which_task_they_are_of(plain):
    """
    In coroutines and threads, by whatever logger.
    """
    output = io.StringIO()
    flow = make_workflow()

    @flow.step
    async def coroutine():
        await asyncio.sleep(0)
        APP.info("hello")

    @flow.step
    def thread(coroutine):
        APP.info("hello", extra={"step": "my own"})

    singularity_workflow.logging.configure(json=True, stream=output)
    handle = plain.start(flow)
    handle.result()
    APP.info("outside")

    first, second, outside = (
        one
        for one in map(json.loads, output.getvalue().splitlines())
        if one["logger"] == "app.steps"
    )
    assert first["run_id"] == second["run_id"] == str(handle.id)
    assert (first["step"], second["step"]) == ("coroutine", "my own")
    assert (first["attempt"], first["workflow"]) == (1, flow.name)
    assert first["worker_id"] == second["worker_id"]
    assert "run_id" not in outside


def test_records_in_a_process_tell_it_too(plain):
    """
    A step with `executor="process"` is marked there.
    """
    flow = make_workflow()
    flow.step(name="far", executor="process")(traced.fields_here)

    handle = plain.start(flow)
    found = handle.result()["far"]

    assert (found["run_id"], found["step"]) == (str(handle.id), "far")
    assert found["attempt"] == 1


def test_without_logging_a_failure_is_for_its_caller(dsn):
    """
    Nothing of it reaches standard error.
    """
    program = (
        "import sys\n"
        "from singularity_workflow import Engine, RunFailed, Workflow\n"
        "flow = Workflow('flow', max_attempts=1)\n"
        "flow.step(name='step')(lambda: 1 / 0)\n"
        "with Engine(sys.argv[1]) as engine:\n"
        "    try:\n"
        "        engine.execute(flow)\n"
        "    except RunFailed:\n"
        "        print('failed')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, dsn],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("failed\n", "")


def test_the_worker_logs_json(dsn, engine, tmp_path):
    """
    With `--log-json`, each line is an object, of the library or not.
    """
    spans_file = tmp_path / "spans"
    with traced_worker(dsn, spans_file) as worker:
        handle = engine.start(traced.far, execution="distributed")
        handle.result(timeout=60)
        worker.send_signal(signal.SIGTERM)
        _, text = worker.communicate(timeout=30)

    lines = [json.loads(line) for line in text.splitlines()]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert any("serves" in one["message"] for one in lines)
    (end,) = [one for one in lines if one["message"] == "run completed"]
    assert (end["run_id"], end["workflow"]) == (str(handle.id), "far")
    assert lines[-1]["message"].endswith("has ended")


def test_what_a_listener_of_a_step_does_is_not_marked_as_the_step(dsn, said, caplog):
    """
    It reads for all listeners of the queue, and long after the step has ended.
    """
    caplog.handler.addFilter(marks := TaskFields())

    async def main():
        async with AsyncEngine(dsn) as engine:

            async def step():
                await engine.notifications.listen("news")

            await engine.execute(single(step))
            Sql(dsn).value("select pgmq.drop_queue('news')")
            async with asyncio.timeout(30):
                while not said("was dropped"):
                    await asyncio.sleep(0.05)

    try:
        asyncio.run(main())
    finally:
        caplog.handler.removeFilter(marks)

    (record,) = said("was dropped")
    assert record.queue == "news"
    assert not hasattr(record, "step")
