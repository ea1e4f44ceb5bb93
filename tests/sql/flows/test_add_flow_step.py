"""singularity_workflow.add_flow_step: drafts grow, and never change otherwise."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single

from sql.flows.support import BAD_NAMES, GOOD_NAMES, Flow


@pytest.fixture
def flow(db):
    """A draft without steps."""
    return Flow(db)


def test_a_step_without_dependencies_is_stored(flow):
    """
    A single step without options (B 11, B 21, B 23).
    """
    answer = flow.add("a")

    step = flow.steps["a"]
    assert answer == {"step": "a", "step_no": 0, "outcome": "added"}
    assert (step["kind"], step["depends_on"], step["options"]) == ("single", [], {})
    assert (step["over"], step["initial_tasks"]) == (None, None)
    assert step["created_at"]


def test_a_step_behind_another_has_an_edge(flow):
    """
    One dependency is stored (B 12).
    """
    flow.add("a")

    flow.add("b", "a")

    assert flow.steps["b"]["depends_on"] == ["a"]


def test_steps_are_numbered_in_their_order(db, flow):
    """
    From 0 on, and in each workflow anew (B 14, B 20).
    """
    other = Flow(db, "other")

    numbers = [flow.add(name)["step_no"] for name in "cab"]

    assert numbers == [0, 1, 2]
    assert other.add("a")["step_no"] == 0
    assert (flow.names, other.names) == (["c", "a", "b"], ["a"])


def test_dependencies_are_stored_once(flow):
    """
    Duplicates count once (U 218).
    """
    flow.add("a")
    flow.add("b")

    flow.add("c", "b", "a", "b")

    assert flow.steps["c"]["depends_on"] == ["b", "a"]


@pytest.mark.parametrize("first", [{}, {"max_attempts": 5}])
def test_the_same_step_again_is_no_second_one(flow, first):
    """
    The options of the first call are kept, also when it had none (B 15).
    """
    flow.add("a")
    flow.add("b", "a", options=first)

    answer = flow.add("b", "a", options={"max_attempts": 7})

    assert (answer["outcome"], answer["step_no"]) == ("existing", 1)
    assert flow.steps["b"]["options"] == first


def test_the_order_of_dependencies_makes_no_other_step(flow):
    """
    Nor do repeats (C 29).
    """
    flow.add("a")
    flow.add("b")
    flow.add("c", "a", "b")

    assert flow.add("c", "b", "a", "b")["outcome"] == "existing"


@pytest.mark.parametrize(
    "again",
    [
        {"depends_on": []},
        {"depends_on": ["b"]},
        {"depends_on": ["a", "b"]},
        {"depends_on": ["gone"]},
        {"depends_on": ["a"], "kind": "map"},
    ],
)
def test_the_same_step_with_other_dependencies_is_refused(flow, again):
    """
    Nothing has changed then (U 218).
    """
    flow.add("a")
    flow.add("b")
    flow.add("c", "a")
    before = flow.read()

    with flow.db.raises("SW400") as caught:
        flow.add("c", **again)

    assert "exists" in caught.value.diag.message_primary
    assert "another name" in caught.value.diag.message_hint
    assert flow.read() == before


def test_a_step_that_depends_on_itself_is_refused(flow):
    """
    It could never start (B 16).
    """
    with flow.db.raises("SW400") as caught:
        flow.add("a", "a")

    assert "itself" in caught.value.diag.message_primary


def test_an_unknown_dependency_is_refused(flow):
    """
    The error names it, and the steps that there are (B 17).
    """
    flow.add("fetch")

    with flow.db.raises("SW400") as caught:
        flow.add("price", "fecth")

    assert "'fecth'" in caught.value.diag.message_primary
    assert "fetch" in caught.value.diag.message_hint
    assert flow.names == ["fetch"]


def test_a_dependency_of_another_case_is_unknown(flow):
    """
    Names are compared as they are (B 17).
    """
    flow.add("fetch")

    with flow.db.raises("SW400"):
        flow.add("price", "Fetch")


def test_a_step_of_another_workflow_is_no_dependency(db, flow):
    """
    Workflows are isolated (B 20).
    """
    Flow(db, "other").add("a")

    with db.raises("SW400"):
        flow.add("b", "a")


def test_an_unknown_workflow_is_refused(db):
    """
    The hint says how to open it (B 18).
    """
    with db.raises("SW404") as caught:
        db.call("add_flow_step", "nowhere", {"name": "a"})

    assert "create_flow" in caught.value.diag.message_hint


@pytest.mark.parametrize("name", [*BAD_NAMES, 5])
def test_a_bad_name_is_refused(flow, name):
    """
    As of a workflow (A 8).
    """
    with flow.db.raises("SW400") as caught:
        flow.add(name)

    assert caught.value.diag.message_detail == "/name"
    assert flow.names == []


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_taken(flow, name):
    """
    As of a workflow (A 8).
    """
    flow.add(name)

    assert flow.names == [name]


def test_a_name_that_differs_by_case_only_is_refused(flow):
    """
    Two such steps are one mistake (U 220).
    """
    flow.add("Fetch")

    with flow.db.raises("SW400") as caught:
        flow.add("fetch")

    assert "case" in caught.value.diag.message_primary


def test_options_are_stored_one_by_one(flow):
    """
    What was given, and nothing else (B 21, B 22).
    """
    given = {"max_attempts": 2, "timeout": 5, "start_delay": 0, "retry": {"delay": 3}}
    for name, value in given.items():
        flow.add(name, options={name: value})
    flow.add("all", options={"timeout": 5, "start_delay": 1, "max_attempts": 1})

    for name, value in given.items():
        assert flow.steps[name]["options"] == {name: value}
    assert len(flow.steps["all"]["options"]) == 3


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"kind": "loop"}, "/kind"),
        ({"options": {"start_delay": -1}}, "/options/start_delay"),
        ({"options": {"max_attempts": 0}}, "/options/max_attempts"),
        ({"options": {"on_unmet": "explode"}}, "/options/on_unmet"),
        ({"options": {"when": [1]}}, "/options/when"),
        ({"options": {"when": 1}}, "/options/when"),
        ({"options": {"when_not": True}}, "/options/when_not"),
        ({"options": 5}, "/options"),
        ({"depends_on": "a"}, "/depends_on"),
        ({"depends_on": [1]}, "/depends_on"),
        ({"depends_on": {}}, "/depends_on"),
        ({"over": "a"}, "/over"),
        ({"initial_tasks": 3}, "/initial_tasks"),
        ({"kind": "map", "initial_tasks": -1}, "/initial_tasks"),
        ({"kind": "map", "initial_tasks": 1.5}, "/initial_tasks"),
        ({"kind": "map", "over": "gone"}, "/over"),
        ({"kind": "map", "depends_on": ["a", "b"]}, "/over"),
        ({"kind": "map", "depends_on": ["a", "b"], "over": "c"}, "/over"),
        ({"dependson": ["a"]}, "/dependson"),
        ({"workflow": "a-b"}, "/workflow"),
        ({"workflow": 5}, "/workflow"),
        ({"options": {"on_error": "skip"}}, "/options/on_error"),
        ({"kind": "undo"}, "/kind"),
    ],
)
def test_what_is_wrong_with_a_step_is_refused(flow, members, pointer):
    """
    With its place; nothing has changed (B 22, B 23, B 24, B 26, B 27).
    """
    for name in "abc":
        flow.add(name)

    with flow.db.raises("SW400") as caught:
        flow.add("s", **members)

    assert caught.value.diag.message_detail == pointer
    assert flow.names == ["a", "b", "c"]


@pytest.mark.parametrize("step", [None, 5, "a", [], ["name"]])
def test_a_step_is_an_object(flow, step):
    """
    Anything else is refused.
    """
    with flow.db.raises("SW400"):
        flow.db.call("add_flow_step", flow.name, step)


@pytest.mark.parametrize(
    ("members", "over"),
    [
        ({}, None),
        ({"initial_tasks": 3}, None),
        ({"depends_on": ["a"]}, "a"),
        ({"depends_on": ["a", "b"], "over": "b"}, "b"),
    ],
)
def test_a_map_has_a_source_or_says_which(flow, members, over):
    """
    None, its only dependency, or the one that `over` names (B 24).
    """
    flow.add("a")
    flow.add("b")

    flow.add("m", kind="map", **members)

    step = flow.steps["m"]
    assert (step["kind"], step["over"]) == ("map", over)
    assert step["initial_tasks"] == members.get("initial_tasks")


def test_a_single_step_has_any_number_of_dependencies(flow):
    """
    Three are as good as one (B 24).
    """
    for name in "abc":
        flow.add(name)

    flow.add("d", "a", "b", "c")

    assert flow.steps["d"]["depends_on"] == ["a", "b", "c"]


def test_a_step_after_the_start_opens_a_copy(flow):
    """
    The draft has the steps of the latest version, with their options, and the new one.
    """
    flow.add("a", options={"timeout": 5})
    flow.add("m", "a", kind="map", initial_tasks=2)
    first = flow.freeze()
    before = flow.steps

    answer = flow.add("z", "m")

    assert answer["step_no"] == 2
    assert flow.names == ["a", "m", "z"]
    assert {**before, "z": flow.steps["z"]} == flow.steps
    assert flow.read()["version"] == first["version"]
    assert flow.read()["draft"] is not None


def test_running_runs_keep_their_shape(db, flow):
    """
    The next version is for later runs (C 39).
    """
    flow.add("a")
    first = flow.freeze()
    run = db.start(flow.name)

    flow.add("b", "a")
    second = flow.freeze()
    db.work(a=1)

    assert second["version"] != first["version"]
    assert run.status == "completed"
    assert run.output == {"a": 1}


def test_a_known_step_opens_no_draft(flow):
    """
    A program that builds its workflow again changes nothing (A 2, B 15).
    """
    flow.add("a")
    flow.add("b", "a")
    flow.freeze()

    answers = [flow.add("a"), flow.add("b", "a", options={"timeout": 1})]

    assert [one["outcome"] for one in answers] == ["existing"] * 2
    assert flow.db.count("flow_drafts") == 0


def test_a_known_step_with_other_dependencies_opens_no_draft(flow):
    """
    What was refused leaves no trace (U 218).
    """
    flow.add("a")
    flow.add("b")
    flow.freeze()

    for depends_on in (["a"], ["gone"]):
        with flow.db.raises("SW400"):
            flow.add("b", *depends_on)
    with flow.db.raises("SW400"):
        flow.add("c", "gone")

    assert flow.db.count("flow_drafts") == 0
    assert flow.db.count("flow_draft_steps") == 0


def test_a_workflow_from_code_can_be_added_to(db):
    """
    Static and dynamic workflows are the same rows.
    """
    db.make_workflow(
        single("a", timeout=3), map_step("m", "a"), name="etl", max_attempts=2
    )
    flow = Flow(db, "etl")

    flow.add("z", "m")

    assert flow.read()["options"] == {"max_attempts": 2}
    assert flow.steps["a"]["options"] == {"timeout": 3}
    assert (flow.steps["m"]["kind"], flow.steps["m"]["over"]) == ("map", "a")


def test_the_last_possible_step_is_the_32767th(db, flow):
    """
    One more is refused: step numbers are a smallint.
    """
    flow.add("a")
    db.execute("update singularity_workflow.flow_draft_steps set step_no = 32766")

    with db.raises("SW400") as caught:
        flow.add("b")

    assert "32767" in caught.value.diag.message_primary


def test_a_snapshot_is_refused(committed):
    """
    Above READ COMMITTED it would not see what it waited for.
    """
    Flow(committed)
    committed.execute("begin isolation level repeatable read")

    with committed.raises("SW410"):
        committed.call("add_flow_step", "flow", {"name": "a"})

    committed.execute("rollback")
