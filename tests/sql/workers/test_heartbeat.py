"""singularity_workflow.heartbeat: a worker lives, and knows these tasks."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


@pytest.fixture(autouse=True)
def _registered(db):
    """The worker of the test is registered."""
    db.register_worker(db.worker)


def known(*tasks):
    """Return tasks as a heartbeat lists them."""
    return [[str(t.run_id), t.step_no, t.index, t.attempt] for t in tasks]


def started_ago(db, run, seconds):
    """Let the tasks of a run have been started so long ago."""
    db.execute(
        "update singularity_workflow.tasks set started_at = "
        "clock_timestamp() - make_interval(secs => %s) where run_id = %s",
        seconds,
        run.id,
    )


def test_it_renews_the_lease(db):
    """
    The time is the real one (P 182).
    """
    beat = "select heartbeat_at from singularity_workflow.workers"
    before = db.value(beat)

    reply = db.call("heartbeat", db.worker, [])

    assert reply == {"alive": True, "drain": False, "gone": None, "swept": None}
    assert db.value(beat) > before


@pytest.mark.parametrize("column", ["stopped_at", "lost_at"])
def test_a_worker_that_was_declared_dead_learns_it(db, column):
    """
    It must take a new id; the beat brings it nothing back (S2).
    """
    db.execute(f"update singularity_workflow.workers set {column} = now()")

    assert db.call("heartbeat", db.worker, [])["alive"] is False


def test_an_unknown_worker_is_not_alive(db):
    """
    Its row may have been deleted.
    """
    reply = db.call("heartbeat", db.new_id(), [])

    assert (reply["alive"], reply["drain"]) == (False, False)


def test_a_worker_that_was_asked_to_drain_learns_it(db):
    """
    It lives, and its tasks are still its own (R 194).
    """
    db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.call("drain_workers", [db.worker])

    reply = db.call("heartbeat", db.worker, known(task))

    assert reply == {"alive": True, "drain": True, "gone": None, "swept": None}


def test_tasks_that_are_still_its_own_are_not_gone(db):
    """
    However long they run (P 182, U 223).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    tasks = db.claim()
    started_ago(db, run, 9_000)

    reply = db.call("heartbeat", db.worker, known(*tasks), sweep=True)

    assert (reply["gone"], reply["swept"]) == (None, None)
    assert run.task_statuses() == ["started", "started"]


def test_the_tasks_of_a_cancelled_run_are_gone(db):
    """
    That is how a worker learns to stop (decision 4).
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.call("cancel_runs", [run.id])

    assert db.call("heartbeat", db.worker, known(task))["gone"] == known(task)


def test_a_task_that_somebody_else_has_is_gone(db):
    """
    The attempt tells.
    """
    db.start(db.make_workflow(single("a")))
    old = db.claim_one()
    db.call("release_tasks", [old.ref])
    new = db.claim_one()

    reply = db.call("heartbeat", db.worker, known(old, new))

    assert reply["gone"] == known(old)


def test_a_sweep_queues_what_the_worker_never_heard_of(db):
    """
    Started for it more than ten seconds ago, and no loss is counted (F2).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    orphan, kept = db.claim()
    started_ago(db, run, 11)

    reply = db.call("heartbeat", db.worker, known(kept), sweep=True)

    assert reply["swept"] == 1
    assert run.task_statuses() == ["queued", "started"]
    assert run.task("m", orphan.index).losses == 0
    db.check()


@pytest.mark.parametrize(("seconds", "sweep"), [(9, True), (11, False)])
def test_no_task_is_swept_too_early_or_unasked(db, seconds, sweep):
    """
    The reply of a hand-over may still be on its way.
    """
    run = db.start(db.make_workflow(single("a")))
    db.claim()
    started_ago(db, run, seconds)

    db.call("heartbeat", db.worker, [], sweep=sweep)

    assert run.task_statuses() == ["started"]


def test_only_its_own_tasks_are_swept(db):
    """
    Another worker's are that worker's business.
    """
    run = db.start(db.make_workflow(single("a")))
    db.claim(worker=db.new_id())
    started_ago(db, run, 11)

    db.call("heartbeat", db.worker, [], sweep=True)

    assert run.task_statuses() == ["started"]


def test_a_dead_worker_sweeps_nothing(db):
    """
    Whoever declared it dead has taken care of its tasks.
    """
    run = db.start(db.make_workflow(single("a")))
    db.claim()
    started_ago(db, run, 11)
    db.execute("update singularity_workflow.workers set lost_at = now()")

    db.call("heartbeat", db.worker, [], sweep=True)

    assert run.task_statuses() == ["started"]
