"""singularity_workflow.failed_attempts: how often one task has failed so far."""

from __future__ import annotations

from uuid import uuid4

from fixtures.definitions import map_step, single


def test_failures_are_counted(db):
    """
    Those of one task: not of another element, step or run.
    """
    retry = {"max_attempts": 5, "delay": 0}
    workflow = db.make_workflow(single("a"), map_step("m", "a", retry=retry))
    run = db.start(workflow)
    db.complete(db.claim_one(), [1, 2])
    for _ in range(2):
        db.fail(next(one for one in db.claim() if one.index == 1))
        db.settle()

    found = [
        db.call("failed_attempts", run.id, step, index)
        for step, index in [("m", 1), ("m", 0), ("a", 0), ("none", 0)]
    ]

    assert found == [2, 0, 0, 0]
    assert db.call("failed_attempts", uuid4(), "m") == 0


def test_an_attempt_whose_worker_died_is_no_failure(db):
    """
    Nor is one that was given back.
    """
    run = db.start(db.make_workflow(single("a")))
    db.claim_one()
    db.execute(
        "update singularity_workflow.tasks set attempt = 3, losses = 2 "
        "where run_id = %s",
        run.id,
    )

    assert db.call("failed_attempts", run.id, "a") == 0
