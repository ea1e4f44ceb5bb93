"""singularity_workflow.queue_tasks: tasks get a message again."""

from __future__ import annotations

import pytest
from fixtures.definitions import single


def queue(db, run, losses=0):
    """Queue the first task of a run and return the key that was announced."""
    return db.value(
        "select singularity_workflow.queue_tasks(%s::text[]::"
        "singularity_workflow.task_key[], %s, clock_timestamp())",
        [f"({run.id},0,0)"],
        losses,
    )


@pytest.mark.parametrize("losses", [0, 1])
def test_a_started_task_is_queued_again(db, losses):
    """
    With its key of old; the attempt stays used. A loss is counted if told, and then the
    message is in the lane of the lost (S3).
    """
    run = db.start(db.make_workflow(single("a", queue="own", priority=3)))
    (before,) = run.messages()
    db.claim(queues=["own"])

    key = queue(db, run, losses)

    row = run.task("a")
    assert (row.status, row.attempt, row.losses) == ("queued", 1, losses)
    assert run.messages() == [before | {"queue": "own!" if losses else "own"}]
    assert key == before["k"]
    db.check()


def test_a_task_that_has_ended_is_left_alone(db):
    """
    Nothing is done twice because somebody asked late.
    """
    run = db.start(db.make_workflow(single("a")))
    db.work()

    assert queue(db, run) is None
    assert run.messages() == []


def test_a_queued_task_keeps_its_message(db):
    """
    A second one would be one too many (S1).
    """
    run = db.start(db.make_workflow(single("a")))

    assert queue(db, run) is None
    assert len(run.messages()) == 1
    db.check()
