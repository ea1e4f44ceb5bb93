"""Pauses, cancellations, copies and children against claims, reports and timers."""

from __future__ import annotations

import psycopg
import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed

CALLS = {
    "pause": lambda db, run: db.pause(run),
    "resume": lambda db, run: db.resume(run),
    "cancel": lambda db, run: db.cancel(run),
    "copy": lambda db, run: db.copy(run, "a"),
}


@pytest.fixture
def run(sessions):
    """A run of a queued task."""
    db = sessions.monitor
    return db.start(db.make_workflow(single("a"), single("b", "a")))


@pytest.fixture
def family(sessions):
    """A run whose task waits for a child run, and that child."""
    db = sessions.monitor
    child = db.make_workflow(single("c"))
    run = db.start(db.make_workflow(single("a"), single("b", "a")))
    return run, db.call_child(db.claim_one(), child)


@pytest.mark.parametrize("call", CALLS)
def test_who_changes_a_run_waits_for_its_holder(sessions, run, call):
    """
    Then it takes effect on what the holder left (F3).
    """
    db, holder, other = sessions.monitor, sessions.open(), sessions.open()

    with holder.connection.transaction():
        holder.hold(run)
        future = sessions.start(other, CALLS[call], other, run)
        sessions.wait_until_blocked(other)

    future.result(timeout=5)
    db.check()


def test_a_claim_between_pause_and_resumption_loses_nothing(sessions, run):
    """
    It parks under the lock of the run, and the resumption waits for it (F1).
    """
    db, claimer, resumer = sessions.monitor, sessions.open(), sessions.open()
    db.pause(run)

    with claimer.connection.transaction():
        assert claimer.claim() == []
        future = sessions.start(resumer, resumer.resume, run)
        sessions.wait_until_blocked(resumer)

    assert future.result(timeout=5)["announced"] is not None
    db.check()
    assert len(db.claim()) == 1


def test_a_claim_beside_a_resumption_leaves_the_message(sessions, run):
    """
    It sees the run paused, cannot look again, and puts the message back (F1).
    """
    db, claimer, resumer = sessions.monitor, sessions.open(), sessions.open()
    db.pause(run)

    with resumer.connection.transaction():
        resumer.resume(run)
        assert claimer.claim() == []

    db.check()
    assert len(claimer.claim()) == 1


@pytest.mark.parametrize("first", ["pause", "cancel"])
def test_a_claim_beside_a_pause_starts_the_task_before_or_not_at_all(
    sessions, run, first
):
    """
    A claim that does not see it yet may start the task: it was running then.
    """
    db, pauser, claimer = sessions.monitor, sessions.open(), sessions.open()

    with pauser.connection.transaction():
        if first == "pause":
            pauser.pause(run)
        claim = sessions.start(claimer, claimer.claim)
        tasks = claim.result(timeout=5)
        if first == "cancel":
            pauser.cancel(run)

    assert len(tasks) == 1
    db.check()
    reply = db.complete(tasks[0])
    assert len(reply.refused) == (1 if first == "cancel" else 0)
    db.check()


def test_a_report_beside_a_pause_is_deferred_and_then_taken(sessions, run):
    """
    It does not wait, unless it is asked to.
    """
    db, pauser, reporter = sessions.monitor, sessions.open(), sessions.open()
    task = db.claim_one()

    with pauser.connection.transaction():
        pauser.pause(run)
        assert len(reporter.complete(task, 1).deferred) == 1
        future = sessions.start(reporter, reporter.complete, task, 1, wait=True)
        sessions.wait_until_blocked(reporter)

    assert future.result(timeout=5).refused == []
    assert run.task("b").wait_reason == "paused"
    db.check()


def test_timers_of_a_run_that_is_being_paused_wait(sessions, clock):
    """
    Whoever comes second decides by the status that the first one left.
    """
    db, pauser, ticker = sessions.monitor, sessions.open(), sessions.open()
    run = db.start(db.make_workflow(single("a", start_delay=5)), timeout=5)
    clock.advance(seconds=5)

    with pauser.connection.transaction():
        pauser.pause(run)
        ticker.fire()
        assert len(run.timers()) == 2
    clock.advance(milliseconds=50)
    ticker.fire()

    assert (run.status, run.task("a").wait_reason) == ("paused", "paused")
    db.check()


def test_the_end_of_a_child_beside_the_cancellation_of_its_parent(sessions, family):
    """
    Neither waits for the other; the result comes too late (F10).
    """
    run, child = family
    db, canceller, reporter = sessions.monitor, sessions.open(), sessions.open()
    task = db.claim_one()

    with canceller.connection.transaction():
        canceller.cancel(run)
        assert reporter.complete(task, 1).refused == []
        assert child.status == "completed"
    db.check()
    db.settle()

    assert run.status == "cancelled"
    assert run.timers() == []
    db.check()


def test_a_child_that_is_held_is_cancelled_later(sessions, family, clock):
    """
    The one that fires the timers does not wait for it (F10).
    """
    run, child = family
    db, holder, ticker = sessions.monitor, sessions.open(), sessions.open()
    db.cancel(run)

    with holder.connection.transaction():
        holder.hold(child)
        ticker.fire()
        assert child.status == "started"
        assert len(run.timers("children")) == 1
    clock.advance(seconds=1)
    ticker.fire()

    assert child.status == "cancelled"
    db.check()


def test_a_parent_that_is_held_is_told_later(sessions, family, clock):
    """
    The timer of its child's end stays.
    """
    run, _ = family
    db, holder, ticker = sessions.monitor, sessions.open(), sessions.open()
    db.work()

    with holder.connection.transaction():
        holder.hold(run)
        ticker.fire()
        assert len(run.timers("child")) == 1
    clock.advance(milliseconds=50)
    ticker.fire()

    assert run.steps["a"] == "completed"
    db.check()


def test_a_cancellation_waits_while_a_childs_result_is_taken(sessions, family):
    """
    It finds the next step, and cancels that.
    """
    run, _ = family
    db, ticker, canceller = sessions.monitor, sessions.open(), sessions.open()
    db.work()

    with ticker.connection.transaction():
        ticker.fire()
        future = sessions.start(canceller, canceller.cancel, run)
        sessions.wait_until_blocked(canceller)

    assert future.result(timeout=5) == [run.id]
    assert run.steps == {"a": "completed", "b": "cancelled"}
    db.check()


def test_a_copy_sees_what_a_report_left(sessions, clock):
    """
    It waits for it: an element that completes meanwhile is reused (decision 12).
    """
    db, reporter, copier = sessions.monitor, sessions.open(), sessions.open()
    run = db.start(db.make_workflow(map_step("m"), single("a")), [1, 2])
    tasks = [t for t in db.claim() if t.step == "m"]

    with reporter.connection.transaction():
        reporter.report(completed(tasks[1], "kept"))
        future = sessions.start(copier, copier.copy, run, "a")
        sessions.wait_until_blocked(copier)

    again = future.result(timeout=5)
    assert again.task_statuses("m") == ["queued", "completed"]
    db.check()


def test_the_same_copy_twice_at_once_is_one_run(sessions, run):
    """
    The second waits and finds it there.
    """
    db, one, two = sessions.monitor, sessions.open(), sessions.open()
    db.cancel(run)
    new_id = db.new_id()

    with one.connection.transaction():
        one.copy(run, new_id=new_id)
        future = sessions.start(two, two.copy, run, new_id=new_id)
        sessions.wait_until_blocked(two)

    assert future.result(timeout=5).id == new_id
    assert db.count("runs") == 2
    db.check()


def test_a_run_that_is_held_is_not_deleted_now(sessions, run):
    """
    The deletion passes it over and says that there is more.
    """
    db, copier, deleter = sessions.monitor, sessions.open(), sessions.open()
    db.cancel(run)

    with copier.connection.transaction():
        copier.copy(run)
        reply = deleter.call("delete_runs", [run.id])

    assert reply == {"deleted": [], "has_more": True}
    assert deleter.call("delete_runs", [run.id])["deleted"] == [str(run.id)]
    db.check()


def test_a_copy_beside_a_deletion_finds_no_run(sessions, run):
    """
    It waits for the deletion, and there is nothing to copy any more.
    """
    db, deleter, copier = sessions.monitor, sessions.open(), sessions.open()
    db.cancel(run)

    with deleter.connection.transaction():
        deleter.call("delete_runs", [run.id])
        future = sessions.start(copier, copier.copy, run)
        sessions.wait_until_blocked(copier)

    with pytest.raises(psycopg.Error) as caught:
        future.result(timeout=5)
    assert caught.value.sqlstate == "SW405"


def test_a_resumption_waits_for_the_fan_out_of_its_run(sessions):
    """
    Chunks that are made in the pause are parked, and go on with it.
    """
    db, ticker, resumer = sessions.monitor, sessions.open(), sessions.open()
    run = db.start(db.make_workflow(map_step("m", max_concurrency=3)), [0] * 1_200)
    db.pause(run)

    with ticker.connection.transaction():
        ticker.fire()
        future = sessions.start(resumer, resumer.resume, run)
        sessions.wait_until_blocked(resumer)
    future.result(timeout=5)

    db.check()
    assert len(db.claim()) == 3
