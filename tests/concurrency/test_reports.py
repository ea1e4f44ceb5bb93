"""Several sessions report on one run."""

from __future__ import annotations

from concurrent.futures import wait
from threading import Barrier

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed, failed


@pytest.fixture
def db(sessions):
    """A session to prepare and to look with."""
    return sessions.monitor


def test_a_run_that_somebody_holds_is_deferred(sessions, db):
    """
    At once and without an effect; reported again it counts (S4).
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    holder, reporter = sessions.open(), sessions.open()

    with holder.connection.transaction():
        holder.hold(run)
        reply = reporter.complete(task, "x")

    assert reply.deferred == [[str(run.id), 0, 0, 1]]
    assert (reply.refused, run.status) == ([], "started")
    assert reporter.complete(task, "x").deferred == []
    assert run.output == {"a": "x"}


def test_the_other_runs_of_the_batch_are_recorded(sessions, db):
    """
    One hot run holds up nobody (S4).
    """
    workflow = db.make_workflow(single("a"))
    hot, cool = db.start(workflow), db.start(workflow)
    tasks = db.claim()
    holder, reporter = sessions.open(), sessions.open()

    with holder.connection.transaction():
        holder.hold(hot)
        reply = reporter.report(*(completed(task) for task in tasks))

    assert [row[0] for row in reply.deferred] == [str(hot.id)]
    assert (hot.status, cool.status) == ("started", "completed")


def test_a_report_that_waits_sees_what_the_lock_protected(sessions, db):
    """
    Two elements that end at once are both in the array: [7, 17], not [null, 17] (S19).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    one, two = db.claim()
    first, second = sessions.open(), sessions.open()

    with first.connection.transaction():
        first.complete(one, 7)
        report = sessions.start(second, second.complete, two, 17, wait=True)
        sessions.wait_until_blocked(second)

    assert [end[1] for end in report.result(timeout=5).ended] == ["completed"]
    assert run.output == {"m": [7, 17]}
    db.check()


def test_the_attempt_is_checked_after_the_wait(sessions, db):
    """
    Somebody else may have the task by then: the report is refused (S19).
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    other, late = sessions.open(), sessions.open()

    with other.connection.transaction():
        other.call("release_tasks", [task.ref])
        again = other.claim_one()
        report = sessions.start(late, late.complete, task, "late", wait=True)
        sessions.wait_until_blocked(late)

    assert len(report.result(timeout=5).refused) == 1
    assert (again.attempt, run.task("a").status) == (2, "started")


def test_many_sessions_complete_one_map(sessions, db):
    """
    One aggregate in order, one end of the run, whoever was last (U 210).
    """
    run = db.start(db.make_workflow(map_step("m"), single("end", "m")), list(range(8)))
    barrier, workers = Barrier(8), [sessions.open() for _ in range(8)]

    def complete(worker, task):
        barrier.wait(timeout=10)
        return worker.complete(task, task.item * 10, wait=True)

    reports = [
        sessions.start(worker, complete, worker, task)
        for worker, task in zip(workers, db.claim(), strict=True)
    ]
    wait(reports, timeout=20)

    assert run.step("m").output == [0, 10, 20, 30, 40, 50, 60, 70]
    assert run.task_statuses("end") == ["queued"]
    announced = [r.result().raw["announced"] for r in reports]
    assert sum(key is not None for key in announced) == 1
    db.check()


@pytest.mark.parametrize("fails_first", [True, False])
def test_a_completion_beside_a_failure(sessions, db, fails_first):
    """
    The run has one end; a completion that comes after it is refused (U 212).
    """
    run = db.start(db.make_workflow(map_step("m", max_attempts=1)), [1, 2])
    one, two = db.claim()
    first, second = sessions.open(), sessions.open()
    outcomes = [completed(one), failed(two)]
    if fails_first:
        outcomes.reverse()

    with first.connection.transaction():
        first.report(outcomes[0])
        report = sessions.start(second, second.report, outcomes[1], wait=True)
        sessions.wait_until_blocked(second)

    assert len(report.result(timeout=5).refused) == fails_first
    assert run.status == "failed"
    db.check()


def test_two_claims_at_once_share_the_tasks(sessions, db):
    """
    Neither waits for the other, and no task is handed out twice (U 214).
    """
    db.start(db.make_workflow(map_step("m")), [1, 2, 3])
    one, two = sessions.open(), sessions.open()

    with one.connection.transaction():
        first = one.claim(2)
        second = two.claim()

    assert {t.index for t in first} | {t.index for t in second} == {0, 1, 2}
    assert (len(first), len(second)) == (2, 1)
    db.check()


def test_a_claim_that_is_rolled_back_gives_its_tasks_back(sessions, db):
    """
    Message and status return together: nothing is between queue and worker.
    """
    run = db.start(db.make_workflow(single("a")))
    one, two = sessions.open(), sessions.open()

    with one.rolled_back():
        one.claim()
        assert two.claim() == []

    assert [task.run_id for task in two.claim()] == [run.id]
    db.check()
