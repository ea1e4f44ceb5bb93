"""singularity_workflow.list_workflows: versions, their steps and edges."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_a_version_is_read_as_it_was_defined(db):
    """
    Steps in order, dependencies by name in the order of step numbers (C 29).
    """
    db.make_workflow(
        single("b"), single("a"), map_step("m", "a", "b", over="a"), name="etl"
    )

    (found,) = db.call("list_workflows", "etl")

    assert [step["name"] for step in found["steps"]] == ["b", "a", "m"]
    assert found["steps"][2]["depends_on"] == ["b", "a"]
    assert (found["steps"][2]["kind"], found["steps"][2]["over"]) == ("map", "a")


def test_the_latest_version_comes_first(db):
    """
    All versions of a name are listed, newest first.
    """
    old = db.make_workflow(single("a"), name="etl")
    new = db.make_workflow(single("b"), name="etl")

    found = db.call("list_workflows", "etl")

    assert [version["workflow_id"] for version in found] == [new.id, old.id]


def test_without_a_name_all_are_listed(db):
    """
    Workflows are ordered by name.
    """
    db.make_workflow(single("a"), name="zeta")
    db.make_workflow(single("a"), name="alpha")

    names = [version["name"] for version in db.call("list_workflows")]

    assert names == ["alpha", "zeta"]


def test_an_unknown_name_has_no_versions(db):
    """
    Nobody is told off for looking (C 30).
    """
    assert db.call("list_workflows", "nope") == []
