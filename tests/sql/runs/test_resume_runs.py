"""singularity_workflow.resume_runs: go on with paused runs."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, map_step, single


def test_exactly_what_is_pending_goes_on(db):
    """
    Parked tasks are queued once; those that nobody claimed still are (U 222).
    """
    run = db.start(db.make_workflow(map_step("m"), single("a")), [1, 2, 3])
    db.complete(db.claim(1)[0])
    db.pause(run)
    assert db.claim(2) == []
    db.check()

    reply = db.resume(run)

    assert reply["runs"] == [[str(run.id), "paused", True]]
    assert reply["announced"] == run.messages()[0]["k"]
    assert len(run.messages()) == 3
    assert len(db.work()) == 3
    assert run.status == "completed"
    db.check()


@pytest.mark.parametrize("times", [1, 2])
def test_a_second_resumption_changes_nothing(db, times):
    """
    Nor does one of a run that was never paused.
    """
    run = db.start(db.make_workflow(single("a")))
    if times == 2:
        db.pause(run)
        db.claim()
        db.resume(run)

    assert db.resume(run)["runs"] == [[str(run.id), "started", False]]
    assert len(run.messages()) == 1
    db.check()


def test_more_than_a_thousand_tasks_go_on_by_timers(db):
    """
    A pause in between loses none (S13).
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(2_500)))
    db.pause(run)
    db.settle()
    assert db.claim(2_500) == []
    assert {t.wait_reason for t in run.tasks()} == {"paused"}
    db.check()

    db.resume(run)
    db.check()
    assert len(run.messages()) == 1_000
    db.pause(run)
    db.settle()
    db.resume(run)
    db.settle()

    assert len(run.messages()) == 2_500
    db.check()


def test_a_window_opens_again(db):
    """
    What ended in the pause made room, and nothing took it.
    """
    run = db.start(db.make_workflow(map_step("m", max_concurrency=2)), list(range(5)))
    tasks = db.claim()
    db.pause(run)
    db.report(*({**t.ref, "outcome": "completed"} for t in tasks))
    assert db.claim() == []
    db.check()

    db.resume(run)

    assert [t.index for t in db.claim()] == [2, 3]
    db.check()


def test_a_turn_is_given_again(db):
    """
    The next task of a serial run goes on, and only that.
    """
    run = db.start(db.make_workflow(*chain(2), single("b")), serial=True)
    task = db.claim_one()
    db.pause(run)
    db.complete(task)
    assert db.claim() == []
    db.check()

    db.resume(run)

    assert len(db.claim()) == 1
    db.check()


def test_a_deadline_that_had_passed_before_strikes_at_once(db):
    """
    The pause came too late to help.
    """
    run = db.start(db.make_workflow(single("a")), timeout=0.001)
    db.value("select pg_sleep(0.002)::text")
    db.pause(run)

    db.resume(run)
    db.fire()

    assert (run.status, run.row.reason) == ("cancelled", "deadline")
    db.check()


def test_a_pause_of_a_serial_run_whose_task_waits_for_its_retry(db):
    """
    The task keeps the turn over the pause.
    """
    run = db.start(db.make_workflow(single("a"), single("b")), serial=True)
    db.fail(db.claim_one())
    db.pause(run)
    db.advance(hours=1)
    db.fire()
    db.check()

    db.resume(run)

    assert [t.step for t in db.claim()] == ["a"]
    db.check()
