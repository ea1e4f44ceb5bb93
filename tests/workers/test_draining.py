"""Workers that are asked to drain: they finish what they have, and end (R 194)."""

from __future__ import annotations

import asyncio

import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import AsyncEngine, InvalidSetting, Worker
from workers import flows
from workers.support import LEASE, eventually

ASKED = "was asked to drain"


def test_it_finishes_what_it_has_and_ends(engine, start_worker, stage, look):
    """
    What is queued is left to others; nothing is given back, and the exit code is 0.
    """
    worker = start_worker()
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    asked = engine.drain_workers(worker.worker_ids)
    worker.await_log(ASKED)
    late = engine.start(flows.quick, stage.input, execution="distributed")
    stage.open()

    assert worker.ended() == 0
    assert [str(one) for one in asked] == worker.worker_ids
    assert handle.result(timeout=10) == {"gate": "passed"}
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]
    assert look.tasks(late.id) == [("queued", 0, 0, 0)]
    ((_, _, stopped_at, lost_at),) = look.workers()
    assert stopped_at is not None
    assert lost_at is None


def test_what_follows_from_its_last_task_goes_to_another(
    engine, start_worker, stage, look
):
    """
    Nothing is handed over to it any more.
    """
    old = start_worker()
    handle = engine.start(flows.passing, stage.input, execution="distributed")
    stage.await_note("gated")
    engine.drain_workers(old.worker_ids)
    old.await_log(ASKED)
    new = start_worker()

    stage.open()

    assert handle.result(timeout=20) == {"after": 2}
    assert old.ended() == 0
    assert stage.pids == [old.pid, new.pid]


def test_a_supervisor_does_not_replace_it(engine, start_command, stage, look):
    """
    With the last of its processes it ends, too.
    """
    supervisor = start_command("WORKFLOWS", "--processes", "2")
    eventually(lambda: len(look.workers()) == 2, "two workers")
    (first, first_pid, _, _), (second, second_pid, _, _) = look.workers()

    engine.drain_workers([first])
    supervisor.await_log(f"process {first_pid} ended as it was asked to")
    result = engine.execute(flows.quick, stage.input, execution="distributed")
    engine.drain_workers([second])

    assert supervisor.ended() == 0
    assert result == {"answer": 42}
    assert stage.pids == [second_pid]
    assert len(look.workers()) == 2


def test_a_worker_of_a_program_takes_nothing_more(dsn, look):
    """
    It goes on with what it has until the program closes it, as `run` does.
    """
    flow = make_workflow()
    begun, go = asyncio.Event(), asyncio.Event()

    @flow.step
    async def hold():
        begun.set()
        await go.wait()
        return 1

    async def main():
        async with AsyncEngine(dsn, lease=LEASE) as engine, AsyncEngine(dsn) as other:
            worker = Worker(engine, flow)
            working = asyncio.create_task(worker.run(grace=20))
            first = await other.start(flow, execution="distributed")
            await begun.wait()
            await other.drain_workers([_id_of(worker)])
            await until(worker._must_stop.is_set, "it to learn of it")
            late = await other.start(flow, execution="distributed")
            go.set()
            await working
            return await first.result(timeout=10), look.status(late.id), late.id

    result, _, late = run(main)
    assert result == {"hold": 1}
    assert look.tasks(late) == [("queued", 0, 0, 0)]


def test_an_engine_goes_on_with_its_local_runs(dsn, look):
    """
    Nobody else would run them; it only adopts no more of others.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)

    async def main():
        async with AsyncEngine(dsn, lease=LEASE) as engine:
            await engine.execute(flow)
            worker = engine.session._worker
            asked = await engine.drain_workers([worker.worker_id])
            await until(lambda: worker._is_draining, "it to learn of it")
            assert asked == [worker.worker_id]
            return await engine.execute(flow)

    assert run(main) == {"step": 1}


@pytest.mark.parametrize("ids", [["no id"], "no id", None, [7]])
def test_what_is_no_id_is_refused(engine, ids):
    """
    Before anybody is asked.
    """
    with pytest.raises(InvalidSetting):
        engine.drain_workers(ids)


def _id_of(worker):
    return worker._worker.worker_id
