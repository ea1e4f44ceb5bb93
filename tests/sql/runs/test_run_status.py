"""singularity_workflow.run_status: all there is to know of one run."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_the_counts_of_steps_and_tasks(db):
    """
    Completed does not count skipped.
    """
    run = db.start(
        db.make_workflow(
            map_step("m"),
            single("skips", max_attempts=1, on_failure="skip"),
            single("after", "m"),
        ),
        [1, 2],
    )
    tasks = {(task.step, task.index): task for task in db.claim()}
    db.fail(tasks["skips", 0])
    db.complete(tasks["m", 0])

    status = db.call("run_status", run.id)

    counts = {key: status[key] for key in status if key.endswith(("_steps", "_tasks"))}
    assert counts == {
        "total_steps": 3,
        "completed_steps": 0,
        "skipped_steps": 1,
        "failed_steps": 0,
        "total_tasks": 3,
        "completed_tasks": 1,
        "failed_tasks": 1,
        "started_tasks": 1,
        "queued_tasks": 0,
        "waiting_tasks": 0,
    }


def test_a_step_says_why_it_was_skipped(db):
    """
    Reason, error and attempts stand with the step (L 142).
    """
    run = db.start(
        db.make_workflow(single("a", max_attempts=1, on_failure="skip"), single("b"))
    )
    tasks = {task.step: task for task in db.claim()}
    db.fail(tasks["a"], "no luck")

    step = db.call("run_status", run.id)["steps"][0]

    assert (step["status"], step["skip_reason"]) == ("skipped", "handler failed")
    assert (step["error"]["message"], step["attempts"]) == ("no luck", 1)


def test_an_unknown_run_is_an_error(db):
    """
    With the code of RunNotFound.
    """
    with db.raises("SW405"):
        db.call("run_status", db.new_id())
