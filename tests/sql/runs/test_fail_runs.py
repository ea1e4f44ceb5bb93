"""singularity_workflow.fail_runs: a task failed for good, and so does its run."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import by_step, completed, failed

BROOM = (single("a"), single("b"), single("c"), single("after_a", "a"))


def test_the_siblings_of_a_failed_map_task_are_cancelled(db):
    """
    Run and step fail, no message of the five is left (K 135).
    """
    run = db.start(db.make_workflow(map_step("m", max_attempts=1)), [1, 2, 3, 4, 5])

    db.fail(db.claim_one())

    assert (run.status, run.steps) == ("failed", {"m": "failed"})
    assert run.task_statuses() == ["failed"] + ["cancelled"] * 4
    assert run.messages() == []
    db.check()


def test_queued_and_started_tasks_of_other_steps_are_cancelled(db):
    """
    Whether somebody has them already or not (K 137).
    """
    run = db.start(db.make_workflow(*BROOM, max_attempts=1))
    tasks = by_step(db.claim(2))

    db.fail(tasks["a"])

    assert run.task_statuses() == ["failed", "cancelled", "cancelled"]
    assert run.steps == {
        "a": "failed",
        "b": "cancelled",
        "c": "cancelled",
        "after_a": "created",
    }
    assert run.messages() == []
    db.check()


def test_the_error_of_the_run_names_the_step(db):
    """
    With its task, the error and how many attempts failed.
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))

    reply = db.fail(db.claim_one(), "no luck")

    error = {"type": "ValueError", "message": "no luck"}
    assert run.row.error == {
        "step": "a",
        "task_index": 0,
        "attempts": 1,
        "error": error,
    }
    assert reply.ended == [[str(run.id), "failed", None, run.row.error, None]]
    assert run.step("a").error == error


def test_a_report_after_the_failure_is_refused(db):
    """
    A run has one end (U 212).
    """
    run = db.start(db.make_workflow(*BROOM, max_attempts=1))
    tasks = by_step(db.claim())
    db.fail(tasks["a"])

    reply = db.report(completed(tasks["b"]), failed(tasks["c"]))

    assert len(reply.refused) == 2
    assert run.step("b").status == "cancelled"
    assert [f.step_no for f in run.failures()] == [0]
    db.check()


def test_what_completes_in_the_same_batch_is_kept_but_starts_nothing(db):
    """
    A sibling's success does not start dependents in a run that has failed.
    """
    run = db.start(db.make_workflow(*BROOM, max_attempts=1))
    tasks = by_step(db.claim())

    reply = db.report(
        completed(tasks["a"], 1), failed(tasks["b"]), slots=9, queues=["default"]
    )

    assert reply.tasks == []
    assert run.steps == {
        "a": "completed",
        "b": "failed",
        "c": "cancelled",
        "after_a": "created",
    }
    assert run.task_statuses("after_a") == []
    db.check()


def test_a_step_that_is_skipped_in_the_same_batch_starts_nothing(db):
    """
    Nor does a failure that alone would have let the run go on.
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip", max_attempts=1),
            single("b", max_attempts=1),
            single("after_a", "a"),
        )
    )
    tasks = db.claim()

    reply = db.report(*map(failed, tasks), slots=9, queues=["default"])

    assert reply.tasks == []
    assert run.steps == {"a": "skipped", "b": "failed", "after_a": "created"}
    db.check()


def test_other_runs_of_the_batch_go_on(db):
    """
    A failure ends its own run only.
    """
    workflow = db.make_workflow(single("a", max_attempts=1), single("b", "a"))
    bad, good = db.start(workflow), db.start(workflow)
    tasks = {task.run_id: task for task in db.claim()}

    reply = db.report(
        failed(tasks[bad.id]),
        completed(tasks[good.id]),
        slots=1,
        queues=["default"],
    )

    assert [task.run_id for task in reply.tasks] == [good.id]
    assert (bad.status, good.status) == ("failed", "started")
    db.check()


def test_two_failures_of_one_batch_are_one_end(db):
    """
    The first by step and index is the run's error; both tasks have failed.
    """
    run = db.start(db.make_workflow(map_step("m", max_attempts=1)), [1, 2, 3])
    tasks = db.claim()

    db.report(*(failed(t, f"no {t.index}") for t in reversed(tasks[:2])))

    assert run.row.error["error"]["message"] == "no 0"
    assert run.task_statuses() == ["failed", "failed", "cancelled"]
    assert len(run.failures()) == 2
    db.check()


@pytest.mark.parametrize("state", ["retry", "delay"])
def test_waiting_tasks_are_cancelled(db, state):
    """
    A sibling that waits does not come back.
    """
    run = db.start(
        db.make_workflow(
            single("a", **({"start_delay": 5} if state == "delay" else {})),
            single("b", max_attempts=1),
        )
    )
    tasks = by_step(db.claim())
    if state == "retry":
        db.fail(tasks["a"])
    assert run.task("a").wait_reason == state

    db.fail(tasks["b"])
    db.advance(hours=1)
    db.fire()

    assert run.task("a").status == "cancelled"
    assert run.timers() == []
    db.check()


def test_times_of_a_failure(db):
    """
    Task, step and run ended together, after they began (K 138).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))

    db.fail(db.claim_one())

    ends = {run.row.ended_at, run.step("a").ended_at, run.task("a").ended_at}
    assert len(ends) == 1
    assert ends.pop() >= run.task("a").started_at >= run.row.started_at
