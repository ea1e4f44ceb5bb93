"""singularity_workflow.start_runs: local runs and what their owner gets at once."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fixtures.definitions import chain, map_step, single


def test_an_owner_gets_the_first_tasks_in_the_same_call(db):
    """
    They are started, have no message, and the input is not sent back (D 50).
    """
    run = db.start(db.make_workflow(single("a")), {"x": 1}, owner=db.worker, slots=1)

    (task,) = run.reply.tasks
    assert (task.step, task.attempt) == ("a", 1)
    assert run.task("a").status == "started"
    assert run.task("a").worker_id == db.worker
    assert run.messages() == []
    assert run.reply.inputs == {}
    db.check()


@pytest.mark.parametrize("slots", [0, 1, 2, 5])
def test_no_more_are_handed_over_than_there_are_slots(db, slots):
    """
    The others are queued for the owner.
    """
    workflow = db.make_workflow(single("a"), single("b"), map_step("m"))

    run = db.start(workflow, [1, 2], owner=db.worker, slots=slots)

    assert len(run.reply.tasks) == min(slots, 4)
    assert len(run.messages()) == 4 - min(slots, 4)
    db.check()


def test_what_is_left_waits_in_the_owners_queue(db):
    """
    A local run's closures never reach another worker.
    """
    run = db.start(db.make_workflow(single("a", queue="own")), owner=db.worker)

    assert [m["queue"] for m in run.messages()] == [f"local:{db.worker}"]
    assert db.claim(queues=["own", "default"]) == []
    assert db.claim_one([f"local:{db.worker}"]).step == "a"


def test_the_most_urgent_tasks_are_handed_over(db):
    """
    The order key decides, not the number of the step.
    """
    workflow = db.make_workflow(single("low"), single("high", priority=9))

    run = db.start(workflow, owner=db.worker, slots=1)

    assert run.reply.steps == ["high"]


def test_a_distributed_run_hands_nothing_over(db):
    """
    Without an owner, slots mean nothing, for any kind of step.
    """
    workflow = db.make_workflow(single("a"), map_step("m"))

    runs = [
        db.start(workflow, [1, 2], slots=5),
        db.start(workflow, [1, 2], slots=5, serial=True),
    ]

    assert [run.reply.tasks for run in runs] == [[], []]
    assert [len(run.messages()) for run in runs] == [3, 1]
    db.check()


def test_the_smallest_key_of_new_messages_is_announced(db):
    """
    Whoever started the runs tells the workers from where on to look.
    """
    workflow = db.make_workflow(single("a", priority=1), single("b"))

    run = db.start(workflow)

    assert run.reply.raw["announced"] == min(m["k"] for m in run.messages())


def test_nothing_is_announced_when_all_is_handed_over(db):
    """
    No message, no announcement.
    """
    run = db.start(db.make_workflow(single("a")), owner=db.worker, slots=1)

    assert run.reply.raw["announced"] is None


def test_an_existing_run_is_not_handed_over_again(db):
    """
    The first caller has its tasks.
    """
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, owner=db.worker, slots=1)

    second = db.start(workflow, id=first.id, owner=uuid4(), slots=1)

    assert second.reply.tasks == []
    assert first.row.owner == db.worker


def test_a_run_that_ends_in_its_start_is_in_the_reply(db):
    """
    With its output: its waiter is on the other side of the call (I 113).
    """
    run = db.start(db.make_workflow(map_step("m")), [])

    assert run.reply.ended == [[str(run.id), "completed", {"m": []}, None, None]]


def test_what_an_empty_map_leads_to_is_handed_over(db):
    """
    The dependents that start in the call count like roots (I 117).
    """
    workflow = db.make_workflow(map_step("m"), single("a", "m"), single("b", "m"))

    run = db.start(workflow, [], owner=db.worker, slots=1)

    assert len(run.reply.tasks) == 1
    assert run.reply.outputs == [(run.id, 0, [])]
    assert len(run.messages()) == 1
    db.check()


def test_a_chain_stays_with_its_owner(db):
    """
    Each report hands over the next step; the queue is never touched.
    """
    run = db.start(db.make_workflow(*chain(5)), owner=db.worker, slots=1)
    queue = f"local:{db.worker}"
    tasks = run.reply.tasks

    steps = []
    while tasks:
        steps += [task.step for task in tasks]
        assert run.messages() == []
        tasks = db.complete(tasks[0], "x", slots=1, queues=[queue]).tasks

    assert steps == ["s0", "s1", "s2", "s3", "s4"]
    assert run.output == {"s4": "x"}
    db.check()
