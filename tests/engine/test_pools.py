"""The application's own pools: borrowed, left as they were, never closed."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from engine.support import fail, make_workflow, run, single
from singularity_workflow import AsyncEngine, Engine, RunNotFound, RunStatus

UNKNOWN = "01a20c24-93b3-7000-826d-b0b054f6d201"
SERIALIZABLE = psycopg.IsolationLevel.SERIALIZABLE
REPEATABLE_READ = psycopg.IsolationLevel.REPEATABLE_READ


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("level", [None, REPEATABLE_READ, SERIALIZABLE])
def test_a_borrowed_pool_works_whatever_its_settings(dsn, autocommit, level):
    """
    Row factory, autocommit and isolation level are the application's business.
    """

    async def configure(connection):
        await connection.set_isolation_level(level)

    async def main():
        async with psycopg_pool.AsyncConnectionPool(
            dsn,
            kwargs={"autocommit": autocommit, "row_factory": dict_row},
            configure=configure,
            min_size=1,
            max_size=2,
            open=False,
        ) as pool:
            flow = make_workflow()
            flow.map(name="each")(lambda item: item + 1)
            async with AsyncEngine(pool=pool) as engine:
                handle = await engine.start(flow, [1, 2])
                assert await handle.result() == {"each": [2, 3]}
                assert (await handle.status())[0] == RunStatus.COMPLETED
                page = await engine.list_workflow_runs(workflow=flow.name)
                assert [one.id for one in page] == [handle.id]
                with pytest.raises(RunNotFound):
                    await engine.get_run_status(UNKNOWN)

            assert not pool.closed
            for connection in [await pool.getconn() for _ in range(2)]:
                assert connection.info.transaction_status == TransactionStatus.IDLE
                assert connection.autocommit == autocommit
                assert connection.isolation_level == level
                row = await (await connection.execute("select 1 as a")).fetchone()
                assert row == {"a": 1}
                json = await connection.execute("select '[1]'::json as a")
                assert await json.fetchone() == {"a": [1]}
                await connection.rollback()
                await pool.putconn(connection)

    run(main)


def test_a_borrowed_blocking_pool_works_with_the_blocking_engine(dsn):
    """
    A `ConnectionPool` is used from threads.
    """
    with (
        psycopg_pool.ConnectionPool(
            dsn, kwargs={"row_factory": dict_row}, min_size=1, max_size=2, open=True
        ) as pool,
        Engine(pool=pool) as engine,
    ):
        handle = engine.start(single(lambda: 1))
        assert handle.result() == {"step": 1}
        assert handle.status()[0] == RunStatus.COMPLETED
        engine.close()

        assert not pool.closed
        with pool.connection() as connection:
            assert connection.execute("select 1 as a").fetchone() == {"a": 1}


def test_a_failed_run_leaves_the_pool_usable(dsn):
    """
    Errors of runs are no errors of connections.
    """
    with psycopg_pool.ConnectionPool(dsn, min_size=1, max_size=1, open=True) as pool:

        def step():
            raise ValueError("boom")

        with Engine(pool=pool) as engine:
            fail(engine, single(step, max_attempts=1))
        with pool.connection() as connection:
            assert connection.info.transaction_status == TransactionStatus.IDLE


def test_a_step_may_use_the_pool(dsn):
    """
    The application's pool is a resource too, and both get their connections.
    """

    async def main():
        async with psycopg_pool.AsyncConnectionPool(
            dsn, min_size=1, max_size=1, open=False
        ) as pool:

            async def step(database, ctx):
                async with database.connection() as connection:
                    cursor = await connection.execute("select 42")
                    return (await cursor.fetchone())[0]

            async with AsyncEngine(pool=pool, resources={"database": pool}) as engine:
                return await engine.execute(single(step))

    assert run(main) == {"step": 42}
