"""singularity_workflow.goal_event: the start and the end of a goal."""

from __future__ import annotations

import pytest
from fixtures.definitions import single
from fixtures.workbench import completed, failed

GOAL = {"kind": "goal", "goal_hash": "ab", "depth": 1}


def start(db, metadata=None, events="run", goal="a house"):
    """Start a run as that of a goal."""
    return db.start(
        db.make_workflow(single("a", max_attempts=1)),
        {"goal": goal},
        metadata=GOAL if metadata is None else metadata,
        events=events,
    )


def types(run):
    """Return the types of a run's events."""
    return [event["type"] for event in run.events()]


@pytest.mark.parametrize("level", ["run", "all"])
def test_a_goal_starts_and_completes_with_its_run(db, level):
    """
    In the same transactions, its end in front of that of the run.
    """
    run = start(db, events=level)
    db.report(completed(db.claim_one(), 1))

    told = [event for event in run.events() if event["type"].startswith("goal_")]

    assert [event["type"] for event in told] == ["goal_started", "goal_completed"]
    for event in told:
        assert event == {
            **event, "goal": "a house", "goal_hash": "ab", "parent": None, "depth": 1,
        }  # fmt: skip
    assert types(run)[:2] == ["workflow_started", "goal_started"]
    assert types(run)[-2:] == ["goal_completed", "workflow_completed"]


@pytest.mark.parametrize("level", ["run", "all"])
def test_a_goal_fails_with_its_run(db, level):
    """
    After the step that failed it, and in front of the end of the run.
    """
    run = start(db, events=level)

    db.report(failed(db.claim_one(), "no"))

    assert types(run)[-2:] == ["goal_failed", "workflow_failed"]
    assert types(run).count("step_failed") == (level == "all")


@pytest.mark.parametrize(
    "metadata", [{"kind": "other"}, {}, {"goal": "x"}, {"kind": None}]
)
def test_other_runs_are_no_goals(db, metadata):
    """
    Whatever else their metadata says.
    """
    run = start(db, metadata)
    db.report(completed(db.claim_one(), 1))

    assert types(run) == ["workflow_started", "workflow_completed"]


def test_a_goal_without_events_tells_nothing(db):
    """
    As any run.
    """
    run = start(db, events="none")
    db.report(completed(db.claim_one(), 1))

    assert run.events() == []


@pytest.mark.parametrize("value", [5, None, [1]])
def test_an_input_without_a_goal_is_no_error(db, value):
    """
    Metadata is anybody's to give.
    """
    run = db.start(db.make_workflow(single("a")), value, metadata=GOAL, events="run")

    assert run.events()[1]["goal"] is None


def test_a_large_goal_is_referred_to(db):
    """
    It is stored with the run already.
    """
    run = start(db, goal="x" * 9_000)

    assert run.events()[1]["goal"] == {"$ref": str(run.id), "bytes": 9_002}


def test_a_redacted_run_tells_no_value(db):
    """
    Of its input, its results and its errors stands where they are.
    """
    secret = {**GOAL, "redact": True}
    fine, wrong = (start(db, secret, "all", "secret") for _ in range(2))
    tasks = {task.run_id: task for task in db.claim()}
    db.report(
        completed(tasks[fine.id], "secret"),
        failed(tasks[wrong.id], "secret"),
    )

    for run in (fine, wrong):
        assert "secret" not in str(run.events())
        assert run.events()[0]["input"]["$ref"] == str(run.id)
    assert fine.events()[-1]["final_result"]["$ref"] == str(fine.id)
    assert wrong.events()[-1]["error"]["$ref"] == str(wrong.id)


def test_a_redacted_run_does_not_quote_why_a_task_is_skipped(db):
    """
    In the words of a function; what the engine calls it is told.
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", "a", on_failure="skip", max_attempts=1)
        ),
        metadata={"redact": True},
        events="all",
    )
    db.skip(db.claim_one(), "secret")
    db.fail(db.claim_one(), "secret")

    reasons = [one["reason"] for one in run.events() if "reason" in one]

    assert "secret" not in str(run.events())
    assert [one if isinstance(one, str) else one["$ref"] for one in reasons] == [
        f"{run.id}/a/0",
        f"{run.id}/a",
        "handler failed",
    ]
