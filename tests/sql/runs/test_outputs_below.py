"""singularity_workflow.outputs_below: what steps gave in runs below one."""

from __future__ import annotations

from uuid import uuid4

from fixtures.definitions import child_step, single


def test_a_run_and_all_below_it(db):
    """
    The members of the outputs of all steps of these names, and of no others.
    """
    inner = db.make_workflow(single("a"), single("b"), name="inner")
    outer = db.make_workflow(single("a"), child_step("c", "inner", "a"), name="outer")
    run = db.start(outer)
    db.complete(db.claim_one(), {"n": 1, "m": 7})
    child = db.call_child(db.claim_one(), inner)
    for task in db.claim():
        db.complete(task, {"n": 2 if task.step == "a" else 3})

    assert sorted(db.call("outputs_below", run.id, ["a"], "n")) == [1, 2]
    assert sorted(db.call("outputs_below", run.id, ["a", "b"], "n")) == [1, 2, 3]
    assert db.call("outputs_below", child.id, ["a"], "n") == [2]


def test_nothing_is_an_empty_array(db):
    """
    There is no run, or none of the steps has completed.
    """
    run = db.start(db.make_workflow(single("a")))

    assert db.call("outputs_below", run.id, ["a"], "n") == []
    assert db.call("outputs_below", uuid4(), ["a"], "n") == []
