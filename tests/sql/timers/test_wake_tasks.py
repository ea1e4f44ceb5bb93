"""singularity_workflow.wake_tasks: queue the tasks whose timers are due."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


@pytest.mark.parametrize(
    ("step", "request_", "status", "reasons"),
    [
        ({}, {}, "started", [None, None]),
        ({}, {}, "paused", ["paused", "paused"]),
        ({"max_concurrency": 1}, {}, "started", [None, "map_window"]),
        ({"max_concurrency": 1}, {}, "paused", ["map_window", "map_window"]),
        ({}, {"serial": True}, "started", [None, "limit"]),
        ({"max_concurrency": 1}, {"serial": True}, "paused", ["limit", "limit"]),
    ],
)
def test_where_a_delayed_task_goes(db, step, request_, status, reasons):
    """
    To its queue, unless the pause, the turn or the window is in its way.
    """
    run = db.start(
        db.make_workflow(map_step("m", start_delay=5, **step)), [1, 2], **request_
    )
    if status == "paused":
        db.pause(run)
    db.advance(seconds=5)

    db.fire()

    assert [t.wait_reason for t in run.tasks()] == reasons
    db.check()
    db.resume(run)
    db.check()
    while db.work():
        pass
    assert run.status == "completed"


def test_a_retry_in_a_window_keeps_its_place(db):
    """
    It goes to the queue, not behind the others.
    """
    run = db.start(
        db.make_workflow(map_step("m", max_concurrency=1, max_attempts=2)), [1, 2]
    )
    db.fail(db.claim_one())

    db.advance(hours=1)
    db.fire()

    assert [t.status for t in run.tasks()] == ["queued", "waiting"]
    db.check()


def test_a_timer_of_an_older_attempt_is_void(db):
    """
    The task has moved on.
    """
    run = db.start(db.make_workflow(single("a")))
    db.fail(db.claim_one())
    db.execute(
        "update singularity_workflow.timers set attempt = 7 where run_id = %s", run.id
    )

    db.advance(hours=1)
    db.fire()

    assert (run.task("a").status, run.timers()) == ("waiting", [])
