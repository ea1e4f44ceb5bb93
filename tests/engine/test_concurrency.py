"""How many steps run at once, and where."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from engine.support import make_workflow, run, single
from singularity_workflow import AsyncEngine, Engine


class Meter:
    """How many are inside at once, at most."""

    def __init__(self):
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *error):
        with self._lock:
            self.inside -= 1


def test_never_more_than_the_bound(dsn):
    """
    Of thirty tasks three run at once: never more, and no fewer either (R 195).
    """
    meter, trio = Meter(), threading.Barrier(3, timeout=20)
    flow = make_workflow()

    @flow.map
    def each(item):
        with meter:
            trio.wait()  # opens only when three are here
        return item

    with Engine(dsn, concurrency=3) as engine:
        result = engine.execute(flow, list(range(30)))

    assert result == {"each": list(range(30))}
    assert meter.most == 3


def test_the_bound_is_of_all_runs_together(dsn):
    """
    Runs that are started at once share the slots of their engine (R 195).
    """
    meter = Meter()

    async def step():
        with meter:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def main():
        flow = single(step)
        async with AsyncEngine(dsn, concurrency=4) as engine:
            await asyncio.gather(*(engine.execute(flow) for _ in range(50)))

    run(main)
    assert meter.most <= 4


def test_plain_functions_run_at_once_in_threads(engine):
    """
    Five blocking steps wait for one another, so they must overlap.
    """
    barrier = threading.Barrier(5, timeout=20)
    flow = make_workflow()
    for number in range(5):
        flow.step(name=f"s{number}")(lambda: barrier.wait() >= 0)

    assert engine.execute(flow) == {f"s{n}": True for n in range(5)}


def test_coroutines_run_at_once_on_the_loop(engine):
    """
    Branches of coroutines overlap too.
    """
    barrier = asyncio.Barrier(3)
    flow = make_workflow()

    async def step():
        await barrier.wait()
        return threading.get_ident()

    for name in "abc":
        flow.step(name=name)(step)

    assert len(set(engine.execute(flow).values())) == 1


def test_a_slow_task_holds_up_nobody(engine):
    """
    While one element hangs, all others and other runs go by (rolling window).
    """
    release, others = asyncio.Event(), []
    flow = make_workflow()

    @flow.map
    async def each(item):
        if item == 0:
            await release.wait()
        else:
            others.append(item)
            if len(others) == 299:
                release.set()
        return item

    assert engine.execute(flow, list(range(300))) == {"each": list(range(300))}


@pytest.mark.parametrize("is_async", [True, False])
def test_not_parallel_means_one_task_at_a_time(engine, is_async):
    """
    `parallel=False`: never two started tasks of the run, in branches or in maps.
    """
    meter = Meter()

    async def slowly(value):
        with meter:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return value

    def blocking(value):
        with meter:
            threading.Event().wait(0.001)
        return value

    body = slowly if is_async else blocking
    flow = make_workflow()
    flow.map(name="left")(wrap(body, "item"))
    flow.map(name="right")(wrap(body, "item"))
    flow.step(name="single")(wrap(body, "run_input"))
    flow.step(name="joined", depends_on=["left", "right", "single"])(wrap(body, "left"))

    result = engine.execute(flow, [1, 2, 3, 4], parallel=False)

    assert result == {"joined": [1, 2, 3, 4]}
    assert meter.most == 1


def wrap(body, name):
    """Return *body* with its parameter called *name*."""
    import inspect

    if inspect.iscoroutinefunction(body):

        async def function(**values):
            return await body(values[name])

    else:

        def function(**values):
            return body(values[name])

    kind = inspect.Parameter.KEYWORD_ONLY
    function.__signature__ = inspect.Signature([inspect.Parameter(name, kind)])
    return function


def test_a_serial_run_goes_on_after_a_retry(engine):
    """
    The task that waits for its retry keeps the turn.
    """
    from singularity_workflow import RetryPolicy

    meter = Meter()
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0.02))

    @flow.map
    async def each(item, ctx):
        with meter:
            await asyncio.sleep(0)
            if item == 1 and ctx.attempt == 1:
                raise ValueError
        return ctx.attempt

    assert engine.execute(flow, [0, 1, 2], parallel=False) == {"each": [1, 2, 1]}
    assert meter.most == 1


def test_urgent_runs_go_first(dsn):
    """
    Of runs that wait for a slot the one with the highest priority is next.
    """
    order = []

    async def main():
        hold = asyncio.Event()

        async def step(input):
            if input == "first":
                await hold.wait()
            order.append(input)

        flow = single(step)
        async with AsyncEngine(dsn, concurrency=1) as engine:
            handles = [
                await engine.start(flow, name, priority=priority)
                for name, priority in [
                    ("first", 0), ("low", -5), ("normal", 0), ("high", 5),
                ]
            ]  # fmt: skip
            hold.set()
            for handle in handles:
                await handle.result()

    run(main)
    assert order == ["first", "high", "normal", "low"]


def test_context_variables_do_not_leak(dsn):
    """
    A step sees those of `connect`: not of its caller, and not of another step.
    """
    variable = contextvars.ContextVar("variable", default="nothing")

    async def main():
        variable.set("connect")
        flow = make_workflow()

        @flow.step
        async def a():
            found = variable.get()
            variable.set("a")
            return found

        @flow.step
        def b(a):
            found = variable.get()
            variable.set("b")
            return [a, found]

        @flow.step
        async def c(b):
            return [*b, variable.get()]

        async with AsyncEngine(dsn) as engine:

            async def call(name):
                variable.set(name)
                return await engine.execute(flow)

            return await asyncio.gather(call("x"), call("y"))

    assert run(main) == [{"c": ["connect"] * 3}] * 2
