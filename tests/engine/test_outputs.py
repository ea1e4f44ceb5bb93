"""Outputs that cannot be stored: an error at the step, never a poisoned run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from engine.support import Sql, fail, make_workflow, run, single
from singularity_workflow import AsyncEngine, RunFailed, RunStatus

INVALID_OUTPUT = "singularity_workflow.errors.InvalidOutput"


class Model(BaseModel):
    number: int


@dataclass
class Answer:
    number: int


def cyclic():
    values = []
    values.append({"again": values})
    return values


def deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1.5, float("nan")]}, "$.a[1]"),
        (float("inf"), "$"),
        ({"data": b"bytes"}, "$.data"),
        ({"tags": {1, 2}}, "$.tags"),
        ([1, 2**70], "$[1]"),
        ({"text": "\ud800"}, "$.text"),
        (["a\x00b"], "$[0]"),
        ({"\x00": 1}, "$"),
        ({5: 1}, "$"),
        (cyclic(), "contains itself"),
        (deep(), "nested"),
        ({"x": {"y": object()}}, "$.x.y"),
        (1 + 2j, "complex"),
    ],
    ids=[
        "nan", "infinity", "bytes", "set", "huge integer", "surrogate", "nul",
        "key with nul", "key that is a number", "cycle", "depth", "object", "complex",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "thread"])
def test_an_output_that_is_not_json_fails_the_step(engine, value, path, is_async):
    """
    The error names the step and the path; there is no other attempt.
    """

    async def coroutine():
        return value

    flow = single(coroutine if is_async else lambda: value, max_attempts=5)
    handle = engine.start(flow)

    with pytest.raises(RunFailed) as caught:
        handle.result()
    assert caught.value.error_type == INVALID_OUTPUT
    assert caught.value.attempts == 1
    assert "'step'" in caught.value.message
    assert path in caught.value.message
    assert handle.status()[0] == RunStatus.FAILED


def test_an_output_must_fit_its_annotation(engine):
    """
    The error names the step and the field.
    """

    async def step() -> Model:
        return {"number": "many"}

    error = fail(engine, single(step))

    assert error.error_type == INVALID_OUTPUT
    assert "number" in error.message


def test_an_output_is_stored_as_its_annotation_says(engine):
    """
    Models and dataclasses become objects, and values are coerced as pydantic does.
    """
    flow = make_workflow()

    @flow.step
    async def model() -> Model:
        return {"number": "5"}

    @flow.step
    def answer() -> Answer:
        return Answer(5)

    expected = {"model": {"number": 5}, "answer": {"number": 5}}
    assert engine.execute(flow) == expected


def test_a_bad_element_names_its_step(engine):
    """
    In a map the element's output is checked.
    """
    flow = make_workflow()

    @flow.map
    async def each(item) -> int:
        return "x" if item == 2 else item

    error = fail(engine, flow, [1, 2, 3])

    assert (error.step, error.error_type) == ("each", INVALID_OUTPUT)


REFUSE_POISON = """
create function public.refuse() returns trigger language plpgsql as $$
begin
  if new.output::text like '%poison%' then
    raise exception using errcode = '22P05', message = 'no room for poison';
  end if;
  return new;
end $$;
create trigger refuse before update on singularity_workflow.step_states
  for each row execute function public.refuse();
"""


@pytest.mark.parametrize("poisoned", [{3}, {0}, {9}, {2, 3, 7}, set(range(10))])
def test_an_output_that_postgresql_refuses_holds_up_nobody(private, poisoned):
    """
    All ten end in one batch; the guilty ones fail and the others complete (F8).
    """
    Sql(private).rows(REFUSE_POISON)

    async def main():
        count, here = 10, []
        everybody = asyncio.Event()

        async def step(input):
            here.append(input)
            if len(here) == count:
                everybody.set()
            await everybody.wait()
            return "poison" if input in poisoned else input

        async with AsyncEngine(private) as engine:
            flow = single(step)
            calls = [engine.execute(flow, number) for number in range(count)]
            return await asyncio.gather(*calls, return_exceptions=True)

    results = run(main)

    for number, result in enumerate(results):
        if number in poisoned:
            assert isinstance(result, RunFailed)
            assert (result.error_type, result.attempts) == (INVALID_OUTPUT, 1)
            assert "no room for poison" in result.message
        else:
            assert result == {"step": number}
