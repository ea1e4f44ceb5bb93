"""singularity_workflow.children_to_follow: who has to go where his parent went."""

from __future__ import annotations

import pytest
from fixtures.definitions import single


@pytest.fixture
def pair(db):
    """A run and the child that its task waits for."""
    workflow = db.make_workflow(single("a"))
    run = db.start(workflow)
    return run, db.call_child(db.claim_one(), workflow)


def followers(db, run):
    """Return the actions for the children of a run."""
    rows = db.rows(
        "select * from singularity_workflow.children_to_follow(array[%s::uuid], 10)",
        run.id,
    )
    return [(row.run_id, row.action) for row in rows]


def test_a_child_that_is_waited_for_stays(db, pair):
    """
    There is nothing to do.
    """
    assert followers(db, pair[0]) == []


@pytest.mark.parametrize(("call", "action"), [("cancel", "cancel"), ("pause", "pause")])
def test_what_the_parents_status_asks_for(db, pair, call, action):
    """
    Until the child is there.
    """
    run, child = pair
    getattr(db, call)(run)

    assert followers(db, run) == [(child.id, action)]
    db.settle()
    assert followers(db, run) == []


def test_a_child_without_its_parent_is_cancelled(db, pair):
    """
    Somebody deleted the parent.
    """
    run, child = pair
    for table in ("tasks", "step_states", "runs"):
        db.execute(
            f"delete from singularity_workflow.{table} where run_id = %s", run.id
        )

    assert followers(db, run) == [(child.id, "cancel")]
