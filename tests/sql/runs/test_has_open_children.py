"""singularity_workflow.has_open_children: does a run wait for child runs?"""

from __future__ import annotations

from fixtures.definitions import single


def test_until_the_last_child_has_ended(db):
    """
    Grandchildren are those of the child.
    """
    workflow = db.make_workflow(single("a"))
    run = db.start(workflow)
    assert db.call("has_open_children", run.id) is False

    child = db.call_child(db.claim_one(), workflow)
    assert db.call("has_open_children", run.id) is True
    db.pause(child)
    assert db.call("has_open_children", run.id) is True

    db.cancel(child)
    assert db.call("has_open_children", run.id) is False
