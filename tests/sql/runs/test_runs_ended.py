"""singularity_workflow.runs_ended: what the end of runs means for others."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


def kinds(db):
    """Return the kinds of all timers."""
    return sorted(
        row.kind for row in db.rows("select kind from singularity_workflow.timers")
    )


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_a_run_that_nobody_knows_leaves_no_timer(db, end):
    """
    It has no parent, and nothing undoes it.
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))
    task = db.claim_one()

    db.cancel(run) if end == "cancel" else getattr(db, end)(task)

    assert kinds(db) == []


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_a_child_leaves_one_for_its_parent(db, end):
    """
    Of the attempt that called it; the reply says that a timer is due.
    """
    child = db.make_workflow(single("c", max_attempts=1))
    run = db.start(db.make_workflow(single("a")))
    found = db.call_child(db.claim_one(), child)
    task = db.claim_one()

    reply = db.cancel(found) if end == "cancel" else getattr(db, end)(task)

    (timer,) = run.timers("child")
    assert (timer.step_no, timer.task_index, timer.attempt) == (0, 0, 1)
    if end != "cancel":
        assert reply.raw["timers"] == 0
    db.check()


@pytest.mark.parametrize(
    ("end", "expected"), [("complete", []), ("fail", 1), ("cancel", 1)]
)
def test_only_what_did_not_complete_is_undone(db, end, expected):
    """
    If there is a compensation.
    """
    run = db.start(
        db.make_workflow(single("a", max_attempts=1), name="do", compensation="undo")
    )
    task = db.claim_one()

    db.cancel(run) if end == "cancel" else getattr(db, end)(task)

    assert kinds(db) == (["compensate"] if expected else [])


def test_a_child_that_ends_in_its_start(db):
    """
    By an empty map, or by a condition.
    """
    steps = (map_step("m"), single("x", when={"never": 1}, on_unmet="fail"))
    for step, status in zip(steps, ("completed", "failed"), strict=True):
        child = db.make_workflow(step)
        run = db.start(db.make_workflow(single("a")))

        found = db.call_child(db.claim_one(), child, [])

        assert found.status == status
        assert len(run.timers("child")) == 1
        db.check()
        db.settle()
