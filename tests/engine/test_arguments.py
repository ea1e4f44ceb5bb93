"""What a step is called with: context, resources, typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from engine.support import fail, make_workflow, single, unique
from singularity_workflow import (
    Context,
    DefinitionError,
    Engine,
    InvalidInput,
    RetryPolicy,
    Workflow,
)


class Item(BaseModel):
    sku: str
    quantity: int = Field(gt=0)


class Order(BaseModel):
    customer: str
    items: list[Item]


@dataclass
class Price:
    sku: str
    amount: float


ORDER = {"customer": "Ada", "items": [{"sku": "a", "quantity": 2}]}


def test_the_context_says_which_task_runs(engine):
    """
    Run, workflow, step, index, attempt and timeout.
    """
    flow = make_workflow()

    @flow.map(timeout=60)
    async def each(item, ctx):
        return {
            "run": str(ctx.run_id),
            "workflow": ctx.workflow,
            "step": ctx.step,
            "index": ctx.index,
            "attempt": ctx.attempt,
            "timeout": ctx.timeout.total_seconds(),
            "cancelled": ctx.cancelled,
            "task_id": ctx.task_id,
        }

    handle = engine.start(flow, ["x", "y"])

    assert handle.result()["each"][1] == {
        "run": str(handle.id),
        "workflow": flow.name,
        "step": "each",
        "index": 1,
        "attempt": 1,
        "timeout": 60,
        "cancelled": False,
        "task_id": f"{handle.id}/each/1",
    }


def test_the_context_may_have_any_name(engine):
    """
    A parameter annotated as `Context` is the context.
    """

    def step(whatever: Context) -> str:
        return whatever.step

    assert engine.execute(single(step)) == {"step": "step"}


def test_the_idempotency_key_is_of_the_task(engine):
    """
    It is the same at each attempt, and another for each element.
    """
    keys = {}
    flow = make_workflow(retry=RetryPolicy(max_attempts=3, delay=0))

    @flow.map
    async def each(item, ctx):
        keys.setdefault(item, []).append(ctx.idempotency_key)
        if ctx.attempt < 3:
            raise ValueError

    engine.execute(flow, ["a", "b"])

    assert [len(found) for found in keys.values()] == [3, 3]
    assert [len(set(found)) for found in keys.values()] == [1, 1]
    assert keys["a"][0] != keys["b"][0]


def test_resources_come_by_name(dsn):
    """
    An object given to the engine reaches each parameter of its name, as it is.
    """
    client = object()
    seen = []

    def plain(client, settings):
        seen.append((client, settings))

    async def coroutine(client):
        seen.append(client)

    flow = make_workflow()
    flow.step(plain)
    flow.step(coroutine)
    resources = {"client": client, "settings": {"a": 1}}
    with Engine(dsn, resources=resources) as engine:
        engine.execute(flow, {})

    assert client in seen
    assert (client, {"a": 1}) in seen


def test_a_missing_resource_is_told_at_registration(engine):
    """
    Two parameters that name nothing are an error, before anything runs.
    """
    with pytest.raises(DefinitionError, match="client"):
        engine.register(single(lambda client, settings: 1))


def test_the_input_is_a_model_if_it_is_declared(engine):
    """
    An annotated root step gets an instance.
    """
    flow = make_workflow()

    @flow.step
    async def step(input: Order) -> int:
        assert isinstance(input, Order)
        return sum(one.quantity for one in input.items)

    assert engine.execute(flow, ORDER) == {"step": 2}
    assert engine.execute(flow, Order.model_validate(ORDER)) == {"step": 2}


def test_outputs_are_typed_values_again(engine):
    """
    What a step returned as models arrives as models where that is annotated.
    """
    flow = make_workflow()

    @flow.step
    async def fetch(input: Order) -> list[Item]:
        return input.items

    @flow.map(over=fetch)
    def price(item: Item) -> Price:
        assert isinstance(item, Item)
        return Price(item.sku, item.quantity * 1.5)

    @flow.step(depends_on=[price])
    async def total(price: list[Price], run_input: Order) -> dict[str, Any]:
        assert isinstance(price[0], Price)
        return {run_input.customer: sum(one.amount for one in price)}

    assert engine.execute(flow, ORDER) == {"total": {"Ada": 3.0}}


def test_models_are_dumped_by_alias(engine):
    """
    What is stored can be validated again.
    """

    class Named(BaseModel):
        name: str = Field(alias="theName")

    flow = make_workflow()
    flow.step(name="a")(lambda: Named(theName="x"))

    @flow.step
    async def b(a: Named) -> Named:
        return a

    assert engine.execute(flow) == {"b": {"theName": "x"}}


def test_an_input_that_does_not_fit_is_refused(engine, sql):
    """
    The error names the field, and no run was started.
    """
    flow = make_workflow()

    @flow.step
    async def step(input: Order) -> int:
        return 1

    bad = {"customer": "Ada", "items": [{"sku": "a", "quantity": 0}]}
    with pytest.raises(InvalidInput, match=r"items\[0\]\.quantity"):
        engine.execute(flow, bad)

    assert engine.list_workflow_runs(workflow=flow.name).items == []


def test_the_workflow_may_declare_its_input(engine):
    """
    `Workflow(name, input=Model)` validates, and the steps need not.
    """
    flow = Workflow(unique(), input=Order)
    flow.step(name="step")(lambda view: view["customer"])

    assert engine.execute(flow, ORDER) == {"step": "Ada"}
    with pytest.raises(InvalidInput, match="customer"):
        engine.execute(flow, {"items": []})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, float("nan")]}, r"\$\.a\[1\]"),
        ({"a": {"b c": b"x"}}, r"\$\.a\['b c'\]"),
        ({"a": {1, 2}}, r"\$\.a"),
        ([2**70], r"\$\[0\]"),
        ("\ud800", r"\$"),
        ("\x00", r"\$"),
        ({1: 2}, r"\$"),
        (object(), r"\$"),
    ],
    ids=["nan", "bytes", "set", "huge", "surrogate", "nul", "key", "object"],
)
def test_an_input_that_is_not_json_is_refused(engine, value, path):
    """
    With the path to what cannot be stored.
    """
    with pytest.raises(InvalidInput, match=path):
        engine.execute(single(lambda view: view), value)


def test_an_output_of_a_dependency_that_does_not_fit_fails_the_step(engine):
    """
    Values are checked when they are bound; other attempts would be in vain.
    """
    flow = make_workflow(max_attempts=5)
    flow.step(name="a")(lambda: {"sku": "x", "quantity": "many"})

    @flow.step
    async def b(a: Item) -> int:
        return a.quantity

    error = fail(engine, flow)

    assert (error.step, error.attempts) == ("b", 1)
    assert error.error_type == "singularity_workflow.errors.InvalidInput"
    assert "quantity" in error.message


def test_calling_a_decorated_function_just_calls_it():
    """
    The decorators return what they were given.
    """
    flow = make_workflow()

    @flow.step
    def double(n: int) -> int:
        return 2 * n

    assert double(4) == 8


def test_a_run_id_is_a_uuid(engine):
    """
    Of version 7, so that ids sort by creation.
    """
    first, second = (engine.start(single(lambda: 1)).id for _ in range(2))

    assert isinstance(first, UUID)
    assert first.version == 7
    assert first < second
