"""singularity_workflow.save_flow: a draft as a whole."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, definition, map_step, single

from sql.flows.support import Flow


def test_all_steps_are_stored(db):
    """
    In their order, with options, kinds and edges (B 14, B 21).
    """
    data = definition(
        single("a", timeout=3), map_step("m", "a", "a"), single("z", "m", "a"),
        name="etl", max_attempts=2,
    )  # fmt: skip

    answer = db.call("save_flow", {**data, "input_schema": {"type": "object"}})

    found = db.call("read_flow", "etl")
    steps = {step["name"]: step for step in found["steps"]}
    assert answer == {"name": "etl", "steps": 3}
    assert found["options"] == {"max_attempts": 2}
    assert found["input_schema"] == {"type": "object"}
    assert list(steps) == ["a", "m", "z"]
    assert steps["a"]["options"] == {"timeout": 3}
    assert (steps["m"]["depends_on"], steps["m"]["over"]) == (["a"], "a")
    assert steps["z"]["depends_on"] == ["m", "a"]


def test_edges_may_point_backwards(db):
    """
    A whole flow is checked as a whole: a step may depend on a later one.
    """
    db.call("save_flow", definition(single("a", "b"), single("b"), name="etl"))

    assert db.call("freeze_flow", "etl")["outcome"] == "compiled"


def test_a_draft_is_replaced(db):
    """
    What was there is gone, and can be another workflow altogether.
    """
    flow = Flow(db, "etl", max_attempts=7)
    flow.add("old")

    db.call("save_flow", definition(single("new"), name="etl"))

    assert flow.names == ["new"]
    assert flow.read()["options"] == {}
    assert db.count("flow_drafts") == 1
    assert db.count("flow_draft_steps") == 1


def test_a_saved_flow_is_the_version_of_the_same_definition(db):
    """
    Saving and freezing is registering, by another way (C 38).
    """
    data = definition(*chain(5), map_step("m", "s0", "s1", over="s1"), name="etl")
    registered = db.register(data)

    db.call("save_flow", data)
    frozen = db.call("freeze_flow", "etl")

    assert (frozen["workflow_id"], frozen["version"]) == (
        registered.id,
        registered.version,
    )
    assert frozen["outcome"] == "verified"


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ([], "/steps"),
        ([single("a", "a")], "/steps/0/depends_on/0"),
        ([single("a", "b")], "/steps/0/depends_on/0"),
        ([single("a", "b"), single("b", "a")], "/steps"),
        ([single("a"), single("A")], "/steps/1/name"),
    ],
)
def test_a_wrong_flow_is_refused(db, steps, pointer):
    """
    And the draft that was there is as it was (B 16, B 17, T 205).
    """
    flow = Flow(db, "etl")
    flow.add("a")

    with db.raises("SW400") as caught:
        db.call("save_flow", definition(*steps, name="etl"))

    assert caught.value.diag.message_detail == pointer
    assert flow.names == ["a"]


def test_a_name_that_differs_by_case_only_is_refused(db):
    """
    As when it is created (U 220).
    """
    Flow(db, "Etl")

    with db.raises("SW400"):
        db.call("save_flow", definition(single("a"), name="etl"))
