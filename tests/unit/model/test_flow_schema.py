"""The JSON Schema of flows: it agrees with the validator, and describes everything."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from singularity_workflow import Flow
from singularity_workflow.model.names import RESERVED_NAMES
from singularity_workflow.model.options import StepOptions, WorkflowOptions
from singularity_workflow.model.retry import _IN_JSON

from .strategies import definitions, json_values, names

SCHEMA = Flow.json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

# what concerns several members at once, which a schema cannot say
BETWEEN_STEPS = {
    "duplicate_step", "case_twins", "unknown_dependency", "self_dependency", "cycle",
    "over_missing", "over_unknown",
}  # fmt: skip


def is_valid(data):
    """Tell what the schema says of a document."""
    return VALIDATOR.is_valid(data)


def codes(data):
    """Return what the validator says of a document."""
    return {issue.code for issue in Flow.from_dict(data).validate()}


def one_step(**members):
    """Return a flow whose only step has these members."""
    return {"name": "etl", "steps": [{"name": "a", **members}]}


def test_it_is_a_schema():
    """
    Of the draft that it names, and JSON itself.
    """
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_its_example_is_a_flow():
    """
    Whoever copies it can run it.
    """
    for example in SCHEMA["examples"]:
        assert is_valid(example)
        assert codes(example) == set()


def test_every_option_is_in_it():
    """
    With a description, and more than that: a new option needs a schema in options.py.
    """
    for name, kind in (
        ("step_options", StepOptions),
        ("workflow_options", WorkflowOptions),
    ):
        properties = SCHEMA["$defs"][name]["properties"]
        assert properties.keys() == {one.name for one in fields(kind)}
        for option, schema in properties.items():
            assert schema["description"], option
            assert len(schema) > 1, option
    assert SCHEMA["$defs"]["retry"]["properties"].keys() == set(_IN_JSON)


def test_everything_in_it_is_described():
    """
    Those who generate documents know nothing else.
    """

    def check(schema, path):
        for key, member in schema.get("properties", {}).items():
            assert member.get("description"), f"{path}/{key}"
            check(member, f"{path}/{key}")

    check(SCHEMA, "")
    for name, schema in SCHEMA["$defs"].items():
        check(schema, name)


@given(definitions())
def test_every_valid_definition_fits(definition):
    """
    What is stored for one is a document of the schema.
    """
    assert is_valid(definition.to_json())


@pytest.mark.parametrize(
    "data",
    [
        one_step(),
        one_step(kind="single", depends_on=[], over=None, initial_tasks=None),
        one_step(kind=None, depends_on=None, options=None),
        one_step(kind="map", initial_tasks=0),
        one_step(kind="map", options={"max_concurrency": 2, "on_error": "collect"}),
        one_step(workflow="other"),
        {**one_step(), "compensation": "other"},
        one_step(options={"timeout": 0.5, "queue": "Fast", "priority": -1000}),
        one_step(options={"timeout": None, "retry": None, "max_attempts": 3}),
        one_step(options={"retry": {"max_attempts": 1, "backoff": 1, "delay": None}}),
        one_step(options={"when": {"a": [1]}, "when_not": "$.a"}),
        one_step(options={"start_delay": 0, "on_unmet": "fail", "executor": "process"}),
        {**one_step(), "options": {"deadline": 60}, "input_schema": {"type": "array"}},
        {**one_step(), "options": None, "input_schema": None},
    ],
)
def test_what_the_validator_takes_the_schema_takes(data):
    """
    Null means "not given", in both.
    """
    assert codes(data) == set()
    assert is_valid(data)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "etl"},
        {"name": "etl", "steps": []},
        {"name": "etl", "steps": {}},
        {"name": "etl", "steps": ["a"]},
        {"name": 5, "steps": [{"name": "a"}]},
        {"steps": [{"name": "a"}]},
        {"name": "etl", "steps": [{}]},
        {**one_step(), "colour": "red"},
        {**one_step(), "options": {"start_delay": 1}},
        {**one_step(), "options": 5},
        {**one_step(), "input_schema": []},
        one_step(colour="red"),
        one_step(kind="loop"),
        one_step(kind="undo"),
        one_step(workflow="a-b"),
        one_step(options={"on_error": "skip"}),
        one_step(kind="map", options={"on_error": "explode"}),
        {**one_step(), "undoes": "other"},
        one_step(depends_on="b"),
        one_step(depends_on=[5]),
        one_step(depends_on=["b-c"]),
        one_step(over="b"),
        one_step(initial_tasks=3),
        one_step(kind="single", initial_tasks=3),
        one_step(kind="map", initial_tasks=-1),
        one_step(kind="map", initial_tasks=10**9),
        one_step(kind="map", initial_tasks="3"),
        one_step(kind="map", over=5),
        one_step(options=[]),
        one_step(options={"colour": "red"}),
        one_step(options={"deadline": 5}),
        one_step(options={"max_attempts": 0}),
        one_step(options={"max_attempts": "3"}),
        one_step(options={"max_attempts": 3, "retry": {}}),
        one_step(options={"retry": {"tries": 3}}),
        one_step(options={"retry": {"max_attempts": 0}}),
        one_step(options={"retry": {"delay": -1}}),
        one_step(options={"retry": {"backoff": 0.5}}),
        one_step(options={"retry": {"jitter": 1}}),
        one_step(options={"retry": 3}),
        one_step(options={"timeout": 0}),
        one_step(options={"timeout": True}),
        one_step(options={"timeout": "5"}),
        one_step(options={"timeout": 10**10}),
        one_step(options={"start_delay": -1}),
        one_step(options={"queue": "a-b"}),
        one_step(options={"queue": ""}),
        one_step(options={"priority": 1001}),
        one_step(options={"priority": 0.5}),
        one_step(options={"on_failure": "explode"}),
        one_step(options={"when": [1]}),
        one_step(options={"when": " "}),
        one_step(options={"when": {"$predicate": "f"}}),
    ],
)
def test_what_the_schema_refuses_the_validator_refuses(data):
    """
    And for a reason of its own, not only between steps.
    """
    assert not is_valid(data)
    assert codes(data)


@given(json_values)
def test_other_values_are_refused_by_both(value):
    """
    No value of a step's member is right by accident in one of them only.
    """
    for member in ("kind", "depends_on", "initial_tasks", "options"):
        data = one_step(**{"kind": "map", member: value})
        if isinstance(value, float):
            continue  # 1.0 is an integer to a schema
        if is_valid(data):
            assert not codes(data) - BETWEEN_STEPS, member
        else:
            assert codes(data), member


@given(
    st.text("aZ_09-é ", max_size=4) | names | st.sampled_from(sorted(RESERVED_NAMES))
)
def test_both_agree_on_names(name):
    """
    Of workflows, steps and dependencies (A 8).
    """
    is_good = "bad_name" not in codes({"name": name, "steps": [{"name": "a"}]})

    assert is_valid({"name": name, "steps": [{"name": "a"}]}) == is_good
    assert is_valid({"name": "etl", "steps": [{"name": name}]}) == is_good
    assert is_valid(one_step(depends_on=[name])) == is_good


@pytest.mark.parametrize("name", ["a" * 128, "a" * 129, "INPUT", "Ctx", "indexes"])
def test_both_agree_on_the_length_and_case_of_names(name):
    """
    Reserved words are so in whatever case (A 8).
    """
    data = {"name": "etl", "steps": [{"name": name}]}

    assert is_valid(data) == (not codes(data))
