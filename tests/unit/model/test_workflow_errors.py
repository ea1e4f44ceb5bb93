"""Workflow: whatever is wrong is said at definition time, with place and advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.workflow import Workflow


@pytest.fixture
def etl():
    """A workflow with the steps `fetch` and `price`."""
    workflow = Workflow("etl")
    workflow.step(lambda: [1], name="fetch")
    workflow.step(lambda fetch: 1, name="price")
    return workflow


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        ({"name": "a-b"}, "bad_name", "the step name 'a-b' must be letters"),
        ({"name": ""}, "bad_name", "must not be empty"),
        ({"name": "index"}, "bad_name", "'index' is reserved for a parameter"),
        ({"name": "x" * 129}, "bad_name", "has 129 characters, at most 128"),
        ({"name": 5}, "bad_name", "must be a string, got int"),
        ({"name": "fetch"}, "duplicate_step", "there is a step 'fetch' already, at "),
        ({"max_attempts": 0}, "bad_option", "step 'last': max_attempts must be from 1"),
        ({"max_attempts": 3, "retry": RetryPolicy()}, "bad_option", "are both given"),
        ({"retry": 5}, "bad_option", "retry must be a RetryPolicy"),
        ({"on_failure": "ignore"}, "bad_option", "must be one of fail, skip"),
        ({"queue": "a-b"}, "bad_option", "queue 'a-b' must be letters"),
        ({"when": 5}, "bad_option", "when must be a mapping"),
        ({"tiemout": 5}, "unknown_option", "there is no option 'tiemout' here"),
        ({"over": "fetch"}, "unknown_option", "there is no option 'over' here"),
        ({"depends_on": 5}, "bad_dependency", "must be names or functions of steps"),
        ({"depends_on": [None]}, "bad_dependency", "got None"),
        ({"depends_on": b"fetch"}, "bad_dependency", "got b'fetch'"),
        ({"depends_on": {"fetch": 1}}, "bad_dependency", "names or functions of steps"),
    ],
)
def test_a_bad_step_is_refused_where_it_is_written(etl, options, code, problem):
    """
    Names, options and dependencies are checked by the decorator. (T 205, T 206)
    """

    def last(): ...

    with pytest.raises(DefinitionError) as caught:
        etl.step(**options)(last)

    (issue,) = caught.value.issues
    assert issue.code == code
    assert problem in issue.message
    assert f"{Path(__file__).name}:{last.__code__.co_firstlineno}" in str(caught.value)
    assert [step.name for step in etl.steps] == ["fetch", "price"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"over": ["fetch", "price"]}, "over of step 'each' must be one step"),
        ({"over": 5}, "over of step 'each' must be names or functions"),
        ({"initial_tasks": -1}, "initial_tasks of step 'each' must be an integer from"),
        ({"initial_tasks": 1.5}, "initial_tasks of step 'each' must be an integer"),
        ({"initial_tasks": True}, "initial_tasks of step 'each' must be an integer"),
    ],
)
def test_a_bad_map_is_refused_where_it_is_written(etl, options, problem):
    """
    The options of maps are checked by the decorator too.
    """

    def each(item): ...

    with pytest.raises(DefinitionError, match=problem):
        etl.map(**options)(each)


def test_a_built_in_has_no_place_in_the_source(etl):
    """
    What is not written in Python is named without a file.
    """
    etl.step(len)

    with pytest.raises(DefinitionError) as caught:
        etl.step(len)

    (issue,) = caught.value.issues
    assert issue.message == "there is a step 'len' already"
    assert str(caught.value).startswith(
        "workflow 'etl': there is a step 'len' already (/steps/3/name)"
    )


def test_everything_that_is_wrong_with_a_step_is_said_at_once(etl):
    """
    One error lists name, dependencies and options.
    """

    def last(item): ...

    with pytest.raises(DefinitionError) as caught:
        etl.map(last, name="a-b", over=5, initial_tasks=-1, timeout=0, colour="red")

    assert [one.pointer for one in caught.value.issues] == [
        "/steps/2/name",
        "/steps/2",
        "/steps/2/initial_tasks",
        "/steps/2/options/timeout",
        "/steps/2/options/colour",
    ]


@pytest.mark.parametrize("function", ["fetch", 5, None])
def test_what_is_no_function_is_no_step(etl, function):
    """
    A name in the place of the function is a mistake with a remedy.
    """
    with pytest.raises(DefinitionError, match="must be a function, got") as caught:
        etl.step()(function)

    assert "name=..." in caught.value.hint


def test_an_unknown_dependency_is_compared_with_the_steps(etl):
    """
    The error says where, and what was probably meant. (B 17, T 205)
    """

    def last(): ...

    etl.step(last, depends_on=["pirce"])

    with pytest.raises(DefinitionError) as caught:
        _ = etl.definition

    place = f"{Path(__file__).name}:{last.__code__.co_firstlineno}"
    assert "step 'last' depends on 'pirce', which does not exist" in str(caught.value)
    assert place in str(caught.value)
    assert caught.value.hint == "Did you mean 'price'?"


def test_a_function_that_is_no_step_is_no_dependency(etl):
    """
    Only functions that were decorated can be depended on.
    """

    def helper(): ...

    etl.step(lambda: 1, name="last", depends_on=[helper])

    with pytest.raises(
        DefinitionError, match="the function 'helper', which is no step"
    ):
        _ = etl.definition


def test_a_cycle_is_shown_with_its_path(etl):
    """
    The path goes round the circle. (B 16)
    """
    etl.step(lambda: 1, name="a", depends_on=["c", "fetch"])
    etl.step(lambda a: 1, name="b")
    etl.step(lambda b: 1, name="c")

    with pytest.raises(DefinitionError, match="in a circle: a → c → b → a"):
        _ = etl.definition


def test_names_that_differ_only_by_case_are_refused(etl):
    """
    `fetch` and `Fetch` are one name for people. (U 220)
    """
    etl.step(lambda: 1, name="Fetch")

    with pytest.raises(
        DefinitionError, match="'fetch' and 'Fetch' differ only by case"
    ):
        _ = etl.definition


def test_a_step_that_depends_on_itself_is_refused(etl):
    """
    Nothing waits for itself. (B 16)
    """
    etl.step(lambda: 1, name="last", depends_on="last")

    with pytest.raises(DefinitionError, match="'last' depends on itself"):
        _ = etl.definition


def test_a_workflow_without_steps_is_refused():
    """
    There is nothing to run.
    """
    with pytest.raises(
        DefinitionError, match="workflow 'etl': the workflow has no ste"
    ):
        _ = Workflow("etl").definition


def test_everything_that_is_wrong_with_a_workflow_is_said_at_once(etl):
    """
    One error lists the problems of all steps, each with its place.
    """

    def helper(): ...

    etl.step(lambda: 1, name="a", depends_on=["gone", helper])
    etl.step(lambda: 1, name="PRICE")
    etl.step(lambda: 1, name="loop", depends_on="loop")

    with pytest.raises(DefinitionError) as caught:
        _ = etl.definition

    assert sorted((one.code, one.pointer) for one in caught.value.issues) == [
        ("case_twins", "/steps/3/name"),
        ("self_dependency", "/steps/4/depends_on/0"),
        ("unknown_dependency", "/steps/2/depends_on/0"),
        ("unknown_dependency", "/steps/2/depends_on/1"),
    ]
    assert str(caught.value).count(f"{Path(__file__).name}:") == 4


def test_a_generator_is_no_step(etl):
    """
    A step returns its output once.
    """

    def rows(input):
        yield 1

    with pytest.raises(DefinitionError, match="yields"):
        etl.step(rows)
