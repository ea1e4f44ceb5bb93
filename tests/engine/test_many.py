"""One workflow for many inputs, in one call."""

from __future__ import annotations

import asyncio

import pytest

from engine.support import make_workflow, run, single, until
from singularity_workflow import (
    AsyncEngine,
    InvalidInput,
    RunCancelled,
    RunFailed,
    RunStatus,
    RunTimeout,
)


def doubled():
    return single(lambda view: view * 2)


def picky():
    """Return a workflow that fails for odd numbers, and the list of its calls."""
    calls = []

    async def step(input):
        calls.append(input)
        if input % 2:
            raise ValueError(f"{input} is odd")
        return input

    return single(step, max_attempts=1), calls


def test_start_many_starts_a_run_for_each_input(dsn):
    """
    In the order of the inputs, with options that are the same for all.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handles = await engine.start_many(doubled(), range(1200), tags=iter("ab"))
            results = [await handle.result() for handle in handles]
            return results, (await handles[7].status())[1]["tags"]

    results, tags = run(main)
    assert results == [{"step": 2 * n} for n in range(1200)]
    assert tags == ("a", "b")


def test_execute_many_returns_a_result_for_each_input(engine):
    """
    In the order of the inputs.
    """
    results = engine.execute_many(doubled(), iter(range(1200)))

    assert results == [{"step": 2 * n} for n in range(1200)]


@pytest.mark.parametrize("method", ["start_many", "execute_many"])
def test_no_inputs_are_no_runs(engine, method):
    """
    The answer is an empty list.
    """
    assert getattr(engine, method)(doubled(), []) == []


def test_the_first_failure_is_raised_when_all_have_ended(engine):
    """
    The other runs are not disturbed.
    """
    flow, calls = picky()

    with pytest.raises(RunFailed, match="3 is odd"):
        engine.execute_many(flow, [2, 3, 4, 5, 6])

    assert sorted(calls) == [2, 3, 4, 5, 6]
    page = engine.list_workflow_runs(workflow=flow.name)
    assert sorted(one.status for one in page) == ["completed"] * 3 + ["failed"] * 2


def test_failures_may_stand_among_the_results(engine):
    """
    With `return_exceptions` each has its place.
    """
    flow, _ = picky()

    first, second, third = engine.execute_many(flow, [2, 3, 4], return_exceptions=True)

    assert (first, third) == ({"step": 2}, {"step": 4})
    assert isinstance(second, RunFailed)
    assert second.step == "step"


def test_cancelled_runs_and_deadlines_stand_among_the_results_too(dsn):
    """
    Whatever keeps a run from completing.
    """

    async def main():
        async def step(input):
            await asyncio.Event().wait()

        flow = single(step)
        async with AsyncEngine(dsn) as engine:
            call = asyncio.create_task(
                engine.execute_many(flow, [1, 2], return_exceptions=True, timeout=1)
            )

            async def runs():
                page = await engine.list_workflow_runs(workflow=flow.name)
                return page.items

            (info, _) = await until(runs, "the runs")
            await engine.cancel_workflow_run(info.id)
            return await call

    results = run(main)
    assert {type(one) for one in results} == {RunCancelled, RunTimeout}


@pytest.mark.parametrize("method", ["start_many", "execute_many"])
def test_one_input_that_does_not_fit_refuses_them_all(engine, method):
    """
    Whether Python or the database finds out; others that start beside are not meant.
    """
    typed, mapped = make_workflow(), make_workflow()
    ran = []

    @typed.step(name="step")
    async def number(input: int):
        ran.append(input)

    @mapped.map
    async def each(item):
        ran.append(item)

    for flow, inputs in [(typed, [1, "x", 2]), (mapped, [[1], {"no": "array"}, [2]])]:
        with pytest.raises(InvalidInput):
            getattr(engine, method)(flow, inputs)
        assert engine.list_workflow_runs(workflow=flow.name).items == []
    assert ran == []


def test_a_refused_call_disturbs_no_other(dsn):
    """
    Calls that come at once share a batch, and are refused each for itself.
    """

    async def main():
        flow = make_workflow()

        @flow.map
        async def each(item):
            return item

        async with AsyncEngine(dsn) as engine:
            await engine.register(flow)
            return await asyncio.gather(
                engine.execute_many(flow, [[1], [2]]),
                engine.execute_many(flow, [[3], None]),
                engine.execute(flow, [4]),
                return_exceptions=True,
            )

    first, refused, third = run(main)
    assert first == [{"each": [1]}, {"each": [2]}]
    assert isinstance(refused, InvalidInput)
    assert third == {"each": [4]}


def test_runs_of_a_large_call_that_is_refused_do_not_go_on(dsn):
    """
    Those of the batches before were started; they are cancelled.
    """

    async def main():
        flow = make_workflow()

        @flow.map
        async def each(item):
            await asyncio.Event().wait()

        async with AsyncEngine(dsn) as engine:
            with pytest.raises(InvalidInput):
                await engine.start_many(flow, [*([[1]] * 1100), None])
            open_runs = await engine.list_workflow_runs(
                workflow=flow.name, status=["pending", "started"]
            )
            return len(open_runs)

    assert run(main) == 0


def test_cancelling_the_call_cancels_all_its_runs(dsn):
    """
    Those that have ended stay as they are.
    """

    async def main():
        async def step(input):
            if input:
                await asyncio.Event().wait()

        flow = single(step)
        async with AsyncEngine(dsn) as engine:
            call = asyncio.create_task(engine.execute_many(flow, range(250)))

            async def has_completed():
                done = await engine.list_workflow_runs(
                    workflow=flow.name, status="completed"
                )
                return done.items

            await until(has_completed, "the first run to complete")
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            page = await engine.list_workflow_runs(workflow=flow.name, limit=1000)
            return [one.status for one in page]

    statuses = run(main)
    assert statuses.count(RunStatus.CANCELLED) == 249
    assert statuses.count(RunStatus.COMPLETED) == 1
