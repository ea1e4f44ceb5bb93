"""A workflow's input: declared, or what the root steps' annotations say."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from singularity_workflow.errors import DefinitionError, InvalidInput
from singularity_workflow.model.workflow import Workflow


class Order(BaseModel):
    id: int


class Customer(BaseModel):
    name: str


@dataclasses.dataclass
class Point:
    x: int


class Row(TypedDict):
    id: int


@pytest.fixture
def etl():
    """A workflow without steps and without a declared input."""
    return Workflow("etl")


def refuses(workflow, value):
    """Tell whether a run with this input would be refused."""
    try:
        workflow.validate_input(value)
    except InvalidInput:
        return True
    return False


@pytest.mark.parametrize("declared", [Order, Point, Row, list[int], int])
def test_a_declared_type_must_hold(declared):
    """
    Models, dataclasses, TypedDicts and built-ins can be declared.
    """
    etl = Workflow("etl", input=declared)
    etl.step(lambda run_input: 1, name="first")
    good = {Order: {"id": 1}, Point: {"x": 1}, Row: {"id": 1}, int: 1}

    assert not refuses(etl, good.get(declared, [1]))
    assert refuses(etl, "text")


def test_a_declared_type_is_the_only_one(etl):
    """
    With a declared type the annotations of root steps say nothing about the start.
    """
    etl = Workflow("etl", input=Order)

    @etl.step
    def first(input: Customer): ...

    assert not refuses(etl, {"id": 1})
    assert etl.input_schema() == Order.model_json_schema()


@pytest.mark.parametrize("parameter", ["input", "run_input"])
def test_the_annotation_of_a_root_step_must_hold(etl, parameter):
    """
    `input` and `run_input` of a root step are the run's input.
    """
    namespace = {"Order": Order}
    exec(f"def first({parameter}: Order): ...", namespace)

    etl.step(namespace["first"])

    assert refuses(etl, {"id": "x"})
    assert etl.validate_input({"id": "1"}) == {"id": "1"}
    assert etl.input_schema() == Order.model_json_schema()


def test_all_root_steps_must_hold(etl):
    """
    The schema of several types is `allOf` them; one type counts once.
    """

    @etl.step
    def one(input: Order): ...

    @etl.step
    def two(run_input: Customer): ...

    @etl.step
    def three(input: Order): ...

    assert refuses(etl, {"id": 1})
    assert refuses(etl, {"name": "a"})
    assert not refuses(etl, {"id": 1, "name": "a"})
    assert etl.input_schema() == {
        "allOf": [{"$ref": "#/$defs/Order"}, {"$ref": "#/$defs/Customer"}],
        "$defs": {
            "Order": Order.model_json_schema(),
            "Customer": Customer.model_json_schema(),
        },
    }


def test_run_input_of_a_root_map_must_hold(etl):
    """
    In a map `run_input` still is the whole input, and `input` is not.
    """

    @etl.map
    def each(input: Order, run_input: list[Order]): ...

    assert not refuses(etl, [{"id": 1}])
    assert refuses(etl, {"id": 1})
    assert refuses(etl, [5])


def test_later_steps_say_nothing_about_the_start(etl):
    """
    In a step with dependencies `input` is the merged view.
    """
    etl.step(lambda: 1, name="first")

    @etl.step
    def last(first: int, input: Order, run_input: Customer): ...

    assert etl.input_schema() == {}
    assert not refuses(etl, None)


@pytest.mark.parametrize(
    "parameter", ["order: Order", "input", "ctx: Order", "*, run_input"]
)
def test_other_parameters_say_nothing_about_the_start(etl, parameter):
    """
    Only annotations of `input` and `run_input` are types of the run's input.
    """
    namespace = {"Order": Order}
    exec(f"def first({parameter}): ...", namespace)

    etl.step(namespace["first"])

    assert etl.input_schema() == {}
    assert etl.definition.input_schema is None


def test_the_schema_is_part_of_the_definition():
    """
    The database and the dashboard know what a run's input looks like.
    """
    etl = Workflow("etl", input=Order)
    etl.step(lambda: 1, name="first")

    assert etl.definition.to_json()["input_schema"] == Order.model_json_schema()


def test_an_input_is_stored_as_it_was_given(etl):
    """
    Models become JSON; what is JSON already is left alone.
    """

    @etl.step
    def first(input: Order): ...

    assert etl.encode_input(Order(id=5)) == b'{"id":5}'
    assert etl.encode_input({"id": "5", "b": 1}) == b'{"id":"5","b":1}'


def test_local_classes_can_be_annotations(etl):
    """
    A class inside of a function is found from its decorator, as text or not.
    """

    class Local(BaseModel):
        id: int

    @etl.step
    def first(input: Local): ...

    @etl.step()
    def second(run_input: Local): ...

    @etl.map()
    def third(item: Local): ...

    assert etl.input_schema() == Local.model_json_schema()
    assert len(etl.compile().steps) == 3


def test_a_declared_type_that_cannot_be_checked_is_an_error():
    """
    A class without a schema is no type of an input.
    """

    class Pool: ...

    etl = Workflow("etl", input=Pool)
    etl.step(lambda: 1, name="first")

    with pytest.raises(
        DefinitionError, match="the input of workflow 'etl' is annotated"
    ):
        _ = etl.definition
