"""singularity_workflow.steps_to_repeat: what a copy of a run must not reuse."""

from __future__ import annotations

import pytest
from fixtures.definitions import single, undo_step

ONCE = {"max_attempts": 1}


@pytest.fixture
def run(db):
    """A run that failed in its last step; one of its steps can be undone."""
    db.make_workflow(undo_step("b", **ONCE), name="undo", undoes="do")
    workflow = db.make_workflow(
        single("a"),
        single("b", "a"),
        single("c", "a"),
        single("d", "b", "c", **ONCE),
        name="do",
        compensation="undo",
    )
    run = db.start(workflow)
    while run.status == "started":
        for task in db.claim():
            if task.step == "d":
                db.fail(task)
            else:
                db.complete(task, task.step)
    return run


def test_a_retry_waits_for_the_undoing_to_begin(db, run):
    """
    It would reuse what is about to be undone.
    """
    with db.raises("SW409"):
        db.copy(run)


def test_a_retry_waits_for_the_undoing_to_end(db, run):
    """
    In the same way.
    """
    db.settle()

    with db.raises("SW409"):
        db.copy(run)


def test_what_was_undone_is_repeated_and_what_depends_on_it(db, run):
    """
    Steps beside it are kept.
    """
    db.settle()
    db.work()

    again = db.copy(run)

    assert again.steps == {
        "a": "completed",
        "b": "started",
        "c": "completed",
        "d": "created",
    }
    db.check()


def test_a_repeated_undoing_counts_too(db, run):
    """
    While the retry of a compensation is under way, nothing is repeated.
    """
    db.settle()
    db.fail(db.claim_one())
    undo = db.run(
        db.value(
            "select run_id from singularity_workflow.runs where origin_run_id = %s",
            run.id,
        )
    )
    db.copy(undo)

    with db.raises("SW409"):
        db.copy(run)
    db.work()

    assert db.copy(run).steps["b"] == "started"
    db.check()


def test_a_retry_at_once_where_nothing_can_be_undone(db):
    """
    The timer is on its way, but will find nothing to do.
    """
    db.make_workflow(undo_step("a"), name="undo", undoes="do")
    run = db.start(
        db.make_workflow(single("a", **ONCE), name="do", compensation="undo")
    )
    db.fail(db.claim_one())

    again = db.copy(run)
    db.settle()

    assert again.status == "started"
    db.check()
