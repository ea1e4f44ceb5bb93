"""Several sessions look after the timers, and runs are held meanwhile."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import failed


@pytest.fixture
def run(sessions, clock):
    """A run whose task is due after its delay."""
    db = sessions.monitor
    run = db.start(db.make_workflow(single("a", start_delay=60)))
    clock.advance(minutes=1)
    return run


def test_one_session_at_a_time_fires(sessions, run):
    """
    The other does not wait; it is told to come back soon (S5).
    """
    one, two = sessions.open(), sessions.open()

    with one.connection.transaction():
        assert one.fire()["fired"] == 1
        other = two.fire()

    assert other["fired"] == 0
    assert 0 < other["next"] < 1
    sessions.monitor.check()


def test_timers_of_a_run_that_somebody_holds_stay(sessions, run, clock):
    """
    They are fired a moment later (S5).
    """
    holder, ticker = sessions.open(), sessions.open()

    with holder.connection.transaction():
        holder.hold(run)
        ticker.fire()
        assert run.task("a").status == "waiting"

    assert len(run.timers()) == 1
    clock.advance(milliseconds=50)
    ticker.fire()
    assert run.task("a").status == "queued"
    sessions.monitor.check()


def test_a_retry_that_is_fired_twice_is_queued_once(sessions, run):
    """
    Whoever comes second finds no timer.
    """
    one, two = sessions.open(), sessions.open()

    replies = [one.fire(), two.fire()]

    assert [reply["fired"] for reply in replies] == [1, 0]
    assert len(run.messages()) == 1
    sessions.monitor.check()


def test_a_claim_during_a_resumption_loses_nothing(sessions, run):
    """
    It sees the run paused and cannot look again: the message stays (F1).
    """
    db = sessions.monitor
    db.fire()
    set_status = "update singularity_workflow.runs set status = %s where run_id = %s"
    db.execute(set_status, "paused", run.id)
    resumer, claimer = sessions.open(), sessions.open()

    with resumer.connection.transaction():
        resumer.execute(set_status, "started", run.id)
        assert claimer.claim() == []
        assert run.task("a").status == "queued"

    db.check()
    assert [task.run_id for task in claimer.claim()] == [run.id]


def test_a_held_run_of_many_timers_stops_no_others(sessions, clock):
    """
    They stay for later, and are not the first again.
    """
    db, holder = sessions.monitor, sessions.open()
    many = db.start(
        db.make_workflow(map_step("m", retry={"delay": 0, "jitter": False})),
        list(range(600)),
    )
    db.report(*(failed(task) for task in db.claim(600)))
    lone = db.start(db.make_workflow(single("a")), timeout=1)
    clock.advance(seconds=5)

    with holder.connection.transaction():
        holder.hold(many)
        db.fire()
        db.fire()
        assert lone.status == "cancelled"
    clock.advance(seconds=1)
    db.fire()
    db.fire()

    assert {task.status for task in many.tasks("m")} == {"queued"}
    db.check()
