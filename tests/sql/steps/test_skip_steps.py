"""singularity_workflow.skip_steps: skip steps, and what depends on them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from fixtures.definitions import single
from fixtures.workbench import completed

TREE = (
    single("a"),
    single("b", "a"),
    single("c", "b"),
    single("d"),
    single("join", "b", "d"),
)


@pytest.fixture
def run(db):
    """A run in which a is to be skipped and d is independent of it."""
    return db.start(db.make_workflow(*TREE))


def skip(db, run, step_no, *, cascade):
    """Skip a step as the functions around it do."""
    return db.call(
        "skip_steps", [(run.id, step_no)], "why", None, cascade, datetime.now(UTC)
    )


def test_one_step(db, run):
    """
    Only itself, with its reason and time (N 168).
    """
    skipped = skip(db, run, 0, cascade=False)

    assert [(key.run_id, key.step_no) for key in skipped] == [(run.id, 0)]
    assert run.steps == dict(run.steps) | {"a": "skipped", "b": "created"}
    step = run.step("a")
    assert (step.skip_reason, step.remaining_tasks) == ("why", 0)
    assert step.ended_at is not None


def test_a_cascade_reaches_every_descendant(db, run):
    """
    Those that another parent feeds too; that parent runs on (N 170).
    """
    skipped = skip(db, run, 0, cascade=True)

    assert sorted(key.step_no for key in skipped) == [0, 1, 2, 4]
    assert run.steps == {
        "a": "skipped",
        "b": "skipped",
        "c": "skipped",
        "d": "started",
        "join": "skipped",
    }
    assert run.step("a").skip_reason == "why"
    assert run.step("join").skip_reason == "dependency skipped"


def test_a_second_call_does_nothing(db, run):
    """
    It finds nothing to skip (N 171).
    """
    skip(db, run, 0, cascade=True)
    before = run.step_rows()

    skipped = skip(db, run, 0, cascade=True)

    assert skipped == []
    assert run.step_rows() == before


def test_a_step_that_has_ended_is_left_alone(db, run):
    """
    A result is not taken back.
    """
    db.report(*(completed(task) for task in db.claim() if task.step == "a"))

    assert skip(db, run, 0, cascade=False) == []
    assert run.step("a").status == "completed"


def test_a_parent_that_completes_later_changes_nothing(db):
    """
    A join that was skipped with one parent stays so when the other ends (N 170, G 95).
    """
    run = db.start(
        db.make_workflow(
            single("a", max_attempts=1, on_failure="skip_cascade"),
            single("d"),
            single("join", "a", "d"),
        )
    )
    tasks = {task.step: task for task in db.claim()}
    db.fail(tasks["a"])
    assert (run.step("join").status, run.row.remaining_steps) == ("skipped", 1)

    db.complete(tasks["d"], 1)

    assert run.step("join").status == "skipped"
    assert (run.status, run.output) == ("completed", {})
    db.check()
