"""singularity_workflow.follow_parents: children go where their parents are."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import called, failed


@pytest.fixture
def family(db):
    """A run whose task waits for a run, whose task waits for a run."""
    workflow = db.make_workflow(
        single("a", max_attempts=1), single("x", max_attempts=1)
    )
    run = db.start(workflow)
    first = next(t for t in db.claim() if t.step == "a")
    child = db.call_child(first, workflow)
    second = next(t for t in db.claim() if t.run_id == child.id and t.step == "a")
    return run, child, db.call_child(second, workflow)


def statuses(family):
    """Return the statuses from parent to grandchild."""
    return [run.status for run in family]


def test_a_cancellation_goes_one_level_at_a_time(db, family):
    """
    By timers: no transaction holds two levels (F10).
    """
    db.cancel(family[0])
    assert statuses(family) == ["cancelled", "started", "started"]
    db.check()

    db.fire()
    assert statuses(family) == ["cancelled", "cancelled", "started"]
    db.check()
    db.settle()

    assert statuses(family) == ["cancelled"] * 3
    assert family[1].row.reason == "parent cancelled"
    db.check()


def test_the_failure_of_a_parent_cancels_its_children(db, family):
    """
    Another step of it failed.
    """
    run, child, _ = family
    row = run.task("x")
    db.report(
        {
            "run": str(run.id),
            "step": 1,
            "task": 0,
            "attempt": row.attempt,
            "outcome": "failed",
            "error": {"type": "E", "message": "m"},
        }
    )

    db.settle()

    assert statuses(family) == ["failed", "cancelled", "cancelled"]
    assert child.row.reason == "parent failed"
    db.check()


def test_a_pause_and_its_end_reach_all_levels(db, family):
    """
    One after the other.
    """
    db.pause(family[0])
    db.settle()
    assert statuses(family) == ["paused"] * 3

    db.resume(family[0])
    db.settle()

    assert statuses(family) == ["started"] * 3
    db.check()


def test_a_step_that_is_skipped_cancels_the_children_of_its_elements(db):
    """
    Their parent runs on, but does not wait for them any more.
    """
    child = db.make_workflow(single("c"))
    run = db.start(
        db.make_workflow(
            map_step("m", max_attempts=1, on_failure="skip"), single("b", "m")
        ),
        [1, 2],
    )
    one, two = db.claim()
    found = db.call_child(one, child)

    db.report(failed(two))
    db.check()
    db.settle()

    assert (run.status, run.steps["b"]) == ("started", "started")
    assert (found.status, found.row.reason) == ("cancelled", "parent does not wait")
    db.check()


def test_very_many_children_are_cancelled_a_hundred_at_a_time(db):
    """
    The rest goes on from a timer, and other parents are not kept waiting.
    """
    child = db.make_workflow(single("c"))
    workflow = db.make_workflow(map_step("m"))
    wide, narrow = db.start(workflow, list(range(1_050))), db.start(workflow, [1])
    db.fire()
    tasks = db.claim(2_000)
    db.report(*(called(t, db.new_id(), child.id) for t in tasks))
    of_narrow = db.value(
        "select run_id from singularity_workflow.runs where parent_run_id = %s",
        narrow.id,
    )
    db.cancel(wide, narrow)

    db.fire()

    count = db.value(
        "select count(*) from singularity_workflow.runs where status = 'cancelled'"
    )
    assert count <= 2 + 100
    assert db.run(of_narrow).status == "cancelled"
    db.settle()
    assert (
        db.value(
            "select count(*) from singularity_workflow.runs where status = 'cancelled'"
        )
        == 2 + 1_051
    )
    db.check()


def test_a_child_that_is_retried_is_nobodys(db, family):
    """
    Its parent went on without it; the copy has no parent.
    """
    run, child, _ = family
    db.cancel(child)
    db.settle()
    assert run.status == "failed"

    again = db.copy(child)

    assert again.row.parent_run_id is None
    db.check()
