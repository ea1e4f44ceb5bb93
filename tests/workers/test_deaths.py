"""Workers die, sleep and come back: nothing is lost, nothing is done for the dead."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime

import pytest

from singularity_workflow import Engine, RunFailed
from workers import flows
from workers.support import LEASE, RECOVERY, eventually


@pytest.fixture
def victim(start_worker, engine, stage):
    """A worker with a task, and the run of the task."""
    worker = start_worker()
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")
    return worker, handle


def test_the_tasks_of_a_killed_worker_are_queued_again(
    victim, start_worker, stage, look
):
    """
    Within its lease and two seconds; that is a loss and no failure (P 183).
    """
    worker, handle = victim
    start_worker()
    died_at = datetime.now(UTC)

    worker.kill()

    stage.await_note("attempt-2")
    assert look.tasks(handle.id) == [("started", 2, 0, 1)]
    lost_at = look.workers()[0][3]
    assert (lost_at - died_at).total_seconds() <= LEASE + RECOVERY
    stage.open()
    assert handle.result(timeout=20) == {"gate": "passed"}


def test_whoever_comes_next_recovers(victim, start_worker, stage):
    """
    There need not be another worker at the time of the death.
    """
    worker, handle = victim
    worker.kill()
    stage.open()

    start_worker()

    assert handle.result(timeout=20) == {"gate": "passed"}
    assert stage.notes.count("passed") == 1


def test_a_worker_that_lives_keeps_its_task(victim, start_worker, stage, look):
    """
    However long the step lasts (P 182, U 223).
    """
    _, handle = victim
    start_worker()
    beats = "select count(*) from beats"
    look.rows("create table beats ()")
    look.rows(
        "create function note_beat() returns trigger language plpgsql as "
        "'begin insert into public.beats default values; return null; end'"
    )
    look.rows(
        "create trigger note_beat after update on singularity_workflow.workers "
        "for each row execute function note_beat()"
    )

    eventually(lambda: look.value(beats) >= 15, "both workers beat through two leases")
    stage.open()

    assert handle.result(timeout=20) == {"gate": "passed"}
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]


def test_a_zombie_changes_nothing(victim, start_worker, stage, look):
    """
    What it brings after its task was given away is refused (P 183, F4).
    """
    worker, handle = victim
    worker.send(signal.SIGSTOP)
    other = start_worker()
    stage.await_note("attempt-2")
    stage.open()
    assert handle.result(timeout=20) == {"gate": "passed"}

    worker.send(signal.SIGCONT)

    worker.await_log("goes on as")
    assert look.tasks(handle.id) == [("completed", 2, 0, 1)]
    assert look.task(handle.id, "worker_id::text") == other.worker_ids[0]


def test_a_worker_that_was_declared_lost_goes_on_under_a_new_id(
    victim, start_worker, engine, stage, look
):
    """
    And works as before (S2).
    """
    worker, handle = victim
    worker.send(signal.SIGSTOP)
    other = start_worker()
    stage.await_note("attempt-2")
    stage.open()
    handle.result(timeout=20)
    other.terminate()

    worker.send(signal.SIGCONT)
    result = engine.execute(flows.quick, stage.input, execution="distributed")

    assert result == {"answer": 42}
    assert stage.pids[-1] == worker.pid
    worker.await_log("goes on as")
    old, new = worker.worker_ids
    rows = {row[0]: row for row in look.workers()}
    assert rows[old][3] is not None
    assert rows[new][2:] == (None, None)


def test_a_sleeper_gets_no_work_under_the_id_that_was_declared_lost(
    start_worker, engine, stage, look
):
    """
    Nobody would ask for it again: the tasks of that id were given back already.
    """
    worker = start_worker()
    worker.send(signal.SIGSTOP)
    waker = start_worker()
    waker.await_log("is lost")
    waker.terminate()
    handles = [
        engine.start(flows.chain, stage.input, execution="distributed")
        for _ in range(20)
    ]

    worker.send(signal.SIGCONT)

    for handle in handles:
        assert handle.result(timeout=30) == {"three": 3}
    owners = look.rows(
        "select distinct worker_id::text from singularity_workflow.tasks"
    )
    assert owners == [worker.worker_ids[-1]]
    assert worker.worker_ids[0] not in owners


def test_nobody_is_taken_for_dead_by_one_that_has_slept_too(start_worker, look):
    """
    After a pause of its own a worker gives the others a lease to show up (S2).
    """
    sleeper, other = start_worker(lease=1.5), start_worker(lease=1.5)
    settled = "select bool_and(heartbeat_at > started_at + interval '1 s') from {}"
    eventually(
        lambda: look.value(settled.format("singularity_workflow.workers")),
        "both to beat, and to have done what they do at their start",
    )
    for worker in (sleeper, other):
        worker.send(signal.SIGSTOP)
    beat = "select max(heartbeat_at) < clock_timestamp() - interval '1.6 s' from {}"
    eventually(
        lambda: look.value(beat.format("singularity_workflow.workers")),
        "the leases of both to end",
    )

    sleeper.send(signal.SIGCONT)
    sleeper.await_log("the others are given time to show up")
    other.send(signal.SIGCONT)

    # a beat of each, after all that the sleeper had in mind
    seen = look.value("select clock_timestamp() + interval '2 s'")
    eventually(
        lambda: look.value(
            "select min(heartbeat_at) > %s from singularity_workflow.workers", seen
        ),
        "both to go on",
    )
    assert [lost_at for *_, lost_at in look.workers()] == [None, None]


def test_a_poison_task_fails_and_its_neighbours_complete(
    start_command, engine, stage, look
):
    """
    After so many losses it fails with an error that names the worker it took with it
    last, and its waiters wake (P 184, U 215). The others die with it once at the most:
    after that one of the lost is tried at a time (S3).
    """
    supervisor = start_command("WORKFLOWS", "--processes", "2")
    value = {"items": list(range(8)), "stage": stage.input}
    innocents = engine.start(flows.wide, value, execution="distributed")
    stage.await_note("began", 8)
    poison = engine.start(flows.poison, stage.input, execution="distributed")
    stage.await_note("drink")

    stage.open()

    with pytest.raises(RunFailed, match="died 3 times") as caught:
        poison.result(timeout=40)
    assert stage.notes.count("drink") == 3
    assert caught.value.step == "drink"
    assert caught.value.error_type.endswith("WorkerLost")
    lost = [(row[3], row[0]) for row in look.workers() if row[3] is not None]
    assert len(lost) == 3
    assert max(lost)[1] in str(caught.value)
    assert look.tasks(poison.id)[0][3] == 3
    assert innocents.result(timeout=40) == {"element": list(range(8))}
    assert {row[3] for row in look.tasks(innocents.id)} <= {0, 1}
    supervisor.terminate()


def test_a_retry_outlives_the_worker_of_the_failure(start_worker, engine, stage, look):
    """
    Its timer is in the database, and any worker fires it (K 127).
    """
    worker = start_worker()
    handle = engine.start(flows.stumbling, stage.input, execution="distributed")
    stage.await_note("attempt-1")
    eventually(lambda: look.tasks(handle.id)[0][0] == "waiting", "the failure")
    worker.kill()

    other = start_worker()

    assert handle.result(timeout=20) == {"stumble": f"{handle.id}/stumble/0"}
    assert stage.notes == ["attempt-1", "attempt-2"]
    assert stage.pids == [worker.pid, other.pid]
    assert look.tasks(handle.id) == [("completed", 2, 1, 0)]


def test_a_local_run_outlives_its_process(start_worker, dsn, stage, look, engine):
    """
    A worker that has its workflow adopts it when the owner's lease has ended
    (decision 7).
    """
    reader, writer = os.pipe()
    owner = os.fork()
    if owner == 0:  # pragma: no cover - the other process
        _own_a_run(dsn, stage, writer)
    os.close(writer)
    try:
        run_id = os.read(reader, 36).decode()
        stage.await_note("attempt-1")
    finally:
        os.close(reader)
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
    stage.open()

    start_worker()

    assert engine.get_handle(run_id).result(timeout=40) == {"gate": "passed"}
    assert look.tasks(run_id) == [("completed", 2, 0, 1)]
    assert look.value("select owner from singularity_workflow.runs") is None


def _own_a_run(dsn, stage, writer):
    try:
        with Engine(dsn, lease=LEASE) as mine:
            handle = mine.start(flows.gated, stage.input)
            os.write(writer, str(handle.id).encode())
            handle.result(timeout=60)
    finally:
        os._exit(0)
