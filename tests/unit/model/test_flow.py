"""Flow: a workflow as a document, with all of its problems at once."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from hypothesis import given

from singularity_workflow import DefinitionError, Flow, RetryPolicy
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.flow import describe_step, read_step
from singularity_workflow.model.parsing import definition_from_json

from .strategies import definitions, json_values


def found(flow):
    """Return the code and the place of each issue."""
    return [(one.code, one.pointer) for one in flow.validate()]


def etl():
    """Return the flow of the product's description."""
    return (
        Flow("etl", max_attempts=2)
        .step("fetch", timeout=5)
        .map("price", over="fetch")
        .step("total", depends_on=["price"])
    )


def test_a_flow_is_written_down_step_by_step():
    """
    Each call returns the flow; the steps keep their order.
    """
    flow = etl()

    fetch, price, total = flow.steps
    assert flow.validate() == []
    assert [step.name for step in flow.steps] == ["fetch", "price", "total"]
    assert fetch.options.timeout == timedelta(seconds=5)
    assert (price.kind, price.over, price.depends_on) == (
        StepKind.MAP, "fetch", ("fetch",),
    )  # fmt: skip
    assert total.depends_on == ("price",)
    assert flow.definition.options.max_attempts == 2


def test_it_is_the_definition_that_json_describes():
    """
    The fluent form and the document are two ways to say the same.
    """
    assert etl().definition == definition_from_json(etl().definition.to_json())


def test_the_document_has_what_was_given_and_nothing_else():
    """
    So it reads as somebody would write it.
    """
    assert etl().to_dict() == {
        "name": "etl",
        "options": {"max_attempts": 2},
        "steps": [
            {"name": "fetch", "options": {"timeout": 5}},
            {"name": "price", "over": "fetch", "kind": "map"},
            {"name": "total", "depends_on": ["price"]},
        ],
    }


def test_a_flow_comes_back_from_its_document():
    """
    From the dict and from the text.
    """
    flow = etl()

    assert Flow.from_dict(flow.to_dict()) == flow
    assert Flow.from_json(flow.to_json()) == flow
    assert Flow.from_json(flow.to_json().encode()) == flow
    assert Flow.from_json(flow.to_json()).definition == flow.definition


@given(definitions())
def test_any_definition_comes_back(definition):
    """
    With options, maps, conditions and an input schema.
    """
    data = definition.to_json()

    flow = Flow.from_dict(data)

    again = Flow.from_json(flow.to_json())
    assert again == flow
    assert again.definition == definition_from_json(data)


@given(json_values)
def test_any_document_is_read_or_refused(data):
    """
    Whatever somebody sends, the answer is issues or an error, never a crash.
    """
    if not isinstance(data, dict):
        with pytest.raises(DefinitionError):
            Flow.from_dict(data)
        return

    flow = Flow.from_dict(data)

    assert flow.validate()
    assert Flow.from_json(flow.to_json()) == flow


def test_what_only_python_has_is_written_as_json():
    """
    Lengths of time as seconds, a policy as its members.
    """
    flow = Flow("etl", deadline=timedelta(minutes=1)).step(
        "a", retry=RetryPolicy(delay=2), timeout=timedelta(seconds=3)
    )

    data = json.loads(flow.to_json())

    assert data["options"] == {"deadline": 60}
    assert data["steps"][0]["options"]["timeout"] == 3
    assert data["steps"][0]["options"]["retry"]["delay"] == 2
    assert Flow.from_dict(data).definition == flow.definition


def test_all_problems_are_told_at_once():
    """
    Each with a code, a JSON pointer, and a hint where one is known (T 205, T 206).
    """
    flow = (
        Flow("e-t-l", deadline=-1, colour="red")
        .step("a", timeout=0)
        .step("a")
        .step("b", "gone")
        .step("c", "c")
        .map("m", ["a", "b"])
        .map("n", over="fetch")
        .step("x", "y")
        .step("y", "x")
    )

    assert found(flow) == [
        ("bad_option", "/options/deadline"),
        ("unknown_option", "/options/colour"),
        ("bad_option", "/steps/0/options/timeout"),
        ("bad_name", "/name"),
        ("duplicate_step", "/steps/1/name"),
        ("unknown_dependency", "/steps/2/depends_on/0"),
        ("self_dependency", "/steps/3/depends_on/0"),
        ("over_missing", "/steps/4/over"),
        ("unknown_dependency", "/steps/5/over"),
        ("cycle", "/steps/6/depends_on"),
    ]


def test_the_definition_of_a_wrong_flow_is_one_error():
    """
    That carries all issues.
    """
    flow = Flow("etl").step("a", "b").step("c", "d")

    with pytest.raises(DefinitionError) as caught:
        flow.definition  # noqa: B018

    assert list(caught.value.issues) == flow.validate()
    assert len(caught.value.issues) == 2


def test_a_hint_says_what_was_probably_meant():
    """
    Of a dependency, of a source, of an option.
    """
    flow = Flow("etl").step("fetch", time_out=5).map("price", over="fecth")

    assert [one.hint for one in flow.validate()] == [
        "Did you mean 'timeout'?",
        "Did you mean 'fetch'?",
    ]


@pytest.mark.parametrize("value", [None, 5, "text", [], [{}]])
def test_a_flow_is_an_object(value):
    """
    Something else is refused at once: there is nothing to ask about.
    """
    with pytest.raises(DefinitionError) as caught:
        Flow.from_dict(value)

    assert caught.value.issues[0].pointer == ""


@pytest.mark.parametrize("text", ["", "{", "nul", b"\xff", "[1, 2", "{'a': 1}"])
def test_text_that_is_no_json_is_refused(text):
    """
    With what is wrong with it.
    """
    with pytest.raises(DefinitionError, match="JSON"):
        Flow.from_json(text)


@pytest.mark.parametrize(
    ("data", "issue"),
    [
        ({}, ("bad_name", "/name")),
        ({"name": "x", "stps": []}, ("unknown_member", "/stps")),
        ({"name": "x", "steps": {}}, ("bad_type", "/steps")),
        ({"name": "x", "steps": [5]}, ("bad_type", "/steps/0")),
        ({"name": "x", "steps": [{"name": "a", "kind": "loop"}]},
         ("bad_kind", "/steps/0/kind")),
        ({"name": "x", "steps": [{"name": "a", "depends": []}]},
         ("unknown_member", "/steps/0/depends")),
        ({"name": "x", "steps": [{"name": "a", "depends_on": "b"}]},
         ("bad_type", "/steps/0/depends_on")),
        ({"name": "x", "steps": [{"name": "a"}], "input_schema": 5},
         ("bad_type", "/input_schema")),
        ({"name": "x", "steps": [{"name": "a"}], "input_schema": {"a": "\x00"}},
         ("bad_type", "/input_schema")),
        ({"name": "x", "steps": [{"name": "a", "kind": "map", "over": 5}]},
         ("over_unknown", "/steps/0/over")),
        ({"name": "x", "steps": [{"name": "a", "kind": "map", "over": "a"}]},
         ("self_dependency", "/steps/0/over")),
    ],
)  # fmt: skip
def test_a_document_of_another_form_is_told_apart(data, issue):
    """
    Misspelt members, other types, unknown kinds (B 23).
    """
    assert issue in found(Flow.from_dict(data))


def test_conditions_are_data():
    """
    A function cannot be stored, so it cannot be a condition of a flow.
    """
    flow = (
        Flow("etl")
        .step("a", when={"x": 1})
        .step("b", when="$.a", when_not=lambda run_input: True)
    )

    assert found(flow) == [("bad_option", "/steps/1/options/when_not")]
    assert "pattern" in flow.validate()[0].hint
    assert Flow.from_json(flow.to_json()).validate() == flow.validate()


def test_a_flow_that_grows_is_looked_at_anew():
    """
    What was found before is not what is wrong now.
    """
    flow = Flow("etl").step("b", "a")
    assert found(flow) == [("unknown_dependency", "/steps/0/depends_on/0")]

    flow.step("a")

    assert flow.validate() == []
    assert repr(flow) == "<Flow 'etl' with 2 steps>"


def test_a_document_is_not_shared():
    """
    Whoever gave it, or got it, may change it.
    """
    data = etl().to_dict()
    flow = Flow.from_dict(data)

    data["steps"].clear()
    flow.to_dict()["steps"].clear()

    assert len(flow.steps) == 3


@pytest.mark.parametrize("depends_on", ["a", ["a"], ("a",), iter(["a"]), {"a"}])
def test_dependencies_may_be_given_in_any_way(depends_on):
    """
    One name, or several.
    """
    flow = Flow("etl").step("a").step("b", depends_on)

    assert flow.steps[1].depends_on == ("a",)


@pytest.mark.parametrize("depends_on", [5, b"a", {"a": 1}, [5], [None]])
def test_dependencies_that_are_no_names_are_issues(depends_on):
    """
    Not an error while the flow is written down (T 205).
    """
    flow = Flow("etl").step("a").step("b", depends_on)

    assert len(flow.validate()) == 1


def test_something_without_a_form_in_json_is_refused():
    """
    When the text is asked for.
    """
    flow = Flow("etl").step("a", timeout=object())

    assert found(flow) == [("bad_option", "/steps/0/options/timeout")]
    with pytest.raises(DefinitionError, match="JSON"):
        flow.to_json()


def test_a_flow_can_be_seen():
    """
    As a graph.
    """
    assert "price" in etl().to_mermaid()


def test_flows_are_equal_by_what_they_say():
    """
    And have no hash, for they grow.
    """
    assert etl() == etl()
    assert etl() != etl().step("x")
    assert etl() != "etl"
    with pytest.raises(TypeError):
        hash(etl())


def test_a_large_flow_is_validated_quickly():
    """
    Five thousand steps in a fraction of a second; the bound leaves room for a slow
    machine.
    """
    flow = Flow("large")
    for number in range(5_000):
        flow.step(f"s{number}", [f"s{n}" for n in range(max(0, number - 3), number)])
    start = time.perf_counter()

    issues = flow.validate()

    assert issues == []
    assert time.perf_counter() - start < 3


def test_one_step_is_checked_without_the_others():
    """
    Its dependencies are the business of whoever knows them; pointers begin at it.
    """
    step = read_step("etl", describe_step("b", ["a", "a"], {"timeout": 5}))

    assert step.depends_on == ("a",)
    with pytest.raises(DefinitionError) as caught:
        read_step("etl", describe_step("b-", "a", {"timeout": -5}))
    assert [one.pointer for one in caught.value.issues] == ["/options/timeout", "/name"]
