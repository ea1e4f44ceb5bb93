"""singularity_workflow.list_flows: all workflows, by name."""

from __future__ import annotations

from fixtures.definitions import map_step, single

from sql.flows.support import Flow


def names(rows):
    """Return the names of workflows."""
    return [row["name"] for row in rows]


def test_drafts_and_versions_are_listed(db):
    """
    Each workflow once, with its steps, in order of name.
    """
    db.make_workflow(single("a"), map_step("m", "a"), single("z", "m", "a"), name="b")
    Flow(db, "a")
    flow = Flow(db, "b")
    flow.add("y", "z")
    Flow(db, "c").add("x")

    found = db.call("list_flows")

    assert names(found) == ["a", "b", "c"]
    assert [len(row["steps"]) for row in found] == [0, 4, 1]
    assert [row["draft"] is None for row in found] == [False] * 3


def test_of_several_versions_the_latest_is_listed(db):
    """
    As a start by name would run it.
    """
    db.make_workflow(single("a"), name="etl")
    latest = db.make_workflow(single("b"), single("c", "b"), name="etl")

    (found,) = db.call("list_flows")

    assert found["workflow_id"] == latest.id
    assert [step["name"] for step in found["steps"]] == ["b", "c"]
    assert found["steps"][1]["depends_on"] == ["b"]


def test_pages_follow_each_other(db):
    """
    The last name of a page is where the next one begins.
    """
    for name in "dbeac":
        Flow(db, name)

    pages, after = [], None
    while page := db.call("list_flows", after, 2):
        pages.append(names(page))
        after = page[-1]["name"]

    assert pages == [["a", "b"], ["c", "d"], ["e"]]


def test_of_nothing_the_list_is_empty(db):
    """
    No workflow is no error.
    """
    assert db.call("list_flows") == []
