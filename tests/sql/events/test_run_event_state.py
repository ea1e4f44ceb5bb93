"""singularity_workflow.run_event_state: whether a run has events, and has ended."""

from __future__ import annotations

from uuid import uuid4

from fixtures.definitions import single


def test_a_run_that_goes_on(db):
    """
    With the level that it was started with.
    """
    run = db.start(db.make_workflow(single("a")))

    state = db.call("run_event_state", run.id)

    assert state["ended"] is False
    assert state["level"] in {0, 1, 2}


def test_a_run_that_has_ended(db):
    """
    In whatever way.
    """
    run = db.start(db.make_workflow(single("a")))
    db.call("cancel_runs", [run.id], None)

    assert db.call("run_event_state", run.id)["ended"] is True


def test_an_unknown_run(db):
    """
    It is an error with a code.
    """
    with db.raises("SW405"):
        db.call("run_event_state", uuid4())
