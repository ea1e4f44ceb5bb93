"""singularity_workflow.unpark_tasks: queue tasks that wait with the reason paused."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_it_goes_on_behind_a_task(db):
    """
    What stands before it was queued by an earlier call.
    """
    run = db.start(db.make_workflow(map_step("m"), single("a")), [1, 2, 3])
    db.pause(run)
    db.claim()

    db.call("unpark_tasks", run.id, 0, 2, db.value("select now()"))

    assert run.task_statuses() == ["waiting", "waiting", "queued", "queued"]


def test_the_rest_has_a_timer(db):
    """
    A thousand at a time.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_001)))
    db.pause(run)
    db.settle()
    db.claim(2_000)

    db.resume(run)

    (timer,) = run.timers("resume")
    assert (timer.step_no, timer.task_index) == (0, 1_000)
    db.settle()
    assert set(run.task_statuses()) == {"queued"}
    db.check()


def test_nothing_parked_announces_nothing(db):
    """
    There is no smallest key of no message.
    """
    run = db.start(db.make_workflow(single("a")))

    assert db.call("unpark_tasks", run.id, 0, 0, db.value("select now()")) is None
