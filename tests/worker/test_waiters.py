"""Who waits for a run is told of its end, whatever happens beside it."""

from __future__ import annotations

import asyncio

import psycopg
from engine.support import run, single, until

from singularity_workflow import AsyncEngine


def test_more_waiters_than_one_question_holds(dsn):
    """
    1,200 runs of one engine are waited for in another.
    """

    async def main():
        flow = single(lambda view: view)
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            handles = await engine.start_many(flow, range(1200))
            return await asyncio.gather(
                *(other.get_handle(handle.id).result() for handle in handles)
            )

    assert run(main) == [{"step": n} for n in range(1200)]


def test_many_wait_for_one_run(dsn):
    """
    In one process and in two.
    """

    async def main():
        go = asyncio.Event()

        async def step():
            await go.wait()
            return 1

        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            handle = await engine.start(single(step))
            calls = [handle.result() for _ in range(5)]
            calls += [other.get_handle(handle.id).result() for _ in range(5)]
            tasks = [asyncio.create_task(call) for call in calls]
            await until(
                lambda: str(handle.id) in other._session.waiters, "the others to wait"
            )
            go.set()
            return await asyncio.gather(*tasks)

    assert run(main) == [{"step": 1}] * 10


def test_one_who_gives_up_does_not_take_the_others_along(dsn):
    """
    Each has a wait of its own.
    """

    async def main():
        go = asyncio.Event()

        async def step():
            await go.wait()
            return 1

        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(step))
            tasks = [asyncio.create_task(handle.result()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    first, cancelled, third = run(main)
    assert first == third == {"step": 1}
    assert isinstance(cancelled, asyncio.CancelledError)


def test_a_run_that_is_being_started_is_not_missing(private):
    """
    Whoever asks about all runs meanwhile must not conclude that there is no such run.
    """

    async def main():
        flow = single(lambda: 1)
        async with AsyncEngine(private) as engine:
            done = await engine.start(flow)
            await done.result()
            with psycopg.connect(private) as connection:
                connection.execute("lock table singularity_workflow.runs in share mode")
                call = asyncio.create_task(engine.execute(flow))
                waiters = engine._session.waiters
                await until(lambda: waiters._futures, "the call to wait")
                waiters.ask_for_all()
                # answered with the same question, or a later one
                await engine.get_handle(done.id).result()
                connection.rollback()
            return await call

    assert run(main) == {"step": 1}
