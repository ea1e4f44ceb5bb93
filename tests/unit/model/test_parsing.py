"""Definitions from JSON: read as far as possible, with every problem named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.conditions import Predicate
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.parsing import definition_from_json, read_definition
from singularity_workflow.model.retry import RetryPolicy

from .strategies import json_values

MINIMAL = {"name": "etl", "steps": [{"name": "a"}]}


def found(data):
    """Return the code and the place of each issue."""
    return [(one.code, one.pointer) for one in read_definition(data)[1]]


def one_step(**members):
    """Return a definition whose only step has these members."""
    return {"name": "etl", "steps": [{"name": "a", **members}]}


def test_a_name_and_steps_are_enough():
    """
    All else has a default: a single root step without options. (B 23)
    """
    definition = definition_from_json(MINIMAL)

    step = definition.steps[0]
    assert (step.kind, step.depends_on, step.over) == (StepKind.SINGLE, (), None)
    assert step.options.to_json() == {}
    assert definition.input_schema is None


def test_null_members_are_absent_members():
    """
    An explicit null is the default. (A 5)
    """
    nothing = dict.fromkeys(["kind", "depends_on", "over", "initial_tasks", "options"])

    definition = definition_from_json(
        {**one_step(**nothing), "options": None, "input_schema": None}
    )

    assert definition == definition_from_json(MINIMAL)


def test_null_options_are_absent_options():
    """
    Of mixed options the explicit ones are kept and the null ones defaulted. (A 5)
    """
    definition = definition_from_json(one_step(options={"timeout": None, "queue": "q"}))

    assert definition.steps[0].options.to_json() == {"queue": "q"}


def test_options_are_read_as_their_types():
    """
    Seconds become durations, objects policies and predicates.
    """
    definition = definition_from_json(
        one_step(
            options={
                "timeout": 1.5,
                "retry": {"max_attempts": 5, "delay": None},
                "when": {"$predicate": "app.is_large"},
            }
        )
    )

    options = definition.steps[0].options
    assert options.timeout == timedelta(seconds=1.5)
    assert options.retry == RetryPolicy(max_attempts=5)
    assert options.when == Predicate("app.is_large")


def test_the_result_is_in_normal_form():
    """
    Dependencies are ordered by step number and a map says what it maps over.
    """
    definition = definition_from_json(
        {
            "name": "etl",
            "steps": [
                {"name": "a"},
                {"name": "b"},
                {"name": "c", "depends_on": ["b", "a", "b"]},
                {"name": "m", "kind": "map", "depends_on": ["c"]},
            ],
        }
    )

    assert definition.steps[2].depends_on == ("a", "b")
    assert definition.steps[3].over == "c"


@pytest.mark.parametrize(
    ("data", "issue"),
    [
        (None, ("bad_type", "")),
        ([], ("bad_type", "")),
        ({**MINIMAL, "nmae": 1}, ("unknown_member", "/nmae")),
        ({**MINIMAL, "a/b": 1}, ("unknown_member", "/a~1b")),
        ({**MINIMAL, "options": []}, ("bad_type", "/options")),
        ({**MINIMAL, "input_schema": True}, ("bad_type", "/input_schema")),
        ({**MINIMAL, "options": {"when": "$.a"}}, ("unknown_option", "/options/when")),
        ({"steps": [{"name": "a"}]}, ("bad_name", "/name")),
        ({"name": "etl", "steps": []}, ("no_steps", "/steps")),
        ({"name": "etl"}, ("no_steps", "/steps")),
        ({"name": "etl", "steps": [{}]}, ("bad_name", "/steps/0/name")),
        (one_step(kind="loop"), ("bad_kind", "/steps/0/kind")),
        (one_step(kind=["map"]), ("bad_kind", "/steps/0/kind")),
        (one_step(step="x"), ("unknown_member", "/steps/0/step")),
        (one_step(depends_on="b"), ("bad_type", "/steps/0/depends_on")),
        (one_step(depends_on=[5]), ("bad_dependency", "/steps/0/depends_on/0")),
        (one_step(options="fast"), ("bad_type", "/steps/0/options")),
        (
            one_step(options={"timeot": 1}),
            ("unknown_option", "/steps/0/options/timeot"),
        ),
        (one_step(options={"timeout": 0}), ("bad_option", "/steps/0/options/timeout")),
        (
            one_step(options={"retry": {"dealy": 1}}),
            ("bad_option", "/steps/0/options/retry"),
        ),
        (
            one_step(kind="map", initial_tasks="many"),
            ("bad_option", "/steps/0/initial_tasks"),
        ),
    ],
)
def test_each_mistake_is_named_with_its_place(data, issue):
    """
    Whatever is wrong, the pointer leads to it. (B 23, B 27)
    """
    assert found(data) == [issue]


@pytest.mark.parametrize("member", ["kind", "options"])
def test_a_member_that_cannot_be_read_has_its_default(member):
    """
    The rest of the definition is read as if the member were absent.
    """
    definition, issues = read_definition(one_step(**{member: 5}))

    assert len(issues) == 1
    assert definition == read_definition(one_step())[0]


@pytest.mark.parametrize("steps", [5, "abc", {"name": "a"}, True])
def test_steps_are_an_array(steps):
    """
    Steps of another type are reported, and there are none then.
    """
    assert found({"name": "etl", "steps": steps}) == [
        ("bad_type", "/steps"),
        ("no_steps", "/steps"),
    ]


def test_a_step_is_an_object():
    """
    A step of another type is reported where it stands; the others are read.
    """
    definition, issues = read_definition({"name": "etl", "steps": ["a", {"name": "b"}]})

    assert [(one.code, one.pointer) for one in issues] == [("bad_type", "/steps/0")]
    assert definition.steps[1].name == "b"


def test_all_problems_are_raised_at_once():
    """
    The one error has every issue, with places and what was meant.
    """
    data = {
        "name": "e t l",
        "stps": [],
        "steps": [
            {"name": "fetch", "options": {"queu": "q", "timeout": -1}},
            {"name": "load", "depends_on": ["ftch"], "knd": "map"},
        ],
    }

    with pytest.raises(DefinitionError) as caught:
        definition_from_json(data)

    text = str(caught.value)
    assert len(caught.value.issues) == 6
    assert "Did you mean 'queue'?" in text
    assert "Did you mean 'fetch'?" in text
    assert "Did you mean 'steps'?" in text
    assert "(/steps/0/options/timeout)" in text


def test_the_only_problem_is_raised_with_its_place():
    """
    A single issue says where it is as well.
    """
    with pytest.raises(DefinitionError, match=r"\(/steps/0/options/timeout\)"):
        definition_from_json(one_step(options={"timeout": 0}))


@given(json_values)
def test_any_json_is_read_or_refused(data):
    """
    Nonsense is answered with issues, never with another exception.
    """
    issues = read_definition(data)[1]

    assert issues


@given(json_values, json_values)
def test_any_step_is_read_or_refused(one, other):
    """
    Nonsense inside of a step is answered with issues as well.
    """
    step = {"name": "a", "kind": "map", "depends_on": [one, other], "options": other}

    issues = read_definition({"name": one, "steps": [step, other], "options": one})[1]

    assert issues
