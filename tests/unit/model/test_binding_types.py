"""Binding: an annotated parameter gets its value as that type, or an error."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from singularity_workflow.errors import DefinitionError, InvalidInput
from singularity_workflow.model.binding import compile_binding
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.inputs import NO_ITEM, StepInputs


class Item(BaseModel):
    name: str
    price: Decimal = Decimal(1)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date


class Aliased(BaseModel):
    kind: str = Field(alias="type")


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Row(TypedDict):
    id: int


class Color(enum.Enum):
    RED = "red"


class View(BaseModel):
    order: int
    price: list[int]


class Pool:
    """A resource, which is no JSON."""


def bind_one(context, annotation, value, *, role="dep"):
    """Return what a parameter *role* with this annotation gets for *value*."""

    def step(one): ...

    step.__annotations__ = {"one": annotation}
    is_map = role == "item"
    run_input, outputs, item = None, {}, NO_ITEM
    if role == "dep":
        outputs = {"one": value}
    elif is_map:
        item = value
    else:
        run_input = value
    binding = compile_binding(
        step,
        step="load",
        kind=StepKind.MAP if is_map else StepKind.SINGLE,
        depends_on=list(outputs),
    )
    return binding.arguments(StepInputs(run_input, outputs, item), context, {})["one"]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Item, {"name": "a", "price": "2.5"}, Item(name="a", price=Decimal("2.5"))),
        (list[Item], [{"name": "a"}], [Item(name="a")]),
        (Item | None, None, None),
        (Strict, {"day": "2026-01-01"}, Strict(day=date(2026, 1, 1))),
        (Aliased, {"type": "a"}, Aliased(type="a")),
        (Point, {"x": 1}, Point(1)),
        (Row, {"id": "5"}, {"id": 5}),
        (Color, "red", Color.RED),
        (Literal["a", "b"], "a", "a"),
        (date, "2026-01-01", date(2026, 1, 1)),
        (datetime, "2026-01-01T00:00:00", datetime(2026, 1, 1)),  # noqa: DTZ001
        (UUID, str(UUID(int=1)), UUID(int=1)),
        (Decimal, "1.10", Decimal("1.10")),
        (bytes, "text", b"text"),
        (set[int], [1, 1, 2], {1, 2}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, Point], {"a": {"x": 1}}, {"a": Point(1)}),
        (Sequence[int], [1], [1]),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (str, "a", "a"),
        (list, [None], [None]),
        (dict, {"a": None}, {"a": None}),
        (type(None), None, None),
        (Annotated[int, Field(gt=1)], 2, 2),
        (Any, {"any": [1]}, {"any": [1]}),
        (object, 5, 5),
    ],
)
def test_a_value_becomes_its_annotation(context, annotation, value, expected):
    """
    Models, dataclasses, TypedDicts and built-ins are made from decoded JSON.
    """
    bound = bind_one(context, annotation, value)

    assert bound == expected
    assert type(bound) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Item, {"price": 1}, r"\$\.name: Field required"),
        (list[Item], [{"name": "a"}, {"name": 1}], r"\$\[1\]\.name: Input should be"),
        (Item, None, r"\$: Input should be"),
        (Strict, {"day": 5}, r"\$\.day: "),
        (Point, {"x": "a"}, r"\$\.x: Input should be a valid integer"),
        (Row, {}, r"\$\.id: Field required"),
        (int, "five", r"\$: Input should be a valid integer"),
        (int, 3.5, r"\$: Input should be a valid integer"),
        (str, 5, r"\$: Input should be a valid string"),
        (list, {"a": 1}, r"\$: Input should be a valid array"),
        (dict, [1], r"\$: Input should be an object"),
        (dict[str, int], {"a b": "x"}, r"\$\['a b'\]: "),
        (Annotated[int, Field(gt=1)], 1, r"\$: Input should be greater than 1"),
        (type(None), 1, r"\$: Input should be null"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_path(
    context, annotation, value, problem
):
    """
    The error names the step, the parameter and the place in the value.
    """
    with pytest.raises(InvalidInput, match=problem) as caught:
        bind_one(context, annotation, value)

    assert "parameter 'one' of step 'load' does not fit" in str(caught.value)


@pytest.mark.parametrize("role", ["dep", "item", "merged"])
def test_outputs_elements_and_the_merged_view_are_checked(context, role):
    """
    Whatever a parameter gets from a run is checked against its annotation.
    """

    def step(item): ...

    with pytest.raises(InvalidInput):
        bind_one(context, int, "five", role=role)
    assert bind_one(context, int, "5", role=role) == 5


@pytest.mark.parametrize("name", ["item", "run_input", "input"])
def test_named_values_are_checked(context, name):
    """
    `item`, `run_input` and `input` are checked like outputs.
    """
    namespace: dict[str, Any] = {}
    exec(f"def step({name}: int): ...", namespace)
    binding = compile_binding(
        namespace["step"], step="load", kind=StepKind.MAP, depends_on=[]
    )

    assert binding.arguments(StepInputs("1", {}, "1"), context, {}) == {name: 1}
    with pytest.raises(InvalidInput, match=f"parameter '{name}'"):
        binding.arguments(StepInputs("x", {}, "x"), context, {})


def test_an_annotated_input_validates_the_merged_view(context):
    """
    In a later step the annotation of `input` is for the merged view.
    """

    def step(input: View, price): ...

    binding = compile_binding(
        step, step="load", kind=StepKind.SINGLE, depends_on=["price"]
    )

    arguments = binding.arguments(StepInputs({"order": 1}, {"price": [2]}), context, {})

    assert arguments["input"] == View(order=1, price=[2])


@pytest.mark.parametrize(
    ("annotation", "value"), [(dict, {"a": [1]}), (list, [{}]), (str, "a"), (Any, {})]
)
def test_a_value_of_a_plain_type_is_passed_as_it_is(context, annotation, value):
    """
    What is of the annotated built-in type already is not copied.
    """
    assert bind_one(context, annotation, value) is value


@pytest.mark.parametrize(("problems", "end"), [(5, "$[4]"), (6, "and 1 more")])
def test_many_problems_are_counted(context, problems, end):
    """
    Five problems are shown, the others are counted.
    """
    with pytest.raises(InvalidInput) as caught:
        bind_one(context, list[int], ["a"] * problems)

    assert str(caught.value).count(";") == min(problems, 6) - 1
    assert end in str(caught.value).rpartition(";")[2]


def test_a_resource_may_be_annotated_with_any_class(context):
    """
    Resources are passed on as they are, so their annotations need no schema.
    """

    def step(pool: Pool): ...

    pool = Pool()
    binding = compile_binding(
        step, step="load", kind=StepKind.SINGLE, depends_on=[], resources=["pool"]
    )

    assert binding.arguments(StepInputs(None), context, {"pool": pool}) == {
        "pool": pool
    }


def test_a_class_without_a_schema_is_an_error_at_definition():
    """
    A parameter that JSON cannot be checked against may be a resource that is missing.
    """

    def step(pool: Pool): ...

    with pytest.raises(DefinitionError, match=r"annotated as Pool.*") as caught:
        compile_binding(step, step="load", kind=StepKind.SINGLE, depends_on=[])

    assert "give one of that name to the engine" in str(caught.value)


def test_an_annotation_that_is_not_importable_is_an_error_at_definition():
    """
    A name behind `if TYPE_CHECKING` cannot be checked, and the error says so.
    """

    def step(one: Missing): ...  # noqa: F821

    with pytest.raises(DefinitionError, match="'Missing' of parameter 'one'") as caught:
        compile_binding(step, step="load", kind=StepKind.SINGLE, depends_on=[])

    assert "outside `if TYPE_CHECKING`" in str(caught.value)


def test_an_annotation_that_is_not_checked_need_not_resolve(context):
    """
    The annotation of `ctx` is never used, so it may be behind `if TYPE_CHECKING`.
    """

    def step(ctx: Missing, one: int): ...  # noqa: F821

    binding = compile_binding(step, step="load", kind=StepKind.SINGLE, depends_on=[])

    assert binding.arguments(StepInputs(1), context, {}) == {"ctx": context, "one": 1}


def test_every_bad_annotation_of_a_step_is_reported():
    """
    One error lists all parameters that cannot be checked.
    """

    def step(one: Missing, *, two: Unknown = None, dep: Gone): ...  # noqa: F821

    with pytest.raises(DefinitionError) as caught:
        compile_binding(step, step="load", kind=StepKind.SINGLE, depends_on=["dep"])

    assert [one.code for one in caught.value.issues] == ["bad_annotation"] * 2
    assert "2 problems" in str(caught.value)
