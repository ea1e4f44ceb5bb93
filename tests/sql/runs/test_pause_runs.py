"""singularity_workflow.pause_runs: runs start nothing more until resumed."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import of


def test_a_claim_starts_nothing_of_a_paused_run(db):
    """
    It puts the tasks aside, and takes those of other runs (U 222).
    """
    workflow = db.make_workflow(single("a"))
    run, other = db.start(workflow), db.start(workflow)

    (row,) = db.pause(run)

    assert row == [str(run.id), "started", True]
    assert [task.run_id for task in db.claim()] == [other.id]
    assert run.task("a").wait_reason == "paused"
    assert (run.status, run.messages()) == ("paused", [])
    db.check()


def test_a_running_task_finishes_and_the_next_one_waits(db):
    """
    Its report is taken as ever; there is no hand-over (decision 3).
    """
    run = db.start(db.make_workflow(*chain(2)))
    task = db.claim_one()
    db.pause(run)

    reply = db.complete(task, slots=5, queues=["default"])

    assert (reply.tasks, reply.refused) == ([], [])
    assert run.task("s1").wait_reason == "paused"
    db.check()


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "paused"])
def test_what_cannot_be_paused_is_told_by_its_status(db, status):
    """
    Nothing changes (U 222).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))
    end = {
        "completed": lambda: db.complete(db.claim_one()),
        "failed": lambda: db.fail(db.claim_one()),
        "cancelled": lambda: db.cancel(run),
        "paused": lambda: db.pause(run),
    }
    end[status]()
    before = run.row

    assert db.pause(run) == [[str(run.id), status, False]]
    assert run.row == before
    db.check()


def test_unknown_runs_are_absent(db):
    """
    There is nothing to say of them.
    """
    assert db.call("pause_runs", [db.new_id()]) == []


def test_a_paused_run_can_complete(db):
    """
    Its last task was running when it was paused.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.pause(run)

    db.complete(task, "done")

    assert (run.status, run.output) == ("completed", {"a": "done"})
    assert db.resume(run)["runs"] == [[str(run.id), "completed", False]]
    db.check()


def test_a_paused_run_can_fail_and_be_cancelled(db):
    """
    What was parked is cancelled with it (U 222).
    """
    workflow = db.make_workflow(single("a", max_attempts=1), single("b"))
    failing, cancelled = db.start(workflow), db.start(workflow)
    tasks = of(db.claim(), "a")
    db.pause(failing, cancelled)

    db.fail(next(t for t in tasks if t.run_id == failing.id))
    db.cancel(cancelled)

    assert (failing.status, cancelled.status) == ("failed", "cancelled")
    assert "waiting" not in failing.task_statuses() + cancelled.task_statuses()
    db.check()


def test_timers_that_come_due_wait_for_the_resumption(db):
    """
    A retry and a delay are over; their tasks are put aside (decision 3).
    """
    run = db.start(db.make_workflow(single("a"), single("b", start_delay=5)))
    db.fail(db.claim_one())
    db.pause(run)

    db.advance(hours=1)
    db.fire()

    assert [t.wait_reason for t in run.tasks()] == ["paused", "paused"]
    db.check()
    db.resume(run)
    assert len(db.claim()) == 2
    db.check()


def test_a_deadline_stands_still(db):
    """
    It fires neither in the pause nor, by the old timer, after it (decision 3).
    """
    run = db.start(db.make_workflow(single("a")), timeout=60)
    db.pause(run)
    db.advance(seconds=90)
    db.fire()
    assert run.status == "paused"

    db.resume(run)
    db.check()
    db.advance(seconds=50)
    db.fire()
    assert run.status == "started"
    db.advance(seconds=11)
    db.fire()
    assert (run.status, run.row.reason) == ("cancelled", "deadline")
    db.check()


def test_a_queue_timeout_does_not_strike(db):
    """
    The task is put aside; resumed, it has the whole wait before it.
    """
    run = db.start(db.make_workflow(single("a", queue_timeout=10)))
    db.pause(run)

    db.advance(seconds=11)
    reply = db.call("fire_timers", 500, db.worker)

    assert reply["overdue"] is None
    assert (run.task("a").wait_reason, run.messages()) == ("paused", [])
    db.check()
    db.resume(run)
    assert len(run.timers("queue_timeout")) == 1
    assert len(db.claim()) == 1


def test_children_are_paused_and_resumed_with_their_parent(db):
    """
    One that somebody paused himself stays paused.
    """
    child = db.make_workflow(single("c"))
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    one, two = (db.call_child(task, child) for task in db.claim())
    db.pause(one)

    db.pause(run)
    db.settle()
    assert (one.status, two.status) == ("paused", "paused")
    db.resume(run)
    db.settle()

    assert (one.status, two.status) == ("paused", "started")
    db.check()


def test_a_child_that_is_called_in_a_pause_is_paused(db):
    """
    The task was running, and may call; the child starts nothing.
    """
    child = db.make_workflow(single("c"))
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.pause(run)

    called = db.call_child(task, child)
    db.settle()

    assert (called.status, called.row.reason) == ("paused", "parent paused")
    assert db.claim() == []
    db.check()
    db.resume(run)
    db.settle()
    db.work()
    db.settle()
    assert run.status == "completed"
