"""singularity_workflow.step_outputs: what the completed steps of a run have given."""

from __future__ import annotations

from uuid import uuid4

from fixtures.definitions import map_step, single


def test_all_that_have_completed(db):
    """
    Also those that are not final, and null; not the ones that have not come so far.
    """
    run = db.start(
        db.make_workflow(single("a"), map_step("m", "a"), single("n"), single("z", "m"))
    )
    tasks = {task.step: task for task in db.claim()}
    db.complete(tasks["a"], [1, 2])
    db.complete(tasks["n"], None)
    for task in db.claim():
        db.complete(task, "M")

    assert db.call("step_outputs", run.id) == {"a": [1, 2], "m": ["M", "M"], "n": None}


def test_a_skipped_step_has_none(db):
    """
    It has not completed.
    """
    run = db.start(db.make_workflow(single("a"), single("s", when={"never": 1})))
    db.work(a=1)

    assert db.call("step_outputs", run.id) == {"a": 1}


def test_no_run_has_none(db):
    """
    A run that was deleted has given nothing that is still known.
    """
    assert db.call("step_outputs", uuid4()) == {}
