"""singularity_workflow.release_tasks: a worker gives back what it will not finish."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


def test_a_released_task_is_queued_without_a_loss(db):
    """
    Nothing went wrong; the next claim is another attempt (decision 6).
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()

    assert db.call("release_tasks", [task.ref]) == 1

    row = run.task("a")
    assert (row.status, row.attempt, row.losses, row.failures) == ("queued", 1, 0, 0)
    assert db.claim_one().attempt == 2
    db.check()


@pytest.mark.parametrize("change", [{"attempt": 9}, {"step": 9}, {"task": 9}])
def test_another_attempt_is_not_released(db, change):
    """
    Somebody else may have the task by now.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()

    assert db.call("release_tasks", [task.ref | change]) == 0
    assert run.task("a").status == "started"


def test_a_task_of_an_ended_run_is_not_released(db):
    """
    It was cancelled with its run.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.call("cancel_runs", [run.id])

    assert db.call("release_tasks", [task.ref]) == 0
    db.check()


def test_many_tasks_at_once(db):
    """
    Of several runs, each once however often it is named.
    """
    workflow = db.make_workflow(map_step("m"))
    runs = [db.start(workflow, [1, 2]) for _ in range(2)]
    refs = [task.ref for task in db.claim()]

    assert db.call("release_tasks", refs) == 4
    assert [run.task_statuses() for run in runs] == [["queued"] * 2] * 2
    db.check()


def test_nothing_to_release(db):
    """
    An engine that is idle closes in silence.
    """
    assert db.call("release_tasks", []) == 0


def test_a_released_task_of_a_local_run_waits_for_its_owner(db):
    """
    Its message is in the owner's queue.
    """
    run = db.start(db.make_workflow(single("a")), owner=db.worker, slots=1)

    db.call("release_tasks", [run.reply.tasks[0].ref])

    assert [m["queue"] for m in run.messages()] == [f"local:{db.worker}"]
    db.check()


def test_a_released_task_of_a_serial_run_keeps_the_turn(db):
    """
    Nothing else of the run goes meanwhile.
    """
    run = db.start(db.make_workflow(single("a"), single("b")), serial=True)

    db.call("release_tasks", [db.claim_one().ref])

    assert run.task_statuses() == ["queued", "waiting"]
    db.check()
