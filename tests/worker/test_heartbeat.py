"""The heartbeat: a blocked event loop must not look like death."""

from __future__ import annotations

import asyncio
import logging
import threading

from engine.support import Sql, run, single, until

from singularity_workflow import AsyncEngine

LEASE = 1.0
BEAT = """
select w.heartbeat_at from singularity_workflow.workers w where w.worker_id = %s
"""
LOST = """
select w.lost_at is not null from singularity_workflow.workers w where w.worker_id = %s
"""


def test_a_worker_beats_three_times_a_lease(dsn):
    """
    Its lease is renewed while it is idle (P 182).
    """
    sql = Sql(dsn)

    async def main():
        async with AsyncEngine(dsn, lease=LEASE) as engine:
            await engine.execute(single(lambda: 1))
            worker_id = engine._session._worker.worker_id
            first = sql.value(BEAT, worker_id)
            second = await until(
                lambda: (beat := sql.value(BEAT, worker_id)) > first and beat, "a beat"
            )
            return (second - first).total_seconds()

    assert run(main) < LEASE


def test_a_step_that_blocks_the_loop_keeps_its_task(dsn, caplog):
    """
    For longer than the lease; the log names the step (S2, U 223).
    """
    sql = Sql(dsn)

    async def main():
        attempts = []

        async def rude(ctx):
            attempts.append(ctx.attempt)
            threading.Event().wait(2 * LEASE)
            return "done"

        flow = single(rude)
        async with (
            AsyncEngine(dsn, lease=LEASE) as engine,
            AsyncEngine(dsn, lease=LEASE) as other,
        ):
            await other.register(flow)
            call = asyncio.create_task(engine.execute(flow))
            result = await call
            lost = sql.value(LOST, engine._session._worker.worker_id)
            return result, attempts, lost, await other.recover(flow)

    with caplog.at_level(logging.WARNING, logger="singularity_workflow"):
        result, attempts, lost, recovered = run(main)

    assert result == {"step": "done"}
    assert (attempts, lost, recovered) == ([1], False, [])
    assert any("blocks the event loop" in one.getMessage() for one in caplog.records)


def test_a_long_step_in_a_thread_keeps_its_task(dsn):
    """
    However long it runs, as long as its worker lives (P 182, U 223).
    """
    sql = Sql(dsn)

    async def main():
        async with AsyncEngine(dsn, lease=LEASE) as engine:
            release = threading.Event()

            def step(ctx):
                release.wait(20)
                return ctx.attempt

            handle = await engine.start(single(step))
            worker_id = engine._session._worker.worker_id
            first = sql.value(BEAT, worker_id)
            await until(
                lambda: (sql.value(BEAT, worker_id) - first).total_seconds() > LEASE,
                "beats for longer than the lease",
            )
            release.set()
            return await handle.result()

    assert run(main) == {"step": 1}
