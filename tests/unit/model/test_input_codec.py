"""InputCodec: a run's input is checked, described, and stored as it was given."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from pydantic import BaseModel, Field, TypeAdapter

from singularity_workflow.errors import InvalidInput
from singularity_workflow.model.input_codec import InputCodec

from .strategies import json_values


class Order(BaseModel):
    id: int
    day: date = date(2026, 1, 1)
    kind: str = Field(default="a", alias="type")


class Customer(BaseModel):
    name: str


class Priced(BaseModel):
    price: Decimal


class Tree(BaseModel):
    children: list[Tree] = []


def codec(*types):
    """Return the codec of an input that must have all these types."""
    return InputCodec("etl", [TypeAdapter(one) for one in types])


@given(json_values)
def test_without_types_any_json_is_taken(value):
    """
    A workflow whose functions say nothing takes everything.
    """
    data = InputCodec("etl").encode(value)

    assert TypeAdapter(object).validate_json(data) == value


@pytest.mark.parametrize(
    ("types", "value", "data"),
    [
        ([Order], {"id": "5"}, b'{"id":"5"}'),
        ([Order], {"id": 5, "more": None}, b'{"id":5,"more":null}'),
        ([Order], Order(id=5), b'{"id":5,"day":"2026-01-01","type":"a"}'),
        ([list[int]], (1, 2), b"[1,2]"),
        ([set[int]], {1}, b"[1]"),
        ([Priced], Priced(price="1.50"), b'{"price":"1.50"}'),
        ([Priced], {"price": Decimal("1.50"), "a": 1}, b'{"price":"1.50","a":1}'),
        ([Order, Customer], {"id": 1, "name": "a"}, b'{"id":1,"name":"a"}'),
        (
            [Priced],
            {"price": Decimal(1), "order": Order(id=1, type="b")},
            b'{"price":"1","order":{"id":1,"day":"2026-01-01","type":"b"}}',
        ),
        (
            [Customer, Priced],
            {"price": Decimal(1), "name": "a"},
            b'{"price":"1","name":"a"}',
        ),
    ],
)
def test_an_input_is_stored_as_it_was_given(types, value, data):
    """
    Validation completes nothing: another version of the type reads the same input.
    """
    assert codec(*types).encode(value) == data


@pytest.mark.parametrize(
    ("types", "value", "problem"),
    [
        ([Order], {}, r"does not fit \$\.id: Field required"),
        ([Order], None, r"does not fit \$: "),
        ([Order, Customer], {"id": 1}, r"does not fit \$\.name: Field required"),
        ([Customer, Order], {"name": "a"}, r"does not fit \$\.id: Field required"),
        ([], {1, 2}, r": \$: set is not JSON"),
        ([], {"a": math.nan}, r": \$\.a: nan is not a JSON number"),
        ([Priced], {"price": Decimal(1), "a": object()}, r": \$\.price: Decimal is"),
        ([Priced], {"price": {1}}, r"does not fit \$\.price: "),
        ([set[float]], {math.nan}, r": \$: set is not JSON"),
        ([bytes], b"\xff", r": \$: bytes is not JSON"),
        ([], Decimal(1), r": \$: Decimal is not JSON"),
        ([], ["\x00"], r"\$\[0\]: contains the NUL character"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(types, value, problem):
    """
    All types must hold; the error names the workflow and the place.
    """
    with pytest.raises(InvalidInput, match=problem) as caught:
        codec(*types).encode(value)

    assert "the input of workflow 'etl'" in str(caught.value)


def test_the_schema_of_no_type_is_empty():
    """
    `{}` is the JSON Schema that everything fits.
    """
    assert codec().schema() == {}


def test_the_schema_of_one_type_is_its_own():
    """
    A single type is described by its JSON Schema, as it is.
    """
    assert codec(Order).schema() == Order.model_json_schema()


def test_the_schema_of_several_types_is_all_of_them():
    """
    Several types are an `allOf` with common definitions.
    """
    schema = codec(Order, Customer, list[int]).schema()

    assert [sorted(one) for one in schema["allOf"]] == [
        ["$ref"],
        ["$ref"],
        ["items", "type"],
    ]
    assert schema["$defs"].keys() == {"Order", "Customer"}


def test_types_without_a_schema_are_left_out():
    """
    A type that is checked by a function only does not spoil the others' schema.
    """

    class Opaque:
        @classmethod
        def __get_pydantic_core_schema__(cls, source, handler):
            from pydantic_core import core_schema

            return core_schema.no_info_plain_validator_function(lambda value: value)

    assert codec(Opaque, Order).schema() == Order.model_json_schema()
    assert codec(Opaque).schema() == {}


def test_a_recursive_type_has_a_schema():
    """
    A type that contains itself refers to itself.
    """
    schema = codec(Tree).schema()

    children = schema["$defs"]["Tree"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/$defs/Tree"}
