"""singularity_workflow.metrics: what waits and what is open, at bounded cost."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fixtures.definitions import map_step, single


def queues(db, limit=10_000):
    """Return the queues by name."""
    return {one["queue"]: one for one in db.call("metrics", limit)["queues"]}


def test_an_empty_database_has_nothing(db):
    """
    No queue, no status, and nothing was cut off.
    """
    assert db.call("metrics") == {
        "queues": [],
        "runs": {},
        "tasks": {},
        "are_runs_capped": False,
        "are_tasks_capped": False,
    }


def test_each_queue_has_its_depth_and_the_age_of_its_oldest(db):
    """
    In seconds, by the time at which the task was queued.
    """
    for queue, count in (("fast", 2), ("slow", 3)):
        workflow = db.make_workflow(single("a", queue=queue))
        db.start_many([db.request(workflow) for _ in range(count)])
    db.execute(
        "update pgmq.q_swf_tasks set enqueued_at = clock_timestamp() - interval '1 h' "
        "where msg_id = (select min(msg_id) from pgmq.q_swf_tasks)"
    )

    found = queues(db)

    assert {name: one["depth"] for name, one in found.items()} == {"fast": 2, "slow": 3}
    assert 3600 <= found["fast"]["oldest_seconds"] < 3700
    assert 0 <= found["slow"]["oldest_seconds"] < 100


def test_local_queues_count_as_one(db):
    """
    There is one for each process, and its name tells nothing.
    """
    workflow = db.make_workflow(single("a"))
    for _ in range(3):
        db.start(workflow, owner=uuid4())

    assert queues(db)["local"]["depth"] == 3


def test_tasks_that_were_lost_count_in_their_queue(db):
    """
    Their lane is nobody's business.
    """
    workflow = db.make_workflow(single("a"))
    db.start(workflow)
    db.start(workflow)
    db.execute(
        "update pgmq.q_swf_tasks set message = jsonb_set(message, '{queue}', "
        "to_jsonb(message->>'queue' || '!')) "
        "where msg_id = (select min(msg_id) from pgmq.q_swf_tasks)"
    )

    assert {name: one["depth"] for name, one in queues(db).items()} == {"default": 2}


def test_open_runs_and_tasks_are_counted_by_status(db):
    """
    What has ended is not: the processes that ended it have counted it.
    """
    workflow = db.make_workflow(map_step("m"))
    ended, started, paused = (db.start(workflow, [1, 2, 3]) for _ in range(3))
    db.call("cancel_runs", [ended.id], None)
    db.pause(paused)
    first, *_ = db.claim(2)
    db.complete(first, 1)

    found = db.call("metrics")

    assert started.status == "started"
    assert found["runs"] == {"started": 1, "paused": 1}
    assert sum(found["tasks"].values()) == 5
    assert found["tasks"]["started"] == 1


@pytest.mark.parametrize(("limit", "is_capped"), [(3, True), (4, True), (5, False)])
def test_counting_stops_at_the_limit(db, limit, is_capped):
    """
    And says so: there may be more.
    """
    workflow = db.make_workflow(single("a"))
    db.start_many([db.request(workflow) for _ in range(4)])

    found = db.call("metrics", limit)

    assert found["runs"] == {"started": min(limit, 4)}
    assert found["tasks"] == {"queued": min(limit, 4)}
    assert found["queues"][0]["depth"] == min(limit, 4)
    assert found["are_runs_capped"] is is_capped
    assert found["are_tasks_capped"] is is_capped
    assert found["queues"][0]["is_capped"] is is_capped


def test_of_a_long_map_the_open_end_is_counted(db):
    """
    However many of its elements have ended.
    """
    db.start(db.make_workflow(map_step("m")), list(range(50)))
    db.report(
        *({**task.ref, "outcome": "completed", "output": 1} for task in db.claim(45))
    )

    assert db.call("metrics", 10)["tasks"] == {"queued": 5}
