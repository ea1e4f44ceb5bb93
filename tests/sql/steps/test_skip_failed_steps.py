"""singularity_workflow.skip_failed_steps: a failure that the run survives."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import by_step, completed, failed, of

ONCE = {"max_attempts": 1}


def test_fail_is_the_default(db):
    """
    Task, step and run fail (L 141).
    """
    run = db.start(db.make_workflow(single("a", **ONCE)))

    db.fail(db.claim_one())

    assert (run.status, run.steps, run.task_statuses()) == (
        "failed",
        {"a": "failed"},
        ["failed"],
    )


@pytest.mark.parametrize("mode", ["skip", "skip_cascade"])
def test_the_task_fails_and_the_step_is_skipped(db, mode):
    """
    With the reason, the error and the time; the run goes on (L 142).
    """
    run = db.start(db.make_workflow(single("a", on_failure=mode, **ONCE), single("b")))

    db.fail(by_step(db.claim())["a"], "no luck")

    step = run.step("a")
    assert (step.status, step.skip_reason) == ("skipped", "handler failed")
    assert step.error["message"] == "no luck"
    assert step.ended_at is not None
    assert (run.task("a").status, run.status) == ("failed", "started")
    assert run.row.remaining_steps == 1
    db.check()


def test_retries_come_first(db):
    """
    A step is skipped when its attempts are used up, not before.
    """
    run = db.start(db.make_workflow(single("a", on_failure="skip", max_attempts=2)))

    db.fail(db.claim_one())
    assert run.step("a").status == "started"
    db.advance(hours=1)
    db.fire()
    db.fail(db.claim_one())

    assert run.step("a").status == "skipped"
    db.check()


def test_dependents_that_wait_on_it_alone_start(db):
    """
    One or two of them (L 143, L 144).
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip", **ONCE), single("b", "a"), single("c", "a")
        )
    )

    db.fail(db.claim_one())

    assert run.steps == {"a": "skipped", "b": "started", "c": "started"}
    assert db.claim_reply().outputs == []
    db.check()


def test_a_dependent_that_waits_for_another_is_counted_down(db):
    """
    From two to one, and it starts with the other (L 145, M 165).
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip", **ONCE), single("b"), single("c", "a", "b")
        )
    )
    tasks = by_step(db.claim())

    db.fail(tasks["a"])
    assert (run.step("c").status, run.step("c").remaining_deps) == ("created", 1)
    reply = db.complete(tasks["b"], 5, slots=1, queues=["default"])

    assert reply.steps == ["c"]
    assert reply.outputs == [(run.id, 1, 5)]
    db.check()


def test_a_run_whose_only_step_is_skipped_completes(db):
    """
    With nothing in its result (L 146).
    """
    run = db.start(db.make_workflow(single("a", on_failure="skip", **ONCE)))

    reply = db.fail(db.claim_one())

    assert reply.ended == [[str(run.id), "completed", None, None, None]]
    assert run.output == {}
    db.check()


def test_a_map_over_a_skipped_step_is_empty(db):
    """
    It completes with the empty array, and so does the run (L 147).
    """
    run = db.start(
        db.make_workflow(single("a", on_failure="skip", **ONCE), map_step("m", "a"))
    )

    db.fail(db.claim_one())

    assert run.status == "completed"
    assert run.output == {"m": []}
    db.check()


def test_what_a_skipped_map_leads_to_starts(db):
    """
    The dependents of a map that was emptied by a skip start too (M 122).
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip", **ONCE), map_step("m", "a"), single("b", "m")
        )
    )

    db.fail(db.claim_one())

    assert run.steps == {"a": "skipped", "m": "completed", "b": "started"}
    db.check()


def test_the_siblings_in_a_skipped_map_are_cancelled(db):
    """
    Queued or started; the step's end is counted once (L 149).
    """
    run = db.start(
        db.make_workflow(map_step("m", on_failure="skip", **ONCE), single("b")),
        [1, 2, 3, 4],
    )
    one, two = of(db.claim(3), "m")

    db.fail(one)
    reply = db.report(failed(two))

    assert len(reply.refused) == 1
    assert run.task_statuses("m") == ["failed", "cancelled", "cancelled", "cancelled"]
    assert run.row.remaining_steps == 1
    assert run.messages() == []
    db.check()


def test_two_siblings_that_fail_in_one_batch_skip_the_step_once(db):
    """
    The first error by index is the step's (L 149).
    """
    run = db.start(
        db.make_workflow(map_step("m", on_failure="skip", **ONCE), single("b")), [1, 2]
    )

    db.report(*(failed(t, f"no {t.index}") for t in db.claim() if t.step == "m"))

    assert run.row.remaining_steps == 1
    assert run.step("m").error["message"] == "no 0"
    assert run.task_statuses("m") == ["failed", "failed"]
    db.check()


def test_a_sibling_that_completes_late_changes_nothing(db):
    """
    No error; the step stays skipped, the count of steps as it is (G 95).
    """
    run = db.start(
        db.make_workflow(map_step("m", on_failure="skip", **ONCE), single("b")), [1, 2]
    )
    one, two = of(db.claim(), "m")
    db.fail(one)

    reply = db.complete(two, "late")

    assert len(reply.refused) == 1
    assert run.step("m").status == "skipped"
    assert run.row.remaining_steps == 1
    db.check()


def test_a_sibling_that_completes_in_the_same_batch(db):
    """
    Its output is kept in its task, the step is skipped all the same.
    """
    run = db.start(
        db.make_workflow(map_step("m", on_failure="skip", **ONCE), single("b", "m")),
        [1, 2],
    )
    one, two = db.claim()

    db.report(completed(one, "kept"), failed(two))

    assert run.task_statuses("m") == ["completed", "failed"]
    assert run.steps == {"m": "skipped", "b": "started"}
    db.check()


def test_the_same_failure_reported_twice(db):
    """
    Dependents are counted down once and start once (L 150).
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip", **ONCE), single("b"), single("c", "a", "b")
        )
    )
    task = by_step(db.claim())["a"]

    replies = [db.fail(task), db.fail(task)]

    assert [len(reply.refused) for reply in replies] == [0, 1]
    assert run.step("c").remaining_deps == 1
    assert len(run.failures()) == 1
    db.check()


def test_skip_cascade_skips_all_that_depends_on_it(db):
    """
    A by its handler, B and C by their dependency, D is not touched (L 153).
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip_cascade", **ONCE),
            single("b", "a"),
            single("c", "b"),
            single("d"),
        )
    )

    db.fail(by_step(db.claim())["a"])

    assert [(s.status, s.skip_reason) for s in run.step_rows()] == [
        ("skipped", "handler failed"),
        ("skipped", "dependency skipped"),
        ("skipped", "dependency skipped"),
        ("started", None),
    ]
    assert run.row.remaining_steps == 1
    db.check()


def test_a_cascade_over_the_whole_run_completes_it(db):
    """
    Nothing is left to do, and nothing to return.
    """
    run = db.start(
        db.make_workflow(
            single("a", on_failure="skip_cascade", **ONCE),
            single("b", "a"),
            map_step("m", "b"),
        )
    )

    db.fail(db.claim_one())

    assert (run.status, run.output) == ("completed", {})
    db.check()
