"""Options of maps: how many elements at once, and what a failing one does."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.support import fail, make_workflow, run, wait_until
from singularity_workflow import (
    AsyncEngine,
    DefinitionError,
    RetryPolicy,
    Skip,
    Worker,
)


def picky(**options):
    """A map that fails for negative elements."""
    flow = make_workflow(max_attempts=1)

    @flow.map(**options)
    def each(item):
        if item < 0:
            raise ValueError(f"{item} is negative")
        return item * 10

    return flow


def test_errors_are_collected_in_their_places(engine):
    """
    Where the output would be stands the error, and the run completes.
    """
    flow = picky(on_error="collect")
    flow.step(name="count")(lambda each: [len(each), each[1]["error"]["message"]])

    result = engine.execute(flow, [1, -2, 3, -4])

    assert result == {"count": [4, "-2 is negative"]}
    alone = engine.execute(picky(on_error="collect"), [-1, 2])["each"]
    assert alone == [{"error": {"type": "ValueError", "message": "-1 is negative"}}, 20]


def test_failed_elements_are_skipped(engine):
    """
    The others keep their order.
    """
    assert engine.execute(picky(on_error="skip"), [1, -2, 3]) == {"each": [10, 30]}


@pytest.mark.parametrize(("on_error", "result"), [("skip", []), ("collect", 3)])
def test_all_elements_may_fail(engine, on_error, result):
    """
    The map completes all the same.
    """
    found = engine.execute(picky(on_error=on_error), [-1, -2, -3])["each"]

    assert (found if on_error == "skip" else len(found)) == result


def test_by_default_the_step_fails(engine):
    """
    As with `on_error="fail"`.
    """
    assert fail(engine, picky(), [1, -1]).step == "each"
    assert fail(engine, picky(on_error="fail"), [1, -1]).step == "each"


def test_attempts_are_used_up_first(engine):
    """
    An element is tried as often as the policy says before it is given up.
    """
    calls = []
    flow = make_workflow(retry=RetryPolicy(max_attempts=3, delay=0))

    @flow.map(on_error="skip")
    def each(item, ctx):
        calls.append(item)
        if item == 1 or (item == 2 and ctx.attempt == 1):
            raise ValueError(item)
        return item

    assert engine.execute(flow, [0, 1, 2]) == {"each": [0, 2]}
    assert sorted(calls) == [0, 1, 1, 1, 2, 2]


def test_a_skipped_element_of_a_collecting_map(engine):
    """
    `Skip` leaves it out; an error takes its place.
    """
    flow = make_workflow(max_attempts=1)

    @flow.map(on_error="collect")
    def each(item):
        if item == 0:
            raise Skip("zero")
        return 1 / item if item > 0 else 1 // 0

    result = engine.execute(flow, [1, 0, -1, 2])["each"]
    assert [result[0], result[1]["error"]["type"], result[2]] == [
        1,
        "ZeroDivisionError",
        0.5,
    ]


def test_a_map_over_a_map_that_skips(engine):
    """
    It has a task for each element that is there.
    """
    flow = picky(on_error="skip")
    flow.map(name="more", over="each")(lambda item, index: [index, item])

    assert engine.execute(flow, [1, -1, 2]) == {"more": [[0, 10], [1, 20]]}


class Meter:
    """How many are inside at once, at most, and who came in."""

    def __init__(self):
        self.inside = self.most = 0

    def __enter__(self):
        self.inside += 1
        self.most = max(self.most, self.inside)

    def __exit__(self, *error):
        self.inside -= 1


@pytest.mark.parametrize("bound", [1, 3])
def test_never_more_elements_than_the_bound(dsn, bound):
    """
    In the whole fleet; and as many as the bound allows.
    """
    meter = Meter()
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0))

    @flow.map(max_concurrency=bound)
    async def each(item, ctx):
        with meter:
            for _ in range(3):
                await asyncio.sleep(0)
            if item % 5 == 0 and ctx.attempt == 1:
                raise ValueError("once")
            return item

    async def main():
        async with (
            AsyncEngine(dsn) as one,
            AsyncEngine(dsn) as two,
            Worker(one, flow, concurrency=8),
            Worker(two, flow, concurrency=8),
        ):
            local = await one.execute(flow, list(range(20)))
            most_here = meter.most
            meter.most = 0
            result = await two.execute(flow, list(range(20)), execution="distributed")
            return local, result, most_here

    local, result, most_here = run(main)
    assert local == result == {"each": list(range(20))}
    assert most_here <= bound
    assert meter.most <= bound


def test_as_many_as_the_bound_run_at_once(engine):
    """
    Three wait for each other, and no fourth is there.
    """
    trio = threading.Barrier(3, timeout=20)
    inside = []
    flow = make_workflow()

    @flow.map(max_concurrency=3)
    def each(item):
        inside.append(item)
        trio.wait()
        assert len(inside) <= 3
        trio.wait()
        inside.remove(item)
        trio.wait()
        return item

    assert engine.execute(flow, list(range(9))) == {"each": list(range(9))}


def test_skipped_and_failed_elements_give_their_place_to_others(engine):
    """
    Whatever ends an element, the next one comes.
    """
    flow = make_workflow(max_attempts=1)

    @flow.map(max_concurrency=2, on_error="skip", when=lambda item: item % 4)
    def each(item):
        if item % 4 == 1:
            raise ValueError(item)
        if item % 4 == 2:
            raise Skip("two")
        return item

    assert engine.execute(flow, list(range(40))) == {"each": list(range(3, 40, 4))}


def test_a_bounded_map_that_is_paused_and_resumed(engine):
    """
    It goes on, within its bound.
    """
    gate = threading.Event()
    began = []
    flow = make_workflow()

    @flow.map(max_concurrency=2)
    def each(item):
        began.append(item)
        gate.wait(20)
        return item

    handle = engine.start(flow, list(range(6)))
    try:
        wait_until(lambda: len(began) == 2, "two to begin")
        handle.pause()
    finally:
        gate.set()
    wait_until(lambda: handle.status()[1]["completed_tasks"] == 2, "their ends")
    assert len(began) == 2

    handle.resume()

    assert handle.result() == {"each": list(range(6))}


def test_more_elements_than_one_transaction_makes_within_a_bound(engine):
    """
    The rest of a wide map comes in chunks.
    """
    flow = make_workflow()

    @flow.map(max_concurrency=50)
    async def each(item):
        return item

    count = 2_100
    assert engine.execute(flow, list(range(count))) == {"each": list(range(count))}


@pytest.mark.parametrize("option", [{"max_concurrency": 2}, {"on_error": "skip"}])
def test_a_single_step_has_no_options_of_maps(option):
    """
    The error says whose the option is, and where.
    """
    flow = make_workflow()
    flow.step(name="step", **option)(lambda: 1)

    with pytest.raises(DefinitionError) as caught:
        _ = flow.definition

    (name,) = option
    (issue,) = caught.value.issues
    assert issue.pointer == f"/steps/0/options/{name}"
    assert name in issue.message
    assert "map" in issue.hint
    assert "test_map_options.py" in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [
        {"max_concurrency": 0},
        {"max_concurrency": "2"},
        {"max_concurrency": True},
        {"on_error": "ignore"},
        {"on_error": 1},
    ],
)
def test_values_that_cannot_be(option):
    """
    They are refused where they are written.
    """
    (name,) = option

    with pytest.raises(DefinitionError, match=name):
        make_workflow().map(name="each", **option)(lambda item: item)


@pytest.mark.parametrize("option", [{"max_concurrency": 2}, {"on_error": "skip"}])
def test_a_workflow_has_no_options_of_maps(option):
    """
    They are a map's own.
    """
    (name,) = option

    with pytest.raises(DefinitionError, match=name):
        make_workflow(**option)
