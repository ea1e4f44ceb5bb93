"""can_fit: two annotations that can never fit are told apart from all others."""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union

import pytest
from pydantic import (
    BaseModel,
    RootModel,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)
from typing_extensions import TypedDict

from singularity_workflow.model.adapters import check
from singularity_workflow.model.typing_check import (
    can_fit,
    element_type,
    produced_kinds,
)

T = TypeVar("T")
UserId = NewType("UserId", int)


class Item(BaseModel):
    id: int


class Root(RootModel[list[int]]):
    pass


class FromText(BaseModel):
    id: int

    @model_validator(mode="before")
    @classmethod
    def read(cls, value):
        return {"id": value} if isinstance(value, str) else value


class AsText(BaseModel):
    id: int

    @model_serializer
    def dump(self):
        return str(self.id)


class TextMixin:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return handler(str)


@dataclasses.dataclass
class Mixed(TextMixin):
    id: int = 1


@dataclasses.dataclass
class Point(Generic[T]):
    x: T


class Row(TypedDict):
    id: int


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        (None, {"null"}),
        (type(None), {"null"}),
        (bool, {"boolean"}),
        (int, {"number"}),
        (float, {"number"}),
        (str, {"string"}),
        (list, {"array"}),
        (list[int], {"array"}),
        (tuple[int, str], {"array"}),
        (set[int], {"array"}),
        (Sequence[int], {"array"}),
        (dict, {"object"}),
        (dict[str, int], {"object"}),
        (Mapping[str, int], {"object"}),
        (Counter, {"object"}),
        (Item, {"object"}),
        (Point, {"object"}),
        (Point[int], {"object"}),
        (Row, {"object"}),
        (int | None, {"number", "null"}),
        (Optional[str], {"string", "null"}),  # noqa: UP045
        (Union[int, list[str]], {"number", "array"}),  # noqa: UP007
        ((Literal["a", 1] | None), {"string", "number", "null"}),
        (Any, None),
        (object, None),
        (T, None),
        (UserId, None),
        (date, None),
        (Decimal, None),
        (bytes, None),
        (Color, None),
        (Literal[Color.RED], None),
        (Annotated[int, "meta"], None),
        (Annotated[int, ["unhashable"]], None),
        (int | Any, None),
        (int | date, None),
        (Root, None),
        (FromText, None),
        (AsText, None),
        (Mixed, None),
        ("text", None),
    ],
)
def test_an_annotation_stands_for_json_types(annotation, kinds):
    """
    Of types with a form of their own nothing is said.
    """
    assert produced_kinds(annotation) == kinds


FITTING = [
    (int, int),
    (int, float),
    (bool, int),
    (str, int),
    (str, bool),
    (int, bool),
    (str, date),
    (int, date),
    (str, Color),
    (list[int], tuple[int, ...]),
    (list[int], list[str | int]),
    (list[str], list[int]),
    (list[int] | None, list[str]),
    (set[int], list[int]),
    (Item, Row),
    (Row, Point),
    (dict, Item),
    (Item, dict[str, int]),
    (Item | None, None),
    (int | None, str | None),
    (tuple[int, str], list[int]),
    (Any, int),
    (int, Any),
    (str, FromText),
    (AsText, str),
    (list, list[Item]),
    (Literal["a"], int),
]

MISFITS = [
    (int, str),
    (float, str),
    (bool, str),
    (int, list),
    (str, list[str]),
    (str, Sequence[str]),
    (str, dict),
    (None, int),
    (int, None),
    (list, dict),
    (list[int], Item),
    (Item, list),
    (Item, int),
    (Item, str),
    (Point, str),
    (Row, int),
    (dict[str, int], list[int]),
    (Item | None, int | str),
    (list[int], list[str]),
    (list[list[int]], list[Item]),
    (list[Item], tuple[str, ...]),
    (Literal[1], Literal["a"]),
]

VALUES = [
    None, True, False, 0, 1, -1.5, 10**9, "", "1", "true", "a", "red", "2026-01-01",
    [1], ["a"], ["1"], [True], [None], [[1]], [["a"]], [{"id": 1}], [1, "a"],
    {}, {"id": 1}, {"x": 1}, {"a": 1}, {"a": None}, {"1": "1"},
]  # fmt: skip


@pytest.mark.parametrize(("produced", "wanted"), FITTING)
def test_what_may_fit_is_let_through(produced, wanted):
    """
    If any value may be converted, the values decide at run time.
    """
    assert can_fit(produced, wanted)


@pytest.mark.parametrize(("produced", "wanted"), MISFITS)
def test_what_can_never_fit_is_found(produced, wanted):
    """
    No value of the one type is ever accepted as the other.
    """
    assert not can_fit(produced, wanted)


def accepts(annotation, value):
    """Tell whether pydantic takes a decoded JSON value as this type."""
    try:
        check(TypeAdapter(annotation), value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("produced", "wanted"), MISFITS)
def test_pydantic_agrees_about_misfits(produced, wanted):
    """
    Of all dumped values of the one type pydantic accepts none as the other.
    """
    adapter = TypeAdapter(produced)
    made = [adapter.validate_python(v) for v in VALUES if accepts(produced, v)]

    dumped = [adapter.dump_python(value, mode="json") for value in made]

    assert dumped
    assert [value for value in dumped if accepts(wanted, value)] == []


@pytest.mark.parametrize(
    ("declared", "wanted", "fits"),
    [
        (int, str, True),
        (bool, str, True),
        (list[int], list[str], True),
        (str, int, True),
        (int, list, False),
        (dict, list, False),
        (None, int, False),
    ],
)
def test_an_input_may_be_whatever_its_type_accepts(declared, wanted, fits):
    """
    A run's input is stored as given: one declared as int may be the text "5".
    """
    assert can_fit(declared, wanted, is_input=True) is fits


@pytest.mark.parametrize(
    ("annotation", "element"),
    [
        (list[int], int),
        (set[str], str),
        (Sequence[Item], Item),
        (tuple[int, ...], int),
        (tuple[int, str], Any),
        (tuple[()], Any),
        (Annotated[list[int], "meta"], int),
        (list, Any),
        (dict[str, int], Any),
        (Counter[str], Any),
        (list[int] | None, Any),
        (int, Any),
        (Any, Any),
    ],
)
def test_the_type_of_the_elements_is_known_of_arrays(annotation, element):
    """
    Of all else it is `Any`.
    """
    assert element_type(annotation) == element
