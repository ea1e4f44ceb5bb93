"""singularity_workflow.create_tasks: what is handed over, and what is queued."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single

FAN = (single("a"), *(single(f"b{i}", "a") for i in range(4)))


@pytest.mark.parametrize("slots", [0, 1, 3, 9])
def test_hand_over_keeps_to_the_slots(db, slots):
    """
    What does not fit is queued behind a message (S11).
    """
    run = db.start(db.make_workflow(*FAN))

    reply = db.complete(db.claim_one(), slots=slots, queues=["default"])

    assert len(reply.tasks) == min(slots, 4)
    assert len(run.messages()) == 4 - len(reply.tasks)
    assert all(task.attempt == 1 for task in reply.tasks)
    db.check()


def test_only_served_queues_are_handed_over(db):
    """
    A step with a queue of its own goes to those who serve it (S11).
    """
    run = db.start(
        db.make_workflow(single("a"), single("b", "a", queue="gpu"), single("c", "a"))
    )

    reply = db.complete(db.claim_one(), slots=9, queues=["default", "mail"])

    assert reply.steps == ["c"]
    assert [m["queue"] for m in run.messages()] == ["gpu"]
    db.check()


@pytest.mark.parametrize("parallel", [True, False])
def test_nothing_less_urgent_than_the_queues_head_is_handed_over(db, parallel):
    """
    It must not overtake what waits longer; serial runs keep to it too (S11).
    """
    workflow = db.make_workflow(
        single("a"), single("low", "a"), single("high", "a", priority=5)
    )
    run = db.start(workflow, serial=not parallel)
    max_key = run.row.order_key - 1
    task = db.claim_one()

    reply = db.complete(task, slots=9, queues=["default"], max_key=max_key)

    assert reply.steps == (["high"] if parallel else [])
    assert [m["step"] for m in run.messages()] == [1]
    db.check()


def test_the_most_urgent_go_first(db):
    """
    By key, then by the order of steps.
    """
    db.start(
        db.make_workflow(
            single("a"),
            single("x", "a"),
            single("y", "a", priority=1),
            single("z", "a"),
        )
    )

    reply = db.complete(db.claim_one(), slots=2, queues=["default"])

    assert reply.steps == ["y", "x"]


@pytest.mark.parametrize("slots", [0, 1, 2, 9])
def test_a_map_is_handed_over_in_part(db, slots):
    """
    The first elements go to the worker, the others to the queue.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))

    reply = db.complete(db.claim_one(), [1, 2, 3], slots=slots, queues=["default"])

    handed = min(slots, 3)
    assert [task.item for task in reply.tasks] == [1, 2, 3][:handed]
    assert run.task_statuses("m") == ["started"] * handed + ["queued"] * (3 - handed)
    db.check()


def test_single_steps_and_maps_share_the_slots(db):
    """
    Together they never get more than there are.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a"), single("b", "a")))

    reply = db.complete(db.claim_one(), [1, 2, 3], slots=2, queues=["default"])

    assert len(reply.tasks) == 2
    assert len(run.messages()) == 2
    db.check()


def test_handed_over_tasks_belong_to_the_worker(db):
    """
    Started, with its id and a time, and without a message.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))

    db.complete(db.claim_one(), slots=1, queues=["default"])

    row = run.task("b")
    assert (row.status, row.worker_id, row.attempt) == ("started", db.worker, 1)
    assert row.started_at is not None
    assert row.msg_id is None
