"""Types that cannot fit are an error when the workflow is defined."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.workflow import Workflow


class Order(BaseModel):
    id: int


class Missing:
    """Stands for a class that cannot be imported."""


def returns(annotation, name="first"):
    """Return a function without parameters that returns this type."""

    def step(): ...

    step.__name__ = name
    step.__annotations__ = {"return": annotation}
    return step


def takes(name="second", **annotations):
    """Return a function with these parameters."""
    namespace = {}
    exec(f"def {name}({', '.join(annotations)}): ...", namespace)
    namespace[name].__annotations__ = annotations
    return namespace[name]


def problems(workflow):
    """Return the messages of the issues of a workflow."""
    with pytest.raises(DefinitionError) as caught:
        _ = workflow.definition
    return [one.message for one in caught.value.issues]


def problem(workflow):
    """Return the message of the only issue of a workflow."""
    (message,) = problems(workflow)
    return message


@pytest.fixture
def etl():
    """A workflow without steps and without a declared input."""
    return Workflow("etl")


def test_an_output_must_fit_the_parameter_of_its_name(etl):
    """
    The message names both steps, both types and the place in the source.
    """
    etl.step(returns(list[int]))

    @etl.step
    def second(first: Order): ...

    with pytest.raises(DefinitionError) as caught:
        _ = etl.definition

    assert caught.value.message.startswith(
        "workflow 'etl': parameter 'first' of step 'second' is annotated as Order, but "
        "step 'first' returns list[int]"
    )
    assert f"{Path(__file__).name}:" in str(caught.value)
    assert "Hint: Change one of the annotations." in str(caught.value)


def test_an_output_that_may_fit_is_let_through(etl):
    """
    Values decide about types that may be converted.
    """
    etl.step(returns(dict))
    etl.step(takes(first=Order))

    assert len(etl.steps) == 2


def test_the_output_of_a_map_is_a_list(etl):
    """
    What dependents see of a map is the list of what its tasks returned.
    """
    etl.map(returns(int))
    etl.step(takes("good", first=list[int]))
    etl.step(takes("bad", first=int))
    etl.step(takes("worse", first=list[Order]))

    assert [one.partition(" is annotated")[0] for one in problems(etl)] == [
        "parameter 'first' of step 'bad'",
        "parameter 'first' of step 'worse'",
    ]


def test_a_map_needs_an_array(etl):
    """
    An output that can be no array cannot be mapped over.
    """
    etl.step(returns(Order))
    etl.map(takes(item=dict), over="first")

    assert problems(etl) == [
        "map step 'second' needs an array, but step 'first' returns Order"
    ]


@pytest.mark.parametrize("produced", [list, list[int] | None, tuple[int, int], "gone"])
def test_a_map_over_what_may_be_an_array_is_let_through(etl, produced):
    """
    An output that is not known is given the benefit of the doubt.
    """
    etl.step(returns(produced))
    etl.map(takes(item=int), over="first")

    assert etl.steps[1].over == "first"


@pytest.mark.parametrize("parameter", ["item", "input"])
def test_the_elements_must_fit(etl, parameter):
    """
    `item`, and `input` of a map, get the elements of what it maps over.
    """
    etl.step(returns(list[str]))
    etl.map(takes(**{parameter: Order}), over="first")

    assert problem(etl) == (
        f"parameter '{parameter}' of step 'second' is annotated as Order, but the "
        "elements of step 'first' are str"
    )


def test_the_index_is_compared_with_nothing(etl):
    """
    Only `item` and `input` of a map get elements.
    """
    etl.step(returns(list[Order]))
    etl.map(takes(index=int, left=str), over="first")

    assert len(etl.steps) == 2


def test_the_elements_of_a_map_that_is_not_known_are_anything(etl):
    """
    A map whose annotation cannot be resolved still returns a list.
    """
    etl.map(returns("Gone"))
    etl.step(takes("good", first=list[int]))
    etl.step(takes("bad", first=dict))

    assert problem(etl).endswith("but step 'first' returns list[Any]")


def test_the_merged_view_of_a_later_step_is_an_object(etl):
    """
    No step with dependencies can get a list as its `input`.
    """
    etl.step(returns(int))
    etl.step(takes(first=int, input=list[int]))

    assert problem(etl) == (
        "parameter 'input' of step 'second' is annotated as list[int], but the merged "
        "view of step 'second' is dict"
    )


@pytest.mark.parametrize("parameter", ["input", "run_input"])
def test_a_declared_input_must_fit_what_steps_take(parameter):
    """
    The declared type of the run's input is compared with root steps' annotations.
    """
    etl = Workflow("etl", input=Order)
    etl.step(takes(**{parameter: list[int]}))

    assert problem(etl) == (
        f"parameter '{parameter}' of step 'second' is annotated as list[int], but the "
        "input of workflow 'etl' is declared as Order"
    )


@pytest.mark.parametrize(
    ("declared", "annotations"),
    [
        (int, {"run_input": str}),
        (int, {"input": str}),
        (list[int], {"input": list[str]}),
    ],
)
def test_an_input_is_compared_as_it_may_be_written(declared, annotations):
    """
    An input that is declared as a number may be given as text, and is stored so.
    """
    etl = Workflow("etl", input=declared)
    etl.step(takes(**annotations))

    assert len(etl.steps) == 1


def test_elements_of_an_input_are_compared_as_they_may_be_written():
    """
    The same holds for the elements of a declared array.
    """
    etl = Workflow("etl", input=list[int])
    etl.map(takes(item=str))

    assert len(etl.steps) == 1


def test_the_run_input_is_compared_in_later_steps_too():
    """
    `run_input` is the run's input in every step.
    """
    etl = Workflow("etl", input=Order)
    etl.step(returns(int))
    etl.step(takes(first=int, run_input=str))

    assert len(problems(etl)) == 1


def test_the_inputs_of_two_root_steps_must_fit_each_other(etl):
    """
    All root steps' annotations must hold, so that they may not exclude each other.
    """
    etl.step(takes("one", input=Order))
    etl.step(takes("two", input=dict))
    etl.step(takes("three", run_input=list[int]))

    assert problem(etl) == (
        "parameter 'run_input' of step 'three' is annotated as list[int], but "
        "parameter 'input' of step 'one' is annotated as Order"
    )


def test_a_root_map_needs_an_array_or_an_object():
    """
    A run's input of text or a number has no elements and no `items`.
    """
    etl = Workflow("etl", input=str)
    etl.map(takes(item=int))

    assert problem(etl) == (
        "map step 'second' needs an array, but the input of workflow 'etl' is declared "
        "as str"
    )


@pytest.mark.parametrize("declared", [list[int], Order, dict])
def test_a_root_map_may_find_its_elements(declared):
    """
    An array has elements, and an object may have `items`.
    """
    etl = Workflow("etl", input=declared)
    etl.map(takes(item=int))

    assert len(etl.steps) == 1


def test_a_root_map_with_a_number_of_tasks_needs_no_array():
    """
    With `initial_tasks` the tasks are counted, whatever the input is.
    """
    etl = Workflow("etl", input=str)
    etl.map(takes(item=int), initial_tasks=3)

    assert len(etl.steps) == 1


def test_the_elements_of_a_declared_input_must_fit():
    """
    The elements of a root map are those of the run's input, if that is an array.
    """
    etl = Workflow("etl", input=list[int])
    etl.map(takes(item=Order))

    assert problem(etl) == (
        "parameter 'item' of step 'second' is annotated as Order, but the elements of "
        "the run's input are int"
    )


def test_a_parameter_that_may_be_a_resource_is_not_compared(etl):
    """
    Which resources there are is known at registration only.
    """
    etl.step(returns(int))
    etl.step(takes(first=int, pool=list))

    assert len(etl.steps) == 2


def test_all_misfits_are_found_at_once(etl):
    """
    Every step's misfits are in one error.
    """
    etl.step(returns(int))
    etl.step(takes("a", first=str))
    etl.step(takes("b", first=dict))
    etl.step(takes("c", first=int))

    assert len(problems(etl)) == 2


def test_every_root_type_that_cannot_be_checked_is_reported(etl):
    """
    A type without a schema is named with its step and the place in the source.
    """

    @etl.step
    def first(run_input: Missing): ...

    @etl.step
    def second(input: list[Missing]): ...

    with pytest.raises(DefinitionError) as caught:
        _ = etl.definition

    assert [one.pointer for one in caught.value.issues] == ["/steps/0", "/steps/1"]
    assert "parameter 'run_input' of step 'first'" in str(caught.value)
    assert str(caught.value).count(f"{Path(__file__).name}:") == 2
