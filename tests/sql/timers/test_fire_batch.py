"""singularity_workflow.fire_batch: do what some timers that are due ask for."""

from __future__ import annotations

from fixtures.definitions import single


def test_all_of_them_or_none(db):
    """
    The caller isolates the one that raises.
    """
    runs = [db.start(db.make_workflow(single("a", start_delay=1))) for _ in range(2)]
    timers = [run.timers()[0].timer_id for run in runs]

    row = db.call("fire_batch", timers, None, db.value("select now()"))

    assert row.p_announced == min(run.messages()[0]["k"] for run in runs)
    assert (row.p_ended, row.p_overdue) == (None, None)
    assert db.count("timers") == 0
    db.check()


def test_timers_that_are_not_named_stay(db):
    """
    Due or not.
    """
    run = db.start(db.make_workflow(single("a", start_delay=1)))

    db.call("fire_batch", [0], None, db.value("select now()"))

    assert len(run.timers()) == 1
