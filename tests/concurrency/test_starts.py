"""Several sessions start, register and adopt the same."""

from __future__ import annotations

from concurrent.futures import wait
from threading import Barrier

import pytest
from fixtures.definitions import definition, single


@pytest.fixture
def db(sessions):
    """A session to prepare and to look with."""
    return sessions.monitor


@pytest.fixture
def workflow(db):
    """A workflow of one step."""
    return db.make_workflow(single("a"))


@pytest.mark.parametrize("by", ["key", "id"])
def test_a_start_waits_for_one_with_the_same_key_or_id(sessions, db, workflow, by):
    """
    It gets the run of the first, instead of nothing (S6, S7).
    """
    first, second = sessions.open(), sessions.open()
    same = {"key": "k"} if by == "key" else {"id": db.new_id()}

    with first.connection.transaction():
        run = first.start(workflow, **same)
        start = sessions.start(second, second.start, workflow, **same)
        sessions.wait_until_blocked(second)

    assert start.result(timeout=5).id == run.id
    assert not start.result().is_new
    assert db.count("runs") == 1
    db.check()


@pytest.mark.parametrize("by", ["key", "id"])
def test_a_start_that_was_rolled_back_leaves_its_key_to_the_next(
    sessions, db, workflow, by
):
    """
    The second is then the first (S6).
    """
    first, second = sessions.open(), sessions.open()
    same = {"key": "k"} if by == "key" else {"id": db.new_id()}

    with first.rolled_back():
        first.start(workflow, **same)
        start = sessions.start(second, second.start, workflow, **same)
        sessions.wait_until_blocked(second)

    assert start.result(timeout=5).is_new
    assert db.count("runs") == 1
    db.check()


def test_keys_are_taken_in_their_order(sessions, db, workflow):
    """
    Two batches with the same keys in opposite order cannot deadlock (S6).
    """
    holder, batch, other = (sessions.open() for _ in range(3))
    requests = [batch.request(workflow, key=key) for key in "cba"]

    with holder.connection.transaction():
        holder.start(workflow, key="b")
        start = sessions.start(batch, batch.start_many, requests)
        sessions.wait_until_blocked(batch)
        assert other.start(workflow, key="c").is_new
        behind = sessions.start(other, other.start, workflow, key="a")
        sessions.wait_until_blocked(other)

    runs = start.result(timeout=5)
    assert [run.is_new for run in runs] == [False, False, True]
    assert behind.result(timeout=5).id == runs[2].id
    assert db.count("runs") == 3


def test_many_sessions_register_one_workflow(sessions, db):
    """
    All succeed, exactly one compiles (C 42).
    """
    barrier, callers = Barrier(8), [sessions.open() for _ in range(8)]

    def register(caller):
        barrier.wait(timeout=10)
        return caller.register(definition(single("a"), single("b", "a"), name="etl"))

    calls = [sessions.start(caller, register, caller) for caller in callers]
    wait(calls, timeout=20)

    outcomes = sorted(call.result().outcome for call in calls)
    assert outcomes == ["compiled"] + ["verified"] * 7
    assert db.count("workflows") == 1
    assert db.count("workflow_steps") == 2


def test_two_sessions_register_names_that_differ_by_case(sessions, db):
    """
    The second sees the first, though both began before either was there (U 220).
    """
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        first.register(definition(single("a"), name="Etl"))
        late = sessions.start(
            second, second.register, definition(single("a"), name="etl")
        )
        sessions.wait_until_blocked(second)

    assert late.exception(timeout=5).sqlstate == "SW400"
    assert db.count("workflows") == 1


def test_a_run_is_adopted_once(sessions, db, workflow):
    """
    Of two that try, one gets it; the other does not wait (decision 7).
    """
    gone, one, two = db.register_worker(), db.register_worker(), db.register_worker()
    run = db.start(workflow, owner=gone)
    db.call("stop_worker", gone)
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        adopted = first.call("adopt_runs", one, [workflow.id])["adopted"]
        others = second.call("adopt_runs", two, [workflow.id])["adopted"]

    assert (len(adopted), others) == (1, None)
    assert run.row.owner == one
    db.check()


def test_a_run_that_somebody_holds_is_not_adopted(sessions, db, workflow):
    """
    It is left for the next call, with its messages where they are (S19).
    """
    gone, new = db.register_worker(), db.register_worker()
    run = db.start(workflow, owner=gone)
    db.call("stop_worker", gone)
    holder, adopter = sessions.open(), sessions.open()

    with holder.connection.transaction():
        holder.hold(run)
        reply = adopter.call("adopt_runs", new, [workflow.id])

    assert reply["adopted"] is None
    assert run.messages()[0]["queue"] == f"local:{gone}"
    assert len(adopter.call("adopt_runs", new, [workflow.id])["adopted"]) == 1
    db.check()


def test_a_run_that_commits_during_a_claim_keeps_its_messages(sessions, db, workflow):
    """
    The claim may see the message and not yet the run: it must not drop it.

    A claim reads runs with the snapshot of its statement and messages with a newer one;
    here it is held between the two, by a lock on the queue's table.
    """
    starter, claimer = sessions.open(), sessions.open()

    with starter.connection.transaction():
        starter.execute("lock table pgmq.q_swf_tasks in access exclusive mode")
        run = starter.start(workflow)
        claim = sessions.start(claimer, claimer.claim, lost=False)
        sessions.wait_until_blocked(claimer)

    assert [task.run_id for task in claim.result(timeout=5)] == [run.id]
    db.check()


def test_a_key_whose_run_is_being_deleted_is_free_again(sessions):
    """
    The start waits for the deletion, and does not bring the deleted id back.
    """
    db, eraser, starter = sessions.monitor, sessions.open(), sessions.open()
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, key="k")
    db.cancel(first)

    with eraser.connection.transaction():
        eraser.call("delete_runs", [first.id])
        future = sessions.start(starter, starter.start, workflow, key="k")
        sessions.wait_until_blocked(starter)
    second = future.result(timeout=5)
    again = db.start(workflow, key="k")

    assert second.id != first.id
    assert again.id == second.id
    db.check()


def test_a_key_that_a_start_has_found_outlives_its_run(sessions):
    """
    The deletion waits for the start, which is told of the run that there was.
    """
    db, eraser, starter = sessions.monitor, sessions.open(), sessions.open()
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, key="k")
    db.cancel(first)

    with starter.connection.transaction():
        second = starter.start(workflow, key="k")
        future = sessions.start(eraser, eraser.call, "delete_runs", [first.id])
        sessions.wait_until_blocked(eraser)
    future.result(timeout=5)

    assert second.id == first.id
    assert db.count("runs") == db.count("idempotency_keys") == 0
