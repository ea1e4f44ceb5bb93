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


@pytest.fixture
def varied(db):
    """Six runs of different inputs and ends, oldest first."""
    workflow = db.make_workflow(single("a", max_attempts=1), name="v")
    found = [
        db.start(workflow, {"n": 1, "who": "ann"}),
        db.start(workflow, {"n": 2, "who": "bob"}),
        db.start(workflow, [5]),
        db.start(workflow),
    ]
    for task in db.claim():
        if task.run_id == found[1].id:
            db.fail(task)
        else:
            db.complete(task, {"place": found.index(run_of(found, task))})
    db.settle()
    found.append(db.copy(found[1]))
    found.append(db.call_child(db.claim_one(), workflow))
    return found


def run_of(runs, task):
    """Return the run of a task."""
    return next(run for run in runs if run.id == task.run_id)


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({"input": {"who": "bob"}}, [4, 1]),
        ({"input": "$.n > 1"}, [4, 1]),
        ({"input": "$[0] == 5"}, [2]),
        ({"input": "$ == null"}, [5, 3]),
        ({"output": {"a": {"place": 2}}}, [2]),
        ({"output": "$.a.place < 2"}, [0]),
        ({"input": {"n": 2}, "statuses": ["failed"]}, [1]),
        ({"statuses": []}, []),
    ],
)
def test_inputs_and_outputs(db, varied, filters, places):
    """
    A pattern that must be contained, or a path; only what has completed has an output.
    """
    assert listed(db, varied, **filters) == places


def test_parents_and_origins(db, varied):
    """
    Children of a run, repetitions of a run; given together both must hold.
    """
    origin, parent = str(varied[1].id), str(varied[4].id)

    assert listed(db, varied, origin=origin) == [4]
    assert listed(db, varied, parent=parent) == [5]
    assert listed(db, varied, parent=parent, origin=origin) == []
    row = page(db, {"parent": parent})["runs"][0]
    assert row["parent_id"] == parent


def test_until_leaves_its_moment_out(db, varied):
    """
    Younger runs too.
    """
    until = str(varied[2].row.created_at)

    assert listed(db, varied, until=until) == [1, 0]
    assert listed(db, varied, until=until, statuses=["failed"]) == [1]


@pytest.mark.parametrize("name", ["input", "output"])
def test_what_is_no_path_is_refused(db, varied, name):
    """
    Left out it would match every run.
    """
    with db.raises("SW403"):
        page(db, {name: "$.n >"})


@pytest.mark.parametrize("scan", [1, 2, 3, 20])
def test_a_scan_that_comes_to_its_end_gives_a_short_page(db, varied, scan):
    """
    With the place to go on from, until all was seen.
    """
    places, before = [], None
    for _ in range(10):
        reply = page(db, {"input": {"n": 1}}, before=before, limit=5, scan=scan)
        places += [row["id"] for row in reply["runs"]]
        before = reply["next"]
        if before is None:
            break

    assert before is None
    assert places == [str(varied[0].id)]


def test_a_scan_for_outputs_gets_on_however_small_it_is(db, varied):
    """
    An output is dear, but one run is looked at all the same.
    """
    reply = page(db, {"output": {"a": {}}}, limit=5, scan=1)

    assert reply["next"] == str(varied[5].id)


def test_an_input_that_jsonb_cannot_take_does_not_match(db):
    """
    And hides no other run.
    """
    workflow = db.make_workflow(single("a"))
    db.execute(
        "select singularity_workflow.start_runs(json_build_array(json_build_object("
        "'id', %s::uuid, 'workflow_id', %s::int, 'input', '[1e300000]'::json)))",
        *(db.new_id(), workflow.id),
    )
    run = db.start(workflow, [1])

    assert listed(db, [run], input="$[0] == 1") == [0]
