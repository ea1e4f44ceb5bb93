"""singularity_workflow.list_runs: one page of runs, newest first."""

from __future__ import annotations

import pytest
from fixtures.definitions import single


@pytest.fixture
def runs(db):
    """Five runs of two workflows, in order of creation."""
    one = db.make_workflow(single("a"), name="one")
    two = db.make_workflow(single("a"), name="two")
    found = [
        db.start(one, tags=["x"]),
        db.start(two, tags=["x", "y"]),
        db.start(one),
        db.start(two, tags=["y"]),
        db.start(one, tags=["x", "y"]),
    ]
    db.call("cancel_runs", [found[0].id])
    return found


def listed(db, runs, **filters):
    """Return the places in *runs* of those that are listed."""
    places = {str(run.id): place for place, run in enumerate(runs)}
    rest = {key: filters.pop(key) for key in ("before", "limit") if key in filters}
    return [places[row["id"]] for row in page(db, filters, **rest)["runs"]]


def page(db, filters=None, **rest):
    """Return what list_runs says."""
    data = {
        key: str(one) if key == "since" else one for key, one in (filters or {}).items()
    }
    return db.call("list_runs", data, **rest)


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"statuses": ["cancelled"]}, [0]),
        ({"statuses": ["cancelled", "started"], "limit": 2}, [4, 3]),
        ({"workflow": "two"}, [3, 1]),
        ({"workflow": "nope"}, []),
        ({"tags": ["x"]}, [4, 1, 0]),
        ({"tags": ["y", "x"]}, [4, 1]),
        ({"statuses": ["started"], "workflow": "one", "tags": ["x"]}, [4]),
    ],
)
def test_filters(db, runs, filters, places):
    """
    All that are given must hold; of the tags all.
    """
    assert listed(db, runs, **filters) == places


def test_the_last_id_of_a_page_is_the_key_of_the_next(db, runs):
    """
    Pages do not overlap and leave nothing out.
    """
    pages, before = [], None
    while found := listed(db, runs, before=before, limit=2):
        pages.append(found)
        before = runs[found[-1]].id

    assert pages == [[4, 3], [2, 1], [0]]


def test_since_includes_its_moment(db, runs):
    """
    Older runs are left out.
    """
    assert listed(db, runs, since=runs[3].row.created_at) == [4, 3]


def test_what_a_row_says(db):
    """
    Enough for a line of a table.
    """
    workflow = db.make_workflow(single("a"), name="etl")
    run = db.start(workflow, priority=2, tags=["x"])

    (row,) = page(db)["runs"]

    assert (row["id"], row["workflow"], row["version"], row["status"]) == (
        str(run.id),
        "etl",
        workflow.version,
        "started",
    )
    assert (row["priority"], row["tags"], row["ended_at"]) == (2, ["x"], None)
