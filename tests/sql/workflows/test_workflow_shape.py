"""singularity_workflow.workflow_shape: what decides the version, and what does not."""

from __future__ import annotations

import pytest
from fixtures.definitions import definition, map_step, single

from singularity_workflow.model.parsing import definition_from_json

TRIO = [single("a"), single("b"), single("c", "a", "b")]


def shape(db, *steps, **options):
    """Return the shape of a workflow of these steps."""
    return db.call("workflow_shape", definition(*steps, **options))


def test_dependencies_stand_in_the_order_of_step_numbers(db):
    """
    However they were listed, and however often (C 29).
    """
    found = shape(db, single("a"), single("b"), single("c", "b", "a", "b"))

    assert found == shape(db, *TRIO)
    assert found[2]["depends_on"] == ["a", "b"]


@pytest.mark.parametrize(
    "steps",
    [
        TRIO[:2],
        [*TRIO, single("d")],
        [single("a"), single("x"), single("c", "a", "x")],
        [single("b"), single("a"), single("c", "a", "b")],
        [single("a"), map_step("b"), single("c", "a", "b")],
        [single("a"), single("b"), single("c", "a")],
        [single("a", on_failure="skip"), *TRIO[1:]],
        [single("a", on_unmet="fail"), *TRIO[1:]],
        [single("a", when={"x": 1}), *TRIO[1:]],
        [single("a", when_not={"x": 1}), *TRIO[1:]],
        [single("a", when="$.x"), *TRIO[1:]],
    ],
)
def test_structure_makes_a_version(db, steps):
    """
    Steps, their order, kinds, edges, conditions and modes are structure (C 33).
    """
    assert shape(db, *steps) != shape(db, *TRIO)


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 9},
        {"retry": {"delay": 9}},
        {"timeout": 9},
        {"start_delay": 9},
        {"queue": "other"},
        {"priority": 9},
    ],
)
def test_what_can_be_tuned_makes_none(db, options):
    """
    Attempts, times, queue and priority may change under way (C 43).
    """
    assert shape(db, single("a", **options), *TRIO[1:]) == shape(db, *TRIO)


def test_a_mode_of_the_workflow_is_one_of_its_steps(db):
    """
    An inherited mode is in the shape like one of the step's own.
    """
    inherited = shape(db, single("a"), on_failure="skip")

    assert inherited == shape(db, single("a", on_failure="skip"))


def test_a_null_in_a_pattern_is_part_of_it(db):
    """
    A pattern that asks for null is not the pattern that asks for nothing.
    """
    asks_for_null = shape(db, single("a", when={"x": None}))

    assert asks_for_null[0]["when"] == {"x": None}
    assert asks_for_null != shape(db, single("a", when={}))


def test_the_only_dependency_of_a_map_is_what_it_maps_over(db):
    """
    Leaving `over` out, or writing it, is the same.
    """
    short = shape(db, single("a"), map_step("m", "a"))

    assert short == shape(db, single("a"), map_step("m", "a", over="a"))


def test_it_agrees_with_the_model(db):
    """
    Python's shape and the database's are one (C 32).
    """
    data = definition(
        single("a", on_failure="skip"),
        single("b", when={"x": None}, when_not="$.y"),
        map_step("m", "b", "a", over="a"),
        map_step("n", "m"),
        map_step("o", initial_tasks=3),
        name="etl",
        on_unmet="fail",
    )

    model = definition_from_json(data).shape()["steps"]

    assert shape_of_lists(db, data) == [
        {k: v for k, v in step.items() if v != []} for step in model
    ]


def shape_of_lists(db, data):
    """Return the shape of a whole definition."""
    return db.call("workflow_shape", data)
