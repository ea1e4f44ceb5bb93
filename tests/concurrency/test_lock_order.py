"""Who waits for whom: every function takes its rows in the order of their keys (F3)."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import failed

TASKS = "singularity_workflow.tasks"
RUNS = "singularity_workflow.runs"


@pytest.fixture
def three(sessions):
    """Three runs of one queued task, in key order; the last has the first message."""
    db = sessions.monitor
    workflow = db.make_workflow(single("a"))
    return [db.start(workflow, priority=priority) for priority in (1, 2, 3)]


def hold(session, table, run, index=0):
    """Lock a row of a run until the session's transaction ends."""
    more = f" and task_index = {index}" if table == TASKS else ""
    session.execute(
        f"select from {table} where run_id = %s{more} for no key update", run.id
    )


def test_a_claim_locks_tasks_in_key_order(sessions, three):
    """
    While it waits for the second, it holds the first and not yet the third.
    """
    low, middle, high = three
    holder, claimer = sessions.open(), sessions.open()

    with holder.connection.transaction():
        hold(holder, TASKS, middle)
        claim = sessions.start(claimer, claimer.claim)
        sessions.wait_until_blocked(claimer)

        assert not sessions.is_free(TASKS, run_id=low.id)
        assert sessions.is_free(TASKS, run_id=high.id)

    assert len(claim.result(timeout=5)) == 3


def test_a_cancellation_locks_all_runs_and_then_tasks_in_key_order(sessions, three):
    """
    In whatever order the runs were named.
    """
    low, middle, high = three
    holder, canceller = sessions.open(), sessions.open()

    with holder.connection.transaction():
        hold(holder, TASKS, middle)
        ids = [high.id, low.id, middle.id]
        cancel = sessions.start(canceller, canceller.call, "cancel_runs", ids)
        sessions.wait_until_blocked(canceller)

        assert not any(sessions.is_free(RUNS, run_id=run.id) for run in three)
        assert not sessions.is_free(TASKS, run_id=low.id)
        assert sessions.is_free(TASKS, run_id=high.id)

    assert cancel.result(timeout=5) == sorted(ids)


def test_runs_are_locked_in_key_order(sessions, three):
    """
    A report that waits for the second run holds the first, not the third.
    """
    low, middle, high = three
    holder, reporter = sessions.open(), sessions.open()
    tasks = {task.run_id: task for task in reporter.claim()}
    outcomes = [failed(tasks[run.id]) for run in (high, middle, low)]

    with holder.connection.transaction():
        hold(holder, RUNS, middle)
        report = sessions.start(reporter, reporter.report, *outcomes, wait=True)
        sessions.wait_until_blocked(reporter)

        assert not sessions.is_free(RUNS, run_id=low.id)
        assert sessions.is_free(RUNS, run_id=high.id)

    assert report.result(timeout=5).refused == []


def test_what_ends_in_one_report_is_cancelled_in_key_order(sessions):
    """
    A failed run before a skipped step of a later run, whatever ended which.
    """
    db = sessions.monitor
    once = {"max_attempts": 1}
    failing = db.make_workflow(map_step("m", **once), queue="one")
    skipping = db.make_workflow(map_step("m", on_failure="skip", **once), queue="two")
    early, late = db.start(failing, [1, 2]), db.start(skipping, [1, 2])
    tasks = [*db.claim(1, ["two"]), *db.claim(1, ["one"])]
    holder, reporter = sessions.open(), sessions.open()

    with holder.connection.transaction():
        hold(holder, TASKS, early, 1)
        report = sessions.start(reporter, reporter.report, *map(failed, tasks))
        sessions.wait_until_blocked(reporter)

        assert sessions.is_free(TASKS, run_id=late.id, task_index=1)

    report.result(timeout=5)
    assert (early.status, late.status) == ("failed", "completed")
    db.check()


def test_a_cancellation_waits_for_no_message(sessions):
    """
    The claim that holds it has its task cancelled, before or after it got it.
    """
    db = sessions.monitor
    run = db.start(db.make_workflow(single("a")))
    holder, claimer, canceller = (sessions.open() for _ in range(3))

    with holder.connection.transaction():
        hold(holder, TASKS, run)
        claim = sessions.start(claimer, claimer.claim)
        sessions.wait_until_blocked(claimer)
        cancel = sessions.start(canceller, canceller.call, "cancel_runs", [run.id])
        sessions.wait_until_blocked(canceller)

    assert cancel.result(timeout=5) == [run.id]
    assert len(claim.result(timeout=5)) <= 1
    assert run.task_statuses() == ["cancelled"]
    db.check()
