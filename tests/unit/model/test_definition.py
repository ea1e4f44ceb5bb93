"""Definitions: one normal form, a shape that decides the version, JSON."""

from __future__ import annotations

import random
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.options import StepOptions, WorkflowOptions
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.validation import validate

from .strategies import definitions

A, B, C = (StepDefinition(name=name) for name in "abc")


def define(*steps, **rest):
    """Return a definition of these steps."""
    return Definition(name="etl", steps=steps, **rest)


def options(**given):
    """Return step options that were written so."""
    return StepOptions.read(given)[0]


@pytest.mark.parametrize("order", ["abc", "cba", "bca", "abcab"])
def test_dependencies_stand_in_the_order_of_step_numbers(order):
    """
    The order of `depends_on` does not matter, and repeats are dropped. (C 29, U 218)
    """
    last = StepDefinition(name="last", depends_on=tuple(order))

    normal = define(A, B, C, last).normalized()

    assert normal.steps[3].depends_on == ("a", "b", "c")


def test_step_numbers_count_from_the_first_definition():
    """
    A step that is defined before its dependencies still sees them by their numbers.
    """
    first = StepDefinition(name="first", depends_on=("b", "a"))

    normal = define(first, B, A).normalized()

    assert normal.steps[0].depends_on == ("b", "a")


def test_unknown_dependencies_come_last():
    """
    A definition that is wrong can be put in its normal form too.
    """
    last = StepDefinition(name="last", depends_on=("gone", "b", "lost", "a"))

    normal = define(A, B, last).normalized()

    assert normal.steps[2].depends_on == ("a", "b", "gone", "lost")


@pytest.mark.parametrize(
    ("depends_on", "given", "over"),
    [
        ((), None, None),
        (("a",), None, "a"),
        (("a", "a"), None, "a"),
        (("a",), "a", "a"),
        (("a", "b"), "b", "b"),
        (("a", "b"), None, None),
    ],
)
def test_a_map_over_its_only_dependency_says_so(depends_on, given, over):
    """
    In normal form `over` is None for a root map only.
    """
    last = StepDefinition(
        name="last", kind=StepKind.MAP, depends_on=depends_on, over=given
    )

    normal = define(A, B, last).normalized()

    assert normal.steps[2].over == over


def test_a_single_step_maps_over_nothing():
    """
    `over` is never made up for a single step.
    """
    last = StepDefinition(name="last", depends_on=("a",))

    normal = define(A, last).normalized()

    assert normal.steps[1].over is None


@given(definitions())
def test_the_normal_form_is_its_own(definition):
    """
    Normalising twice is normalising once.
    """
    normal = definition.normalized()

    assert normal.normalized() == normal


@given(definitions(), st.randoms(use_true_random=False))
def test_the_order_of_dependencies_changes_nothing(definition, rng: random.Random):
    """
    However `depends_on` is ordered, the normal form and the shape are the same. (C 29)
    """
    steps = tuple(
        replace(
            one, depends_on=tuple(rng.sample(one.depends_on, k=len(one.depends_on)))
        )
        for one in definition.steps
    )
    shuffled = replace(definition, steps=steps)

    assert shuffled.normalized() == definition.normalized()
    assert shuffled.shape() == definition.shape()


@given(definitions())
def test_a_definition_survives_json(definition):
    """
    What `to_json` writes, `definition_from_json` reads back as the same definition.
    """
    data = orjson.loads(orjson.dumps(definition.to_json()))

    assert definition_from_json(data) == definition.normalized()


@given(definitions())
def test_the_normal_form_of_a_valid_definition_is_valid(definition):
    """
    Normalising breaks no rule.
    """
    assert validate(definition.normalized()) == []


def test_json_has_what_was_given_and_times_in_seconds():
    """
    The database gets options that were given, and no defaults.
    """
    last = StepDefinition(
        name="last",
        kind=StepKind.MAP,
        depends_on=("a",),
        over="a",
        initial_tasks=3,
        options=options(timeout=90, when={"ok": True}, on_failure="skip"),
    )
    definition = define(
        A,
        last,
        options=WorkflowOptions(retry=RetryPolicy(delay=0.5)),
        input_schema={"type": "object"},
    )

    assert definition.to_json() == {
        "name": "etl",
        "options": {
            "retry": {
                "max_attempts": 3,
                "delay": 0.5,
                "backoff": 2.0,
                "max_delay": 60.0,
                "jitter": True,
            }
        },
        "input_schema": {"type": "object"},
        "steps": [
            {
                "name": "a",
                "kind": "single",
                "depends_on": [],
                "over": None,
                "initial_tasks": None,
                "options": {},
            },
            {
                "name": "last",
                "kind": "map",
                "depends_on": ["a"],
                "over": "a",
                "initial_tasks": 3,
                "options": {
                    "timeout": 90.0,
                    "when": {"ok": True},
                    "on_failure": "skip",
                },
            },
        ],
    }


@pytest.mark.parametrize(
    "given",
    [
        {"max_attempts": 9},
        {"retry": RetryPolicy(delay=9)},
        {"timeout": 9},
        {"start_delay": 9},
        {"queue": "fast"},
        {"priority": 9},
        {"on_unmet": "skip"},
        {"on_failure": "fail"},
    ],
)
def test_tuning_a_step_does_not_change_the_shape(given):
    """
    Attempts, times, queue and priority are no structure, nor are defaults. (C 43)
    """
    tuned = define(replace(A, options=options(**given)))

    assert tuned.shape() == define(A).shape()


@pytest.mark.parametrize(
    "other",
    [
        define(A, B),
        define(B),
        define(replace(A, kind=StepKind.MAP)),
        define(replace(A, kind=StepKind.MAP, initial_tasks=2)),
        define(replace(A, options=options(when={"a": 1}))),
        define(replace(A, options=options(when="$.a"))),
        define(replace(A, options=options(when=len))),
        define(replace(A, options=options(when_not={"a": 1}))),
        define(replace(A, options=options(on_unmet="fail"))),
        define(replace(A, options=options(on_failure="skip"))),
        define(A, options=WorkflowOptions(on_unmet="fail")),
        define(A, options=WorkflowOptions(on_failure="skip")),
    ],
)
def test_structure_changes_the_shape(other):
    """
    Steps, names, kinds, conditions and modes decide the version. (C 39)
    """
    assert other.shape() != define(A).shape()


def test_an_inherited_mode_is_the_same_as_a_given_one():
    """
    It does not matter whether the step or the workflow says what holds.
    """
    inherited = define(A, options=WorkflowOptions(on_failure="skip"))
    given = define(replace(A, options=options(on_failure="skip")))

    assert inherited.shape() == given.shape()


def test_edges_change_the_shape():
    """
    Another dependency is another version.
    """
    one = define(A, B, StepDefinition(name="last", depends_on=("a",)))
    other = define(A, B, StepDefinition(name="last", depends_on=("b",)))

    assert one.shape() != other.shape()
