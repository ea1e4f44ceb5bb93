"""Cancellation reaches running code, on whichever worker, within a second."""

from __future__ import annotations

import time

import psutil
import pytest

from singularity_workflow import Engine, RunCancelled, RunStatus
from workers import flows
from workers.pooler import pooled
from workers.support import eventually

WITHIN = 1.0
"""Seconds that are promised; what is beyond is for a machine that is busy."""

SLACK = 1.5
LEASE = 15.0
"""As it is if nothing is said: three heartbeats of it would come much too late."""

PLACES = ("coroutine", "thread", "process")


@pytest.fixture(params=["direct", "pooled"])
def address(request, dsn):
    """The database, also by way of a pooler that lets no notification through."""
    if request.param == "direct":
        yield dsn
        return
    with pooled(dsn) as found:
        yield found


def begin(engine, stage, flow, **options):
    """Start a run, and return it when its steps run, with the pid of its process."""
    handle = engine.start(flow, stage.input, execution="distributed", **options)
    for place in PLACES:
        stage.await_note(f"{place}-began")
    pids = dict(zip(stage.notes, stage.pids, strict=True))
    return handle, pids["process-began"]


def has_stopped(stage, pid):
    """Tell whether the coroutine, the thread and the process have ended."""
    is_there = {"coroutine-stopped", "thread-stopped"} <= set(stage.notes)
    return is_there and not is_alive(pid)


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stopped_after(stage, pid, since):
    """Wait until all has stopped, and return how long it took."""
    eventually(lambda: has_stopped(stage, pid), "everything to stop")
    return time.monotonic() - since


@pytest.mark.parametrize("flow", [flows.stoppable, flows.calling], ids=["run", "child"])
def test_a_cancelled_run_stops_on_another_worker(address, start_worker, stage, flow):
    """
    Coroutines are cancelled, threads see it, processes are ended; of children too.
    """
    worker = start_worker(dsn=address, lease=LEASE)
    with Engine(address) as engine:
        handle, pid = begin(engine, stage, flow)
        assert pid != worker.pid

        since = time.monotonic()
        handle.cancel("enough")

        assert stopped_after(stage, pid, since) < WITHIN + SLACK
        with pytest.raises(RunCancelled, match="enough"):
            handle.result()
    assert "Traceback" not in worker.log


@pytest.mark.parametrize("flow", [flows.stoppable, flows.calling], ids=["run", "child"])
def test_a_run_whose_deadline_passes_stops(address, start_worker, stage, flow):
    """
    Within about a second of it, whoever notices; and its children with it.
    """
    start_worker(dsn=address, lease=LEASE)
    start_worker("chain", dsn=address, lease=LEASE)
    with Engine(address) as engine:
        engine.execute(flows.chain, stage.input, execution="distributed")
        began = time.monotonic()
        _, pid = begin(engine, stage, flow, timeout=3)
        deadline = began + 3

        assert stopped_after(stage, pid, deadline) < 1 + WITHIN + SLACK


def test_a_run_that_is_cancelled_by_sql_stops(dsn, start_worker, stage, look):
    """
    Nobody tells of it: the next heartbeat does, of which there are three a lease.
    """
    start_worker(lease=1)
    with Engine(dsn) as engine:
        handle, pid = begin(engine, stage, flows.stoppable)
        since = time.monotonic()

        look.value(
            "select singularity_workflow.cancel_runs(array[%s]::uuid[])", str(handle.id)
        )

        assert stopped_after(stage, pid, since) < WITHIN + SLACK


def test_a_local_run_that_another_process_cancels(address, stage):
    """
    Who waits for it is told as soon.
    """
    with Engine(address) as engine, Engine(address) as other:
        handle = engine.start(flows.stoppable, stage.input)
        for place in PLACES:
            stage.await_note(f"{place}-began")
        pid = dict(zip(stage.notes, stage.pids, strict=True))["process-began"]
        since = time.monotonic()

        other.cancel_workflow_run(handle.id)

        assert stopped_after(stage, pid, since) < WITHIN + SLACK
        with pytest.raises(RunCancelled):
            handle.result(10)
        assert time.monotonic() - since < WITHIN + 2 * SLACK


def test_a_local_run_that_waits_and_is_cancelled(address):
    """
    Nothing of it runs, so no heartbeat tells: who waits looks himself.
    """
    waiting = flows.Workflow("waiting")
    waiting.step(name="later", start_delay=3600)(lambda: 1)
    with Engine(address) as engine, Engine(address) as other:
        handle = engine.start(waiting)
        since = time.monotonic()

        other.cancel_workflow_run(handle.id)

        with pytest.raises(RunCancelled):
            handle.result(10)
        assert time.monotonic() - since < WITHIN + 2 * SLACK


def test_a_failing_sibling_stops_what_runs_elsewhere(address, start_worker, stage):
    """
    The run fails on one worker; what runs on the other stops.
    """
    start_worker("WORKFLOWS", "--concurrency", "2", dsn=address, lease=LEASE)
    start_worker("WORKFLOWS", "--concurrency", "2", dsn=address, lease=LEASE)
    with Engine(address) as engine:
        handle, pid = begin(engine, stage, flows.stoppable)
        psutil.Process(pid).kill()
        since = time.monotonic()

        assert stopped_after(stage, pid, since) < WITHIN + SLACK
        assert handle.status()[0] is RunStatus.FAILED
