"""Idempotency keys: the same key is the same run."""

from __future__ import annotations

import asyncio

import pytest

from engine.support import run, single, unique
from singularity_workflow import AsyncEngine, ConflictError, Engine, RunFailed

RUNS = """
select count(*) from singularity_workflow.runs r
join singularity_workflow.workflows w using (workflow_id) where w.name = %s
"""


def counted():
    """Return a workflow whose step counts its calls, and the list of them."""
    calls = []

    async def step(input):
        calls.append(input)
        return len(calls)

    return single(step), calls


def test_the_same_key_is_the_same_run(engine):
    """
    The second start gets the first one's run, whose step ran once (U 221).
    """
    flow, calls = counted()
    key = unique("key")

    first = engine.start(flow, {"n": 1}, idempotency_key=key)
    second = engine.start(flow, {"n": 1}, idempotency_key=key)

    assert first.id == second.id
    assert first.result() == second.result() == {"step": 1}
    assert len(calls) == 1


def test_execute_with_the_key_of_an_ended_run_returns_its_result(engine, dsn):
    """
    In this process or another.
    """
    flow, calls = counted()
    key = unique("key")
    results = [engine.execute(flow, idempotency_key=key) for _ in range(2)]
    with Engine(dsn) as other:
        results.append(other.execute(flow, idempotency_key=key))

    assert results == [{"step": 1}] * 3
    assert len(calls) == 1


def test_another_input_is_a_conflict(engine):
    """
    A key says that the request is the same, so it must be.
    """
    flow, calls = counted()
    key = unique("key")
    engine.execute(flow, {"n": 1}, idempotency_key=key)

    with pytest.raises(ConflictError, match=key):
        engine.execute(flow, {"n": 2}, idempotency_key=key)
    assert len(calls) == 1


def test_a_key_is_of_its_workflow(engine):
    """
    Another workflow may use the same one.
    """
    key = unique("key")
    flows = [counted()[0], counted()[0]]

    first, second = (engine.start(flow, idempotency_key=key).id for flow in flows)

    assert first != second


def test_without_a_key_every_start_is_a_run(engine):
    """
    Equal inputs mean nothing.
    """
    flow, _ = counted()

    results = [engine.execute(flow, {"n": 1}) for _ in range(2)]

    assert results == [{"step": 1}, {"step": 2}]


def test_callers_that_come_at_once_get_one_run(dsn, sql):
    """
    In one process, where they share a batch, and in two.
    """

    async def main():
        flow, calls = counted()
        key = unique("key")
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as two:
            results = await asyncio.gather(
                *(
                    engine.execute(flow, {"n": 1}, idempotency_key=key)
                    for engine in [one, two] * 20
                )
            )
        return flow.name, results, calls

    name, results, calls = run(main)
    assert results == [{"step": 1}] * 40
    assert len(calls) == 1
    assert sql.value(RUNS, name) == 1


def test_many_keys_in_one_batch(dsn):
    """
    Each key has its run, whatever the order in which they come.
    """

    async def main():
        flow, calls = counted()
        keys = [unique("key") for _ in range(20)]
        async with AsyncEngine(dsn) as engine:
            await engine.register(flow)
            handles = await asyncio.gather(
                *(
                    engine.start(flow, idempotency_key=key)
                    for key in [*keys, *reversed(keys)]
                )
            )
            for handle in handles:
                await handle.result()
        ids = [handle.id for handle in handles]
        return ids, calls

    ids, calls = run(main)
    assert ids[:20] == ids[:19:-1]
    assert len(set(ids)) == len(calls) == 20


def test_a_conflict_disturbs_no_other_start(dsn):
    """
    Of a batch only the request with the wrong input is refused.
    """

    async def main():
        flow, _ = counted()
        key = unique("key")
        async with AsyncEngine(dsn) as engine:
            await engine.execute(flow, 1, idempotency_key=key)
            return await asyncio.gather(
                engine.execute(flow, 1),
                engine.execute(flow, 2, idempotency_key=key),
                engine.execute(flow, 3),
                return_exceptions=True,
            )

    first, conflict, third = run(main)
    assert isinstance(conflict, ConflictError)
    assert {first["step"], third["step"]} == {2, 3}


def test_a_failed_run_keeps_its_key(engine):
    """
    The key means the request, not its success.
    """

    async def step():
        raise ValueError("boom")

    flow = single(step, max_attempts=1)
    key = unique("key")
    ids = set()
    for _ in range(2):
        with pytest.raises(RunFailed, match="boom") as caught:
            engine.execute(flow, idempotency_key=key)
        ids.add(caught.value.run_id)

    assert len(ids) == 1
