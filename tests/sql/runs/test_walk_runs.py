"""singularity_workflow.walk_runs: the next runs along the narrowest index."""

from __future__ import annotations

import pytest
from fixtures.definitions import single


@pytest.fixture
def runs(db):
    """Four runs of two workflows: started, failed, paused with a tag, cancelled."""
    one = db.make_workflow(single("a", max_attempts=1), name="one")
    two = db.make_workflow(single("b"), name="two")
    found = [db.start(one), db.start(one), db.start(two, tags=["x"]), db.start(two)]
    tasks = {t.run_id: t for t in db.claim()}
    db.fail(tasks[found[1].id])
    db.pause(found[2])
    db.cancel(found[3])
    return found


def walked(db, runs, filter=None, statuses=None, tags=(), versions=None, **rest):
    """Return the places in *runs* of those that are walked over."""
    ids = [run.id for run in runs]
    found = db.call(
        "walk_runs",
        filter or {},
        statuses,
        list(tags),
        versions,
        rest.get("before"),
        rest.get("limit", 10),
    )
    return [ids.index(run_id) for run_id in found]


def test_without_a_filter_all_are_walked_over(db, runs):
    """
    Newest first, a page at a time.
    """
    assert walked(db, runs) == [3, 2, 1, 0]
    assert walked(db, runs, limit=2) == [3, 2]
    assert walked(db, runs, before=runs[2].id, limit=2) == [1, 0]


@pytest.mark.parametrize(
    ("statuses", "places"),
    [
        (["failed"], [3, 1]),
        (["failed", "cancelled"], [3, 1]),
        (["paused"], [2, 0]),
        (["started", "failed"], [3, 2, 1, 0]),
        ([], [3, 2, 1, 0]),
    ],
)
def test_statuses_choose_an_index(db, runs, statuses, places):
    """
    It may hold more than was asked for; the caller looks at each.
    """
    assert walked(db, runs, statuses=statuses) == places


def test_tags_and_workflows_have_indexes_of_their_own(db, runs):
    """
    A workflow that nobody registered has no runs.
    """
    assert walked(db, runs, tags=["x"]) == [2]
    assert walked(db, runs, versions=[runs[0].row.workflow_id]) == [1, 0]
    assert walked(db, runs, versions=[]) == []


def test_times_bound_the_walk(db, runs):
    """
    A little wider than they say: the clocks that made the ids differ.
    """
    now = db.value("select clock_timestamp()")
    late = db.value("select clock_timestamp() + interval '1 hour'")
    early = db.value("select clock_timestamp() - interval '1 hour'")

    assert walked(db, runs, {"since": str(late)}) == []
    assert walked(db, runs, {"until": str(early)}) == []
    assert len(walked(db, runs, {"since": str(now), "until": str(now)})) == 4
