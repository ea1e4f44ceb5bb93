"""singularity_workflow.open_steps: let runs begin whose steps have been written."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, map_step, single


@pytest.fixture
def failed(db):
    """Return what makes a run of steps of which the first ended and the last failed."""

    def make(*steps, **request):
        run = db.start(db.make_workflow(*steps, max_attempts=1), **request)
        while run.status == "started":
            for task in db.claim():
                if task.step == "last":
                    db.fail(task)
                else:
                    db.complete(task, [])
        return run

    return make


def test_ended_steps_count_down_their_dependents(db, failed):
    """
    Those that wait for nothing more start.
    """
    again = db.copy(failed(single("a"), single("b"), single("last", "a", "b")))

    assert again.step("last").remaining_deps == 0
    assert len(db.claim()) == 1
    db.check()


def test_maps_over_nothing_end_at_once(db, failed):
    """
    With all that follows from it.
    """
    run = failed(*chain(2), single("last", "s0"), map_step("m", "s0"))

    again = db.copy(run, "m")

    assert again.steps["m"] == "completed"
    db.check()


def test_a_run_may_end_in_the_call(db):
    """
    The reply says so.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))
    db.work(a=[])

    reply = db.call("copy_run", run.id, db.new_id(), "m")

    assert [end[1:3] for end in reply["ended"]] == [["completed", {"m": []}]]
    db.check()


def test_a_serial_run_lets_one_task_go(db, failed):
    """
    The first.
    """
    run = failed(single("a"), single("last", "a"), single("c", "last"), serial=True)

    again = db.copy(run)

    assert [t.step for t in db.claim()] == ["last"]
    assert again.row.turns == 1
    db.check()
