"""OutputCodec: what a step returned is checked and becomes JSON."""

from __future__ import annotations

import dataclasses
import math
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_serializer
from typing_extensions import TypedDict

from singularity_workflow.errors import DefinitionError, InvalidOutput
from singularity_workflow.model.adapters import Adapters
from singularity_workflow.model.output import OutputCodec
from singularity_workflow.model.signature import Unresolved


class Money(BaseModel):
    amount: Decimal
    unit: str = Field(default="EUR", alias="currency")


class Broken(BaseModel):
    a: int

    @field_serializer("a")
    def dump(self, _):
        raise ValueError("cannot")


@dataclasses.dataclass
class Point:
    x: int
    day: date = date(2026, 1, 1)


class Row(TypedDict):
    id: int


def encode(annotation, value):
    """Return *value* as the output of a step that is annotated so."""
    return OutputCodec("load", annotation, Adapters()).encode(value)


@pytest.mark.parametrize(
    ("annotation", "value", "data"),
    [
        (Any, {"any": [1, None]}, b'{"any":[1,null]}'),
        (object, 5, b"5"),
        (type(None), None, b"null"),
        (int, 5, b"5"),
        (int, "5", b"5"),
        (float, 5, b"5.0"),
        (str, "", b'""'),
        (bool, False, b"false"),
        (list, [1, "a"], b'[1,"a"]'),
        (list, (1, 2), b"[1,2]"),
        (dict, {"a": Point(1)}, b'{"a":{"x":1,"day":"2026-01-01"}}'),
        (list[int], ["1", 2], b"[1,2]"),
        (set[int], {1}, b"[1]"),
        (tuple[int, str], (1, "a"), b'[1,"a"]'),
        (Decimal, Decimal("1.10"), b'"1.10"'),
        (bytes, b"text", b'"text"'),
        (Money, Money(amount=1), b'{"amount":"1","currency":"EUR"}'),
        (Money, {"amount": "1.5"}, b'{"amount":"1.5","currency":"EUR"}'),
        (list[Money], [Money(amount=2)], b'[{"amount":"2","currency":"EUR"}]'),
        (Money | None, None, b"null"),
        (Point, Point(1), b'{"x":1,"day":"2026-01-01"}'),
        (Row, {"id": 1}, b'{"id":1}'),
    ],
)
def test_a_value_that_fits_becomes_json(annotation, value, data):
    """
    Models, dataclasses, TypedDicts and built-ins are dumped by their annotation.
    """
    assert encode(annotation, value) == data


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (int, "five", r"does not fit \$: Input should be a valid integer"),
        (list[int], [1, "b"], r"does not fit \$\[1\]: Input should be a valid integer"),
        (Money, {}, r"does not fit \$\.amount: Field required"),
        (Point, {"x": None}, r"does not fit \$\.x: Input should be a valid integer"),
        (Row, {"id": "x"}, r"does not fit \$\.id: Input should be a valid integer"),
        (str, 5, r"does not fit \$: Input should be a valid string"),
        (list, {1: 2}, r"does not fit \$: Input should be a valid list"),
        (type(None), 5, r"does not fit \$: Input should be None"),
        (int, None, r"does not fit \$: Input should be a valid integer"),
        (Any, {1, 2}, r"\$: set is not JSON"),
        (Any, {"a": [b""]}, r"\$\.a\[0\]: bytes is not JSON"),
        (dict, {"a": math.nan}, r"\$\.a: nan is not a JSON number"),
        (float, math.inf, r"\$: inf is not a JSON number"),
        (list[float], [1.0, math.nan], r"\$\[1\]: nan is not a JSON number"),
        (str, "a\x00", r"\$: contains the NUL character"),
        (list[int], [2**70], r"\$\[0\]: is an integer beyond 64 bits"),
        (bytes, b"\xff", r"cannot be dumped"),
        (Broken, Broken(a=1), r"cannot be dumped: .*cannot"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(annotation, value, problem):
    """
    The error names the step and the place in the value.
    """
    with pytest.raises(InvalidOutput, match=problem) as caught:
        encode(annotation, value)

    assert "the output of step 'load'" in str(caught.value)


@pytest.mark.parametrize(
    "annotation", [math, Unresolved("Gone", "name 'Gone' is not defined")]
)
def test_an_output_that_cannot_be_checked_is_an_error_at_definition(annotation):
    """
    A return annotation without a schema is found before anything runs.
    """
    with pytest.raises(DefinitionError, match="the output of step 'load'"):
        OutputCodec("load", annotation, Adapters())
