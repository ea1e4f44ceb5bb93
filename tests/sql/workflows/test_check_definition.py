"""singularity_workflow.check_definition: what cannot run is refused, with its place."""

from __future__ import annotations

import pytest
from fixtures.definitions import definition, map_step, single


def check(db, *steps, **workflow):
    """Check a workflow of these steps."""
    db.call("check_definition", {**definition(*steps), **workflow})


@pytest.mark.parametrize("name", ["etl", "_", "load_orders", "step2", "LoadOrders"])
def test_good_names(db, name):
    """
    Letters, digits and underscores in any case, not beginning with a digit (A 8).
    """
    check(db, single(name), name=name)


@pytest.mark.parametrize("name", ["a" * 128])
def test_a_name_may_have_128_characters(db, name):
    """
    The longest name is 128 characters (A 8).
    """
    check(db, single(name), name=name)


BAD_NAMES = [None, "", "a" * 129, "a-b", "a b", "1a", "é", "input", "CTX", "item"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_of_workflows(db, name):
    """
    Every rule for names holds for workflows (A 8).
    """
    with db.raises("SW400") as caught:
        check(db, single("a"), name=name)

    assert caught.value.diag.message_detail == "/name"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_of_steps(db, name):
    """
    Every rule for names holds for steps (A 8).
    """
    with db.raises("SW400") as caught:
        check(db, single("first"), single(name))

    assert caught.value.diag.message_detail == "/steps/1/name"


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ([single("a"), single("a")], "/steps/1/name"),
        ([single("a"), single("A")], "/steps/1/name"),
        ([single("a", "a")], "/steps/0/depends_on/0"),
        ([single("a"), single("b", "a", "nope")], "/steps/1/depends_on/1"),
        ([{**single("a"), "kind": "loop"}], "/steps/0/kind"),
        ([{**single("a"), "depends_on": "b"}], "/steps/0/depends_on"),
        ([{**single("a"), "depends_on": {"b": 1}}], "/steps/0/depends_on"),
        ([{**single("a"), "options": []}], "/steps/0/options"),
        ([{**single("a"), "over": "b"}], "/steps/0/over"),
        ([{**single("a"), "initial_tasks": 2}], "/steps/0/initial_tasks"),
        ([single("a"), single("b"), map_step("m", "a", "b")], "/steps/2/over"),
        ([single("a"), single("b"), map_step("m", "a", over="b")], "/steps/2/over"),
        ([map_step("m", over="m")], "/steps/0/over"),
        ([map_step("m", initial_tasks=-1)], "/steps/0/initial_tasks"),
        ([map_step("m", initial_tasks=1.5)], "/steps/0/initial_tasks"),
        ([map_step("m", initial_tasks=10**9)], "/steps/0/initial_tasks"),
        ([single("a", on_failure="retry")], "/steps/0/options/on_failure"),
        ([single("a", on_unmet="retry")], "/steps/0/options/on_unmet"),
        ([single("a", timeout=0)], "/steps/0/options/timeout"),
        ([single("a", timeout="1")], "/steps/0/options/timeout"),
        ([single("a", start_delay=-1)], "/steps/0/options/start_delay"),
        ([single("a", queue="a-b")], "/steps/0/options/queue"),
        ([single("a", priority="high")], "/steps/0/options/priority"),
        ([single("a", priority=1001)], "/steps/0/options/priority"),
        ([single("a", priority=1.5)], "/steps/0/options/priority"),
        ([single("a", max_attempts=0)], "/steps/0/options/max_attempts"),
        ([single("a", max_attempts=1.5)], "/steps/0/options/max_attempts"),
        ([single("a", retry=3)], "/steps/0/options/retry"),
        ([single("a", retry={"delay": -1})], "/steps/0/options/retry/delay"),
        ([single("a", retry={"backoff": 0.5})], "/steps/0/options/retry/backoff"),
        ([single("a", retry={"max_delay": -1})], "/steps/0/options/retry/max_delay"),
        (
            [single("a", retry={"max_attempts": 0})],
            "/steps/0/options/retry/max_attempts",
        ),
        ([single("a", retry={"jitter": 1})], "/steps/0/options/retry/jitter"),
    ],
)
def test_the_place_of_a_problem_is_given(db, steps, pointer):
    """
    Whatever is wrong with a step, the answer points at it (B 15-27, T 205-206).
    """
    with db.raises("SW400") as caught:
        check(db, *steps)

    assert caught.value.diag.message_detail == pointer


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"on_failure": "retry"}, "/options/on_failure"),
        ({"on_unmet": "retry"}, "/options/on_unmet"),
        ({"queue": "a-b"}, "/options/queue"),
        ({"deadline": 0}, "/options/deadline"),
        ({"max_attempts": 0}, "/options/max_attempts"),
        ({"retry": {"backoff": 0}}, "/options/retry/backoff"),
        ({"priority": 1.5}, "/options/priority"),
    ],
)
def test_the_options_of_the_workflow_are_checked_too(db, options, pointer):
    """
    What steps inherit must be as good as what they say themselves (B 27, T 206).
    """
    with db.raises("SW400") as caught:
        check(db, single("a"), options=options)

    assert caught.value.diag.message_detail == pointer


@pytest.mark.parametrize("steps", [None, {}, "a", []])
def test_a_workflow_needs_steps(db, steps):
    """
    Without an array of at least one step there is nothing to run.
    """
    with db.raises("SW400"):
        check(db, steps=steps)


@pytest.mark.parametrize("step", [None, 1, "a", []])
def test_a_step_is_an_object(db, step):
    """
    Anything but an object is refused as a step.
    """
    with db.raises("SW400"):
        check(db, steps=[step])


def test_a_definition_is_an_object(db):
    """
    An array is no definition.
    """
    with db.raises("SW400"):
        db.call("check_definition", [])


@pytest.mark.parametrize("mode", ["fail", "skip", "skip_cascade"])
def test_the_modes(db, mode):
    """
    A condition and a failure have the same three modes (B 27).
    """
    check(db, single("a", on_unmet=mode, on_failure=mode))


@pytest.mark.parametrize(
    "steps",
    [
        [single("a", start_delay=0, timeout=0.5, max_attempts=1, priority=-1000)],
        [single("a", retry={"delay": 0, "backoff": 1, "max_delay": 0})],
        [single("a", retry={"delay": None}, queue="Mixed_Case")],
        [map_step("m")],
        [map_step("m", initial_tasks=0)],
        [single("a"), map_step("m", "a")],
        [single("a"), single("b"), map_step("m", "a", "b", over="b")],
        [single("a"), single("b"), single("c"), single("d", "a", "b", "c")],
        [single("a"), single("b", "a", "a")],
        [{"name": "a"}],
        [{"name": "a", "kind": None, "depends_on": None, "options": None}],
    ],
)
def test_what_is_possible(db, steps):
    """
    Every bound may be reached, and what is null is as good as absent (B 22-24).
    """
    check(db, *steps)


@pytest.mark.parametrize("name", ["max_concurrency", "on_error"])
def test_options_of_maps_are_refused_on_other_steps(db, name):
    """
    They would do nothing there.
    """
    value = {"max_concurrency": 2, "on_error": "skip"}[name]

    with db.raises("SW400") as caught:
        db.make_workflow(single("a", **{name: value}))

    assert caught.value.diag.message_detail == f"/steps/0/options/{name}"


@pytest.mark.parametrize("workflow", ["", "no name", 5, "x" * 129])
def test_a_child_workflow_has_a_valid_name(db, workflow):
    """
    Whether it is registered shows when it is called.
    """
    with db.raises("SW400") as caught:
        db.make_workflow({**single("a"), "workflow": workflow})

    assert caught.value.diag.message_detail == "/steps/0/workflow"


def test_undo_steps_are_those_of_compensations(db):
    """
    Any other workflow would have nothing to give them.
    """
    step = {**single("a"), "kind": "undo"}

    with db.raises("SW400"):
        db.make_workflow(step)
    assert db.make_workflow(step, undoes="do").outcome == "compiled"
