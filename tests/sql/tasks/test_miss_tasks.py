"""singularity_workflow.miss_tasks: retries, and what follows the last one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed, failed, skipped, unmet

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
PLAIN = {"delay": 10, "backoff": 2, "max_delay": 35, "jitter": False}


def fail_and_wait(db, run):
    """Fail the next task of a run and return how long it waits for its retry."""
    db.fail(db.claim_one())
    (timer,) = run.timers("retry")
    waits = timer.due_at - db.now()
    db.set_now(timer.due_at)
    db.fire()
    return waits.total_seconds()


def test_a_failure_with_attempts_left_waits_for_its_retry(db):
    """
    The task waits with its error and a timer, and has no message (K 127).
    """
    db.set_now(NOON)
    run = db.start(db.make_workflow(single("a", retry=PLAIN)))

    reply = db.fail(db.claim_one(), "no luck")

    row = run.task("a")
    assert (row.status, row.wait_reason, row.failures) == ("waiting", "retry", 1)
    assert [t.due_at for t in run.timers("retry")] == [NOON + timedelta(seconds=10)]
    assert reply.raw["timers"] == 10
    assert run.failures()[0].error == row.error
    assert row.error == {"type": "ValueError", "message": "no luck"}
    assert (run.messages(), run.status) == ([], "started")
    db.check()


def test_the_last_attempt_fails_task_step_and_run(db):
    """
    No message is left (K 128).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=2), single("b", "a")))
    fail_and_wait(db, run)

    db.fail(db.claim_one())

    assert (run.status, run.task("a").status) == ("failed", "failed")
    assert run.steps == {"a": "failed", "b": "created"}
    assert run.messages() == []
    assert len(run.failures()) == 2
    db.check()


def test_with_one_attempt_the_first_failure_is_final(db):
    """
    Nothing waits (K 129).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))

    db.fail(db.claim_one())

    assert (run.status, run.timers()) == ("failed", [])


@pytest.mark.parametrize(
    ("shared", "own", "of_the_run", "attempts"),
    [
        ({}, {}, None, 3),
        ({"max_attempts": 2}, {}, None, 2),
        ({"retry": {"max_attempts": 2}}, {}, None, 2),
        ({"max_attempts": 5}, {"max_attempts": 2}, None, 2),
        ({"max_attempts": 1}, {"retry": {"max_attempts": 2}}, None, 2),
        ({"max_attempts": 1}, {"max_attempts": 1}, 2, 2),
    ],
)
def test_the_number_of_attempts(db, shared, own, of_the_run, attempts):
    """
    The workflow's, overridden by the step's, by the run's own (K 130).
    """
    run = db.start(
        db.make_workflow(single("a", **own), **shared), max_attempts=of_the_run
    )

    for _ in range(attempts - 1):
        fail_and_wait(db, run)
        assert run.task("a").status == "queued"
    db.fail(db.claim_one())

    assert run.status == "failed"
    assert run.task("a").attempt == attempts


def test_the_waits_grow_and_are_capped(db):
    """
    Base, twice, and then the longest (K 131).
    """
    db.set_now(NOON)
    run = db.start(db.make_workflow(single("a", retry=PLAIN | {"max_attempts": 5})))

    waits = [fail_and_wait(db, run) for _ in range(4)]

    assert waits == [10, 20, 35, 35]


def test_a_handler_may_say_when(db):
    """
    Retry(after=…) replaces the policy's wait; the attempts still count.
    """
    db.set_now(NOON)
    run = db.start(db.make_workflow(single("a", retry=PLAIN)))

    db.fail(db.claim_one(), after=0.5)

    assert [t.due_at for t in run.timers()] == [NOON + timedelta(seconds=0.5)]


def test_a_handler_may_give_up(db):
    """
    Fail(reason) leaves the other attempts unused.
    """
    run = db.start(db.make_workflow(single("a", max_attempts=5)))

    db.fail(db.claim_one(), "hopeless", final=True)

    assert run.status == "failed"
    assert run.row.error["attempts"] == 1


def test_the_error_stands_on_task_and_step(db):
    """
    And not on the dependents (K 132).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1), single("b", "a")))

    db.fail(db.claim_one(), "no luck")

    assert run.task("a").error["message"] == "no luck"
    assert run.step("a").error["message"] == "no luck"
    assert run.step("b").error is None


def test_a_failure_without_an_error_has_one(db):
    """
    An outcome alone is enough to know that it failed.
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))
    task = db.claim_one()

    db.report({**task.ref, "outcome": "failed"})

    assert run.failures()[0].error == {"type": "failed", "message": ""}


def test_the_path_of_a_task_that_fails_twice(db):
    """
    Queued, started, waiting, queued, started, failed, with two failures (K 140).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=2)))
    path = [run.task("a").status]

    task = db.claim_one()
    path.append(run.task("a").status)
    db.fail(task)
    path.append(run.task("a").status)
    db.advance(hours=1)
    db.fire()
    path.append(run.task("a").status)
    task = db.claim_one()
    path.append(run.task("a").status)
    db.fail(task)
    path.append(run.task("a").status)

    assert path == ["queued", "started", "waiting", "queued", "started", "failed"]
    assert (run.task("a").failures, run.task("a").attempt) == (2, 2)
    assert [f.attempt for f in run.failures()] == [1, 2]


def test_a_retry_that_succeeds_leaves_its_history(db):
    """
    The run completes, and the failure can still be read.
    """
    run = db.start(db.make_workflow(single("a")))
    fail_and_wait(db, run)

    db.complete(db.claim_one(), "at last")

    assert run.output == {"a": "at last"}
    assert (run.task("a").failures, len(run.failures())) == (1, 1)
    assert run.failures()[0].worker_id == db.worker
    db.check()


def test_each_element_of_a_map_has_its_own_attempts(db):
    """
    One that fails does not use up the others'.
    """
    run = db.start(db.make_workflow(map_step("m", max_attempts=2)), [1, 2])
    one, two = db.claim()
    db.fail(one)
    db.fail(two)
    db.advance(hours=1)
    db.fire()

    assert run.status == "started"
    assert [t.failures for t in run.tasks()] == [1, 1]
    db.work(m="ok")
    assert run.output == {"m": ["ok", "ok"]}
    db.check()


def test_a_failure_of_a_completed_task_changes_nothing(db):
    """
    Its output is kept (K 134).
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))
    task = db.claim_one()
    db.complete(task, "kept")

    db.fail(task)

    assert run.step("a").output == "kept"
    assert run.task("a").failures == 0


def test_options_of_later_registrations_hold_for_running_tasks(db):
    """
    Attempts are tuned in place, also for runs under way (A 3).
    """
    workflow = db.make_workflow(single("a", max_attempts=1), name="etl")
    run = db.start(workflow)
    task = db.claim_one()
    db.make_workflow(single("a", max_attempts=2), name="etl")

    db.fail(task)

    assert run.task("a").wait_reason == "retry"


@pytest.mark.parametrize("mode", ["collect", "skip"])
def test_an_element_has_its_attempts_before_it_ends_alone(db, mode):
    """
    Only the last failure is final; the map goes on meanwhile.
    """
    run = db.start(
        db.make_workflow(map_step("m", max_attempts=2, on_error=mode)), [1, 2]
    )
    one, two = db.claim()
    db.fail(one)
    db.complete(two, 2)
    assert run.step("m").remaining_tasks == 1
    db.check()
    db.advance(hours=1)
    db.fire()

    db.fail(db.claim_one())

    assert run.status == "completed"
    db.check()


def test_all_outcomes_of_a_map_in_one_report(db):
    """
    Each counts once (L 149, L 150).
    """
    run = db.start(
        db.make_workflow(
            map_step("m", max_attempts=1, on_error="skip", max_concurrency=9),
            single("end", "m"),
        ),
        list(range(6)),
    )
    tasks = db.claim()

    db.report(
        completed(tasks[0], 0),
        failed(tasks[1]),
        skipped(tasks[2]),
        unmet(tasks[3]),
        completed(tasks[4], 4),
    )
    assert run.step("m").window_used == 1
    db.check()
    db.complete(tasks[5], 5)

    assert run.step("m").output == [0, 4, 5]
    db.check()


@pytest.mark.parametrize(
    ("mode", "steps", "status"),
    [
        ("skip", {"a": "skipped", "b": "started", "c": "started"}, "started"),
        ("skip_cascade", {"a": "skipped", "b": "skipped", "c": "started"}, "started"),
        ("fail", {"a": "failed", "b": "created", "c": "cancelled"}, "failed"),
    ],
)
def test_a_predicate_that_does_not_hold(db, mode, steps, status):
    """
    The worker evaluates it; what follows is as for a condition. It is a failure only if
    the run fails by it.
    """
    run = db.start(
        db.make_workflow(single("a", on_unmet=mode), single("b", "a"), single("c"))
    )
    task = next(t for t in db.claim() if t.step == "a")

    db.report(unmet(task))

    assert (run.steps, run.status) == (steps, status)
    assert run.task("a").failures == len(run.failures()) == (mode == "fail")
    if mode != "fail":
        assert run.step("a").skip_reason == "condition unmet"
    db.check()


def test_a_diamond_is_skipped_once_by_a_failure(db):
    """
    The reasons say which step failed, and what depended on it (L 153).
    """
    run = db.start(
        db.make_workflow(
            single("a", max_attempts=1, on_failure="skip_cascade"),
            single("b", "a"),
            single("c", "a"),
            single("d", "b", "c"),
            single("x"),
        )
    )

    db.fail(next(t for t in db.claim() if t.step == "a"))

    assert run.row.remaining_steps == 1
    assert [run.step(s).skip_reason for s in "abd"] == [
        "handler failed",
        "dependency skipped",
        "dependency skipped",
    ]
    db.check()


def test_a_paused_run_fails_and_skips_as_ever(db):
    """
    What follows is parked.
    """
    run = db.start(
        db.make_workflow(
            single("a", max_attempts=1, on_failure="skip"), single("b", "a")
        )
    )
    task = db.claim_one()
    db.pause(run)

    db.fail(task)

    assert run.steps == {"a": "skipped", "b": "started"}
    assert run.task("b").wait_reason == "paused"
    db.check()


def test_a_step_that_fails_its_run_is_not_skipped_as_well(db):
    """
    One element fails and may be skipped, another one's predicate must hold.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", max_attempts=1, on_failure="skip", on_unmet="fail")
        ),
        [1, 2],
    )
    first, second = db.claim()

    db.report(failed(first), unmet(second))

    assert (run.status, run.steps) == ("failed", {"m": "failed"})
    db.check()


def test_the_reply_tells_what_is_tried_again_and_when(db):
    """
    So that the log of the worker can say it; the last failure is not among them.
    """
    db.set_now(NOON)
    run = db.start(db.make_workflow(single("a", max_attempts=2)))
    first = db.claim_one()

    reply = db.fail(first)

    ((run_id, step_no, index, attempt, seconds),) = reply.raw["retried"]
    assert (run_id, step_no, index, attempt) == (str(run.id), 0, 0, 1)
    (timer,) = run.timers("retry")
    assert seconds == (timer.due_at - NOON).total_seconds()
    db.set_now(timer.due_at)
    db.fire()
    assert db.fail(db.claim_one()).raw["retried"] is None
