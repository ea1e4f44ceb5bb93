"""Random workflows give what an interpreter of ten lines gives, in a right order."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import zlib
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.support import make_workflow
from singularity_workflow import Engine

INPUT = {"items": [3, None, "x"], "seed": 1}


@dataclass(frozen=True)
class Step:
    """One step of a plan; `width` is the length of its output, None: no array."""

    name: str
    depends_on: tuple[str, ...]
    is_map: bool
    over: str | None
    width: int | None
    is_async: bool


def digest(*values):
    return zlib.crc32(json.dumps(values, sort_keys=True).encode()) % 1000


def compute(step, values):
    """Return what *step* returns for its arguments: now and then nothing."""
    seed = digest(step.name, values)
    if step.is_map or step.width is None:
        return None if seed % 7 == 0 else seed
    return [digest(seed, place) for place in range(step.width)]


def interpret(plan):
    outputs = {}
    for step in plan:
        values = {name: outputs[name] for name in step.depends_on}
        values["run_input"] = INPUT
        if step.is_map:
            items = outputs[step.over] if step.over else INPUT["items"]
            outputs[step.name] = [compute(step, {**values, "item": i}) for i in items]
        else:
            outputs[step.name] = compute(step, values)
    inner = {name for step in plan for name in step.depends_on}
    return {name: value for name, value in outputs.items() if name not in inner}


@st.composite
def plans(draw):
    """Steps in an order in which each comes after what it depends on."""
    plan = []
    arrays = []
    for number in range(draw(st.integers(1, 30))):
        names = [step.name for step in plan]
        some = st.lists(st.sampled_from(names or [""]), max_size=3, unique=True)
        depends_on = draw(some) if names else []
        kind = draw(st.sampled_from(["single", "wide", "root map", "map", "single"]))
        over = None
        if kind == "root map":
            depends_on = []
        elif kind == "map" and arrays:
            over = draw(st.sampled_from(arrays))
            depends_on = list(dict.fromkeys([*depends_on, over]))
        elif kind == "map":
            kind = "single"
        step = Step(
            name=f"s{number}",
            depends_on=tuple(depends_on),
            is_map="map" in kind,
            over=over,
            width=draw(st.integers(0, 4)) if kind == "wide" else None,
            is_async=draw(st.booleans()),
        )
        if step.is_map or step.width is not None:
            arrays.append(step.name)
        plan.append(step)
    return plan


def build(plan, log):
    """Return the workflow of a plan; what it does is written to *log*."""
    flow = make_workflow()
    clock = itertools.count()

    def body(step):
        def work(values):
            log.append((step.name, "begin", next(clock)))
            found = compute(step, values)
            log.append((step.name, "end", next(clock)))
            return found

        async def coroutine(**values):
            await asyncio.sleep(0)
            return work(values)

        def function(**values):
            return work(values)

        names = ["run_input", *step.depends_on, *(["item"] if step.is_map else [])]
        found = coroutine if step.is_async else function
        found.__signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        )
        return found

    for step in plan:
        if step.is_map:
            flow.map(name=step.name, depends_on=step.depends_on, over=step.over)(
                body(step)
            )
        else:
            flow.step(name=step.name, depends_on=step.depends_on)(body(step))
    return flow


def assert_order(plan, log):
    """Every step begins after all tasks of its dependencies have ended."""
    begins, ends = {}, {}
    for name, what, time in log:
        if what == "begin":
            begins[name] = min(begins.get(name, time), time)
        else:
            ends[name] = max(ends.get(name, time), time)
    for step in plan:
        for name in step.depends_on:
            if step.name in begins and name in ends:
                assert ends[name] < begins[step.name], (name, step.name)


def test_random_workflows_give_what_the_interpreter_gives(dsn):
    """
    Up to thirty steps with random maps, on one engine with few slots.
    """
    with Engine(dsn, concurrency=7) as engine:

        @settings(
            max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(plan=plans(), parallel=st.sampled_from([True, True, True, False]))
        def check(plan, parallel):
            log = []
            result = engine.execute(build(plan, log), INPUT, parallel=parallel)

            assert result == interpret(plan)
            assert_order(plan, log)

        check()
