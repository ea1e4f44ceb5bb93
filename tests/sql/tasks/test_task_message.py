"""singularity_workflow.task_message: what announces a task."""

from __future__ import annotations


def test_it_holds_what_a_claim_needs(db):
    """
    Queue and key for the index, and the task; no payload.
    """
    run_id = db.new_id()

    body = db.call("task_message", "default", 7, run_id, 2, 3)

    assert body == {
        "queue": "default",
        "k": 7,
        "run": str(run_id),
        "step": 2,
        "task": 3,
    }


def test_it_is_inlined(db):
    """
    A call for each message would cost more than the message.
    """
    plan = db.rows(
        "explain verbose select singularity_workflow.task_message("
        "'q', g, null, 0::smallint, g) from generate_series(1, 9) g"
    )

    assert "task_message" not in str(plan)
