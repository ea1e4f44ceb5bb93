"""singularity_workflow.cancel_runs: end runs that nobody wants any more."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import of


def test_queued_tasks_never_start(db):
    """
    The run is cancelled with its open steps and tasks, and its messages are gone.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))

    cancelled = db.call("cancel_runs", [run.id], "too late")

    assert cancelled == [run.id]
    assert (run.status, run.row.reason) == ("cancelled", "too late")
    assert run.steps == {"a": "cancelled", "b": "cancelled"}
    assert run.task_statuses() == ["cancelled"]
    assert db.claim() == []
    db.check()


def test_what_a_worker_reports_afterwards_is_refused(db):
    """
    A started task is cancelled too; its result comes too late.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))
    task = db.claim_one()
    db.call("cancel_runs", [run.id])

    reply = db.complete(task, "late")

    assert reply.refused == [[str(run.id), 0, 0, 1]]
    assert run.step("a").output is None
    db.check()


def test_waiting_tasks_are_cancelled(db):
    """
    A retry or a delay does not come back to life.
    """
    run = db.start(db.make_workflow(single("a"), single("b", start_delay=9)))
    db.fail(db.claim_one())

    db.call("cancel_runs", [run.id])
    db.advance(hours=1)
    db.fire()

    assert run.task_statuses() == ["cancelled", "cancelled"]
    assert run.timers() == []
    db.check()


def test_completed_steps_stay_completed(db):
    """
    Only what is open is cancelled.
    """
    run = db.start(db.make_workflow(*chain(3)))
    db.complete(db.claim_one(), "kept")

    db.call("cancel_runs", [run.id])

    assert run.steps == {"s0": "completed", "s1": "cancelled", "s2": "cancelled"}
    assert run.step("s0").output == "kept"
    db.check()


def test_ended_runs_are_passed_over(db):
    """
    Twice is once, and what has completed stays completed.
    """
    workflow = db.make_workflow(single("a"))
    done = db.start(workflow)
    db.work()
    cancelled = db.start(workflow)
    db.call("cancel_runs", [cancelled.id], "first")

    again = db.call("cancel_runs", [done.id, cancelled.id], "second")

    assert again == []
    assert done.status == "completed"
    assert cancelled.row.reason == "first"


def test_several_runs_in_one_call(db):
    """
    Each is cancelled once, however often it is named; others run on.
    """
    workflow = db.make_workflow(single("a"))
    one, two, other = (db.start(workflow) for _ in range(3))

    cancelled = db.call("cancel_runs", [two.id, one.id, two.id])

    assert cancelled == [one.id, two.id]
    assert other.status == "started"
    db.check()


@pytest.mark.parametrize("run_ids", [[], ["0191b5e0-0000-7000-8000-000000000000"]])
def test_unknown_runs_are_passed_over(db, run_ids):
    """
    There is nothing to cancel in them.
    """
    assert db.call("cancel_runs", run_ids) == []


def test_more_than_a_thousand_tasks_are_swept_by_timers(db):
    """
    The first thousand at once, the others from a timer that is due now (S13).
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n")), list(range(1_200)))
    db.fire()
    assert len(run.tasks()) == 2_400

    db.call("cancel_runs", [run.id])

    assert run.task_statuses().count("cancelled") == 1_000
    assert db.claim(5) == []
    db.fire()
    db.fire()
    assert set(run.task_statuses()) == {"cancelled"}
    assert run.timers() == []
    db.check()


def test_a_report_before_the_sweep_is_refused(db):
    """
    The run has ended, though the task that a worker has is still to be swept (S13).
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_001)))
    db.fire()
    last = of(db.claim(2_000), "m")[-1]
    db.call("cancel_runs", [run.id])
    assert run.task("m", last.index).status == "started"

    assert len(db.complete(last).refused) == 1
    db.fire()
    db.check()


def test_no_chunk_of_a_map_is_made_afterwards(db):
    """
    The timer of a fan-out finds the run ended.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_500)))

    db.call("cancel_runs", [run.id])
    while db.fire()["fired"]:
        pass

    assert run.task_statuses() == ["cancelled"] * 1_000
    db.check()
