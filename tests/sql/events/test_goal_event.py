"""singularity_workflow.goal_event: the start and the end of a goal."""

from __future__ import annotations

import pytest
from fixtures.definitions import single, undo_step
from fixtures.outcomes import called
from fixtures.workbench import completed, failed

GOAL = {"goal_hash": "ab", "parent": None, "depth": 1}


def start(db, mark=GOAL, events="run", goal="a house", **request):
    """Start a run as that of a goal."""
    return db.start(
        db.make_workflow(single("a", max_attempts=1)),
        {"goal": goal},
        goal=mark,
        events=events,
        **request,
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


@pytest.mark.parametrize("level", ["run", "all"])
@pytest.mark.parametrize("after", [60, None])
def test_a_goal_is_cancelled_with_its_run(db, level, after):
    """
    By the clock or by somebody: its end is in front of that of the run, once.
    """
    run = start(db, events=level, timeout=after)

    if after is None:
        db.execute(
            "select singularity_workflow.cancel_runs(array[%s::uuid], %s)", run.id, "no"
        )
        db.cancel(run)
    else:
        db.advance(seconds=after)
        db.settle()

    reason = "no" if after is None else "deadline"
    goal, whole = run.events()[-2:]
    assert goal == {
        **goal, **GOAL, "type": "goal_cancelled", "goal": "a house", "reason": reason,
    }  # fmt: skip
    assert (whole["type"], whole["reason"]) == ("workflow_cancelled", reason)
    assert types(run).count("goal_cancelled") == 1


def test_a_pause_is_no_end_of_a_goal(db):
    """
    Nor is its resumption.
    """
    run = start(db)

    db.pause(run)
    db.resume(run)

    assert types(run)[2:] == ["workflow_paused", "workflow_resumed"]


@pytest.mark.parametrize(
    "metadata", [{"kind": "goal", **GOAL}, {"redact": True}, {"goal": GOAL}]
)
def test_metadata_makes_no_goal(db, metadata):
    """
    It is the user's: it neither begins events of goals nor hides values.
    """
    done, gone = (start(db, None, "all", "secret", metadata=metadata) for _ in range(2))
    db.cancel(gone)
    db.report(completed(db.claim_one(), 1))

    for run in (done, gone):
        assert not [one for one in types(run) if one.startswith("goal_")]
        assert run.events()[0]["input"] == {"goal": "secret"}


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
    Whoever starts runs in SQL may call any of them that of a goal.
    """
    run = db.start(db.make_workflow(single("a")), value, goal=GOAL, events="run")

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


@pytest.mark.parametrize("secret", [True, False])
def test_a_child_run_is_a_goals_if_its_task_says_so(db, secret):
    """
    With the parent that it names, and as discreet as the run that it comes from.
    """
    run = start(db, {**GOAL, "redact": secret})
    child = db.make_workflow(single("c"))
    mark = {"goal_hash": "cd", "parent": "ab", "depth": 2}
    outcome = called(db.claim_one(), db.new_id(), child.id, {"goal": "walls"})
    outcome["output"]["goal"] = mark

    db.report(outcome)
    below = db.run(outcome["output"]["run"])
    db.report(completed(db.claim_one(), 1))

    assert types(below) == [
        "workflow_started", "goal_started", "goal_completed", "workflow_completed",
    ]  # fmt: skip
    shown = {"$ref": str(below.id), "bytes": 7} if secret else "walls"
    for event in below.events()[1:3]:
        assert event == {**event, **mark, "goal": shown}
    assert run.row.goal["redact"] is secret


def test_a_retried_goal_is_one_again(db):
    """
    The new run has a start of its own.
    """
    run = start(db)
    db.report(failed(db.claim_one(), "no"))

    again = db.copy(run)
    db.report(completed(db.claim_one(), 1))

    assert types(again) == [
        "workflow_started", "goal_started", "goal_completed", "workflow_completed",
    ]  # fmt: skip


def test_the_undoing_of_a_goal_is_none(db):
    """
    But it tells no more values than the goal does.
    """
    db.make_workflow(undo_step("a"), name="undo_goal", undoes="do_goal")
    once = single("b", "a", max_attempts=1)
    flow = db.make_workflow(single("a"), once, name="do_goal", compensation="undo_goal")
    run = db.start(flow, {"goal": "secret"}, goal={**GOAL, "redact": True})
    db.report(completed(db.claim_one(), "secret"))
    db.report(failed(db.claim_one(), "secret"))

    db.settle()
    (undo,) = db.rows(
        "select run_id from singularity_workflow.runs where origin_run_id = %s", run.id
    )

    found = db.run(undo.run_id).events()
    assert not [one for one in found if one["type"].startswith("goal_")]
    assert "secret" not in str(found)


def test_a_redacted_run_does_not_quote_why_a_task_is_skipped(db):
    """
    In the words of a function; what the engine calls it is told.
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", "a", on_failure="skip", max_attempts=1)
        ),
        goal={**GOAL, "redact": True},
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
