"""singularity_workflow.delete_runs: remove runs that have ended, a part at a time."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single, undo_step

TABLES = ("runs", "step_states", "tasks", "task_failures", "run_tags")


def delete(db, *runs, limit=500):
    """Delete runs in parts, and return the number of calls that it took."""
    calls = 1
    while db.call("delete_runs", [run.id for run in runs], limit)["has_more"]:
        calls += 1
    return calls


def test_nothing_of_a_run_is_left(db):
    """
    Of the others everything is (S 198).
    """
    workflow = db.make_workflow(single("a", max_attempts=1))
    kept = db.start(workflow, tags=["t"], key="one")
    run = db.start(workflow, tags=["t", "u"], key="two")
    for task in db.claim():
        db.fail(task)

    assert delete(db, run) == 1

    assert [db.count(table) for table in TABLES] == [1, 1, 1, 1, 1]
    assert db.count("idempotency_keys") == 1
    assert kept.status == "failed"
    db.check()


@pytest.mark.parametrize("status", ["started", "paused"])
def test_what_has_not_ended_is_refused(db, status):
    """
    With all that was asked in the same call (S 198).
    """
    workflow = db.make_workflow(single("a"))
    ended, run = db.start(workflow), db.start(workflow)
    db.cancel(ended)
    if status == "paused":
        db.pause(run)

    with db.raises("SW409") as caught:
        delete(db, ended, run)

    assert caught.value.diag.message_detail == status
    assert db.count("runs") == 2


def test_large_runs_go_in_parts(db):
    """
    No transaction is long (S 198, S18).
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(950)))
    db.work()

    assert delete(db, run, limit=300) == 4

    assert [db.count(table) for table in TABLES] == [0] * 5


def test_a_run_that_is_not_swept_leaves_no_message(db):
    """
    Its messages go with its tasks, and its timer finds nothing (S 200).
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_500)))
    db.settle()
    db.cancel(run)
    assert len(run.messages()) == 500

    delete(db, run)

    assert run.messages() == []
    db.settle()
    assert run.timers() == []
    db.check()


def test_unknown_runs_are_passed_over(db):
    """
    They are gone already.
    """
    reply = db.call("delete_runs", [db.new_id()])

    assert reply == {"deleted": [], "has_more": False}


def test_a_child_stays_until_its_parent_has_its_result(db):
    """
    The parent would wait for ever.
    """
    child = db.make_workflow(single("c"))
    run = db.start(db.make_workflow(single("a")))
    found = db.call_child(db.claim_one(), child)
    db.work()
    assert found.status == "completed"

    with db.raises("SW409"):
        delete(db, found)
    db.settle()
    delete(db, found)

    assert run.output == {"a": {"c": None}}
    db.check()


def test_children_of_a_deleted_parent_are_cancelled(db):
    """
    Its timer does it, though the parent is gone.
    """
    child = db.make_workflow(single("c"))
    run = db.start(db.make_workflow(single("a")))
    found = db.call_child(db.claim_one(), child)
    db.cancel(run)

    delete(db, run)
    db.settle()

    assert found.status == "cancelled"
    db.check()


def test_a_run_stays_until_its_undoing_has_begun(db):
    """
    Without the run nobody would know what to undo.
    """
    db.make_workflow(undo_step("a"), name="undo", undoes="do")
    run = db.start(
        db.make_workflow(single("a"), single("b"), name="do", compensation="undo")
    )
    db.complete(db.claim(1)[0])
    db.cancel(run)

    with db.raises("SW409"):
        delete(db, run)
    db.settle()
    delete(db, run)

    (task,) = db.claim()
    assert task.run_id != run.id
    db.check()
