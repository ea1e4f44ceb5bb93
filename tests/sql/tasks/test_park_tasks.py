"""singularity_workflow.park_tasks: messages of runs that are not started."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step
from psycopg.types.json import Jsonb


@pytest.fixture
def run(db):
    """A run with two queued tasks."""
    return db.start(db.make_workflow(map_step("m")), [1, 2])


def set_status(db, run, status):
    """Change the status of a run as pausing and resuming will."""
    db.execute(
        "update singularity_workflow.runs set status = %s, "
        "ended_at = case when %s = 'cancelled' then now() end where run_id = %s",
        status,
        status,
        run.id,
    )


def test_a_claim_on_a_paused_run_gets_nothing(db, run):
    """
    Its tasks are parked and their messages gone, so that no claim sees them (U 222).
    """
    set_status(db, run, "paused")

    assert db.claim() == []
    assert [(t.status, t.wait_reason) for t in run.tasks()] == [
        ("waiting", "paused")
    ] * 2
    assert run.messages() == []
    db.check()


def test_a_message_of_a_cancelled_run_is_dropped(db, run):
    """
    The sweep of its tasks is somebody else's.
    """
    set_status(db, run, "cancelled")

    assert db.claim() == []
    assert run.messages() == []


def test_other_runs_are_claimed_in_the_same_call(db, run):
    """
    A paused run does not stand in anybody's way.
    """
    other = db.start(db.make_workflow(map_step("m")), [3])
    set_status(db, run, "paused")

    assert [task.run_id for task in db.claim()] == [other.id]
    db.check()


def park(db, run):
    """Take the messages of a run and park them, as a claim does."""
    rows = db.rows(
        "delete from pgmq.q_swf_tasks where message->>'run' = %s::text "
        "returning msg_id, message",
        run.id,
    )
    db.execute(
        "select singularity_workflow.park_tasks(%s, %s, clock_timestamp())",
        [Jsonb(row.message) for row in rows],
        [row.msg_id for row in rows],
    )


def test_a_run_that_was_resumed_meanwhile_keeps_its_messages(db, run):
    """
    The claim saw it paused; looked at again it is started, so nothing is lost (F1).
    """
    before = [task.msg_id for task in run.tasks()]

    park(db, run)

    assert [task.msg_id for task in run.tasks()] == before
    assert len(run.messages()) == 2
    db.check()
    assert len(db.claim()) == 2
