"""Behind PgBouncer, which pools transactions: no LISTEN, no settings, no preparing."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import AsyncEngine, Worker
from singularity_workflow.store.connections import connect, connect_blocking
from workers import flows
from workers.pooler import pooled

PREPARED = "select count(*) from pg_prepared_statements"


@pytest.fixture(params=["refuses", "ignores"])
def pooler(request, dsn):
    """The database by way of a PgBouncer that does so with options of sessions."""
    settings = {}
    if request.param == "ignores":
        settings["ignore_startup_parameters"] = "options"
    with pooled(dsn, **settings) as found:
        yield found


def test_a_worker_runs_what_others_start(pooler, start_worker, stage):
    """
    It finds out by polling, and says so.
    """
    worker = start_worker(dsn=pooler)

    async def main():
        async with AsyncEngine(pooler) as engine:
            return [
                await engine.execute(flows.chain, stage.input, execution="distributed")
                for _ in range(3)
            ]

    assert run(main) == [{"three": 3}] * 3
    assert set(stage.pids) == {worker.pid}
    worker.await_log("notifications do not arrive, as behind a transaction pooler")
    assert "Traceback" not in worker.log
    assert worker.terminate() == 0


def test_many_runs_at_once_share_few_connections(pooler):
    """
    Of workers and engines that have more of them than PgBouncer has.
    """
    flow = make_workflow()

    @flow.map
    async def element(item):
        return item

    @flow.step
    def total(element):
        return sum(element)

    async def main():
        async with (
            AsyncEngine(pooler) as engine,
            AsyncEngine(pooler) as other,
            Worker(engine, flow),
            Worker(other, flow),
        ):
            return await asyncio.gather(
                *[
                    engine.execute(flow, [1, 2, number], execution=execution)
                    for number in range(20)
                    for execution in ("local", "distributed")
                ]
            )

    expected = [{"total": 3 + number} for number in range(20) for _ in range(2)]
    assert run(main) == expected


def test_nothing_is_prepared(pooler):
    """
    It would be on a connection that is somebody else's next.
    """

    async def main():
        connection = await connect(pooler)
        async with connection:
            for _ in range(10):
                cursor = await connection.execute(PREPARED, prepare=True)
                row = await cursor.fetchone()
            return row

    assert run(main) == (0,)
    with connect_blocking(pooler) as connection:
        for _ in range(10):
            row = connection.execute(PREPARED, prepare=True).fetchone()
    assert row == (0,)


def test_a_connection_without_a_pooler_prepares(dsn):
    """
    And has its settings, and those of the address.
    """
    address = psycopg.conninfo.make_conninfo(
        dsn, application_name="my own", options="-c work_mem=5MB"
    )

    async def main():
        connection = await connect(address)
        async with connection:
            cursor = await connection.execute(
                "select current_setting('application_name'), "
                "current_setting('work_mem'), current_setting('jit')",
                prepare=True,
            )
            found = await cursor.fetchone()
            cursor = await connection.execute(PREPARED)
            return found, await cursor.fetchone()

    assert run(main) == (("my own", "5MB", "off"), (1,))


def test_a_transactional_step_takes_effect_once(pooler, effects):
    """
    Its transaction has a connection to itself until it ends.
    """
    flow = make_workflow()

    @flow.step
    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute("insert into effects values ('a')")
        return 1

    @flow.step
    def write_in_thread(write, ctx):
        with ctx.transaction() as connection:
            connection.execute("insert into effects values ('b')")
        return 2

    async def main():
        async with AsyncEngine(pooler) as engine, Worker(engine, flow):
            return await engine.execute(flow, execution="distributed")

    assert run(main) == {"write_in_thread": 2}
    assert effects() == ["a", "b"]


def test_a_pooler_of_sessions_hinders_nothing(dsn):
    """
    There notifications arrive.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)

    async def main(address):
        async with AsyncEngine(address) as engine, Worker(engine, flow):
            await until(lambda: engine.session.hub.is_listening, "it to hear")
            return await engine.execute(flow, execution="distributed")

    with pooled(dsn, pool_mode="session", default_pool_size="20") as address:
        assert run(main, address) == {"step": 1}
