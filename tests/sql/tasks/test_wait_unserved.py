"""singularity_workflow.wait_unserved: how long tasks wait that have no code."""

from __future__ import annotations

import pytest
from fixtures.definitions import single

SLOW = [1, 2, 4, 8, 16, 32, 60, 60]
FAST = [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]
EARLIER = """
update singularity_workflow.workers
set started_at = started_at - interval '61 s', heartbeat_at = clock_timestamp()
"""


@pytest.fixture
def run(db):
    """A run of a workflow called `etl`, with one task in the queue `default`."""
    db.set_now(db.now())
    return db.start(db.make_workflow(single("a"), name="etl"))


def waits(db, run, count):
    """Let a worker without the code get the task so often; return how long it waits."""
    found = []
    for _ in range(count):
        db.report({**db.claim_one().ref, "outcome": "unserved"})
        (timer,) = run.timers("unserved")
        found.append((timer.due_at - db.now()).total_seconds())
        db.advance(seconds=found[-1])
        db.fire()
    return found


def register(db, worker=None, **changes):
    """Register a worker that has the code, or not quite."""
    return db.register_worker(
        worker, **{"queues": ["other", "default"], "workflows": ["etl"], **changes}
    )


def test_while_another_worker_has_the_code_it_waits_briefly(db, run):
    """
    So that it meets that worker soon, and nobody turns in circles (F9).
    """
    register(db)

    assert waits(db, run, 8) == FAST
    assert run.task("a").failures == 0


@pytest.mark.parametrize(
    "changes", [{"queues": ["other"]}, {"workflows": ["other"]}], ids=str
)
def test_who_could_not_take_it_does_not_count(db, run, changes):
    """
    It must serve the queue and know the workflow.
    """
    register(db, **changes)

    assert waits(db, run, 8) == SLOW


def test_who_had_it_just_now_does_not_count(db, run):
    """
    Though it knows the workflow: it lacks the step.
    """
    register(db, db.worker)

    assert waits(db, run, 3) == SLOW[:3]


@pytest.mark.parametrize(
    "change",
    [
        "stopped_at = clock_timestamp()",
        "lost_at = clock_timestamp()",
        "draining_at = clock_timestamp()",
        "heartbeat_at = clock_timestamp() - interval '16 s'",
    ],
)
def test_who_takes_nothing_more_does_not_count(db, run, change):
    """
    Nor who is silent for longer than its lease.
    """
    register(db)
    db.execute(f"update singularity_workflow.workers set {change}")

    assert waits(db, run, 3) == SLOW[:3]


def test_after_many_offers_it_waits_longer(db, run):
    """
    Who knows the workflow then evidently lacks the step.
    """
    register(db, lease=3600)
    db.execute(EARLIER)

    assert waits(db, run, 24) == [*FAST, *[1] * 8, *SLOW]


def test_a_worker_that_has_just_come_is_waited_for_all_the_same(db, run):
    """
    However often the task was offered before.
    """
    register(db, lease=3600)
    db.execute(EARLIER)
    waits(db, run, 18)
    register(db)

    assert waits(db, run, 2) == [1, 1]


def test_a_local_run_waits_for_its_owner_only(db):
    """
    Nobody else serves its queue.
    """
    db.set_now(db.now())
    register(db)
    flow = db.make_workflow(single("a"), name="etl")
    run = db.start(flow, owner=db.worker)
    queues = [f"local:{db.worker}"]

    db.report({**db.claim_one(queues).ref, "outcome": "unserved"})

    (timer,) = run.timers("unserved")
    assert (timer.due_at - db.now()).total_seconds() == 1


def test_the_worker_that_reports_it_is_told_when_to_come_back(db, run):
    """
    It fires the timer, so that the wait is as short as it is meant to be.
    """
    register(db)

    reply = db.report({**db.claim_one().ref, "outcome": "unserved"})

    assert reply.raw["timers"] == 0.05
