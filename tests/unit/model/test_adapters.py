"""Adapters: values are checked against annotations, built once."""

from __future__ import annotations

import sys
from datetime import date
from typing import Annotated, Any, Generic, Optional, TypedDict, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.adapters import Adapters, check, show_type
from singularity_workflow.model.signature import Unresolved

T = TypeVar("T")


class Incomplete(BaseModel):
    other: Gone  # noqa: F821


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date
    size: int


class Box(BaseModel, Generic[T]):
    value: T


def test_an_adapter_is_built_once():
    """
    The same annotation has the same adapter.
    """
    adapters = Adapters()

    assert adapters.get(list[int], "it") is adapters.get(list[int], "it")
    assert adapters.get(list[int], "it") is not adapters.get(list[str], "it")


def test_metadata_need_not_be_hashable():
    """
    An annotation that cannot be a key is built each time.
    """
    annotation = Annotated[int, Field(gt=1), ["unhashable"]]

    adapter = Adapters().get(annotation, "it")

    assert adapter.validate_python(5) == 5


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (
            Unresolved("Gone", "name 'Gone' is not defined"),
            "'Gone' of it cannot be res",
        ),
        (object.__new__, "it is annotated as"),
        (
            Incomplete,
            "it is annotated as Incomplete, which JSON values cannot be check",
        ),
        (
            list[Incomplete],
            r"it is annotated as list\[.*Incomplete\], which JSON values",
        ),
        ("Gone", "it is annotated as Gone, which JSON values cannot be checked"),
        (Annotated[str, Field(pattern="(")], "regex parse error|Error building"),
        (5, "it is annotated as 5"),
    ],
)
def test_an_annotation_that_cannot_be_checked_is_an_error(annotation, problem):
    """
    It is found at definition time, not when the first value comes.
    """
    with pytest.raises(DefinitionError, match=problem):
        Adapters().get(annotation, "it")


def test_json_forms_satisfy_strict_types():
    """
    A strict type takes no text for a date from Python, but does from JSON.
    """
    adapter = TypeAdapter(Strict)

    checked = check(adapter, {"day": "2026-01-01", "size": 5})

    assert checked == Strict(day=date(2026, 1, 1), size=5)
    with pytest.raises(ValueError, match="size"):
        check(adapter, {"day": "2026-01-01", "size": "5"})


def test_a_value_that_is_no_json_keeps_its_first_error():
    """
    What cannot be encoded gets no second chance.
    """
    with pytest.raises(ValueError, match="valid integer"):
        check(TypeAdapter(int), {1, 2})


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (Strict, "Strict"),
        (type(None), "NoneType"),
        (list[int], "list[int]"),
        (int | None, "int | None"),
        (Optional[int], "Optional[int]"),  # noqa: UP045
        (Any, "Any"),
        (Unresolved("Gone", "why"), "Gone"),
        (Box[int], "Box[int]"),
    ],
)
def test_a_type_is_shown_as_it_was_written(annotation, text):
    """
    Messages speak of types as their authors do.
    """
    assert show_type(annotation) == text


class Row(TypedDict):
    id: int


@pytest.mark.skipif(sys.version_info < (3, 12), reason="pydantic cannot read it")
def test_a_typed_dict_is_checked():
    """
    From Python 3.12 on the TypedDict of the standard library will do.
    """
    assert Adapters().get(Row, "it").validate_python({"id": "5"}) == {"id": 5}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic can read it")
def test_a_typed_dict_that_pydantic_cannot_read_is_explained():
    """
    Before Python 3.12 pydantic needs the TypedDict of `typing_extensions`.
    """
    with pytest.raises(DefinitionError, match=r"use `typing_extensions\.TypedDict`"):
        Adapters().get(Row, "it")
