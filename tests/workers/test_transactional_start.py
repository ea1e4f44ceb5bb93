"""`start(connection=)`: the run begins with the caller's transaction, or not at all."""

from __future__ import annotations

import time

import psycopg
import pytest
from engine.support import PATIENCE, make_workflow, run, until

from singularity_workflow import (
    AsyncEngine,
    InvalidSetting,
    RunNotFound,
    UnsupportedIsolation,
    Worker,
)
from workers import flows

OPEN = "select count(*) from singularity_workflow.runs"


def flow_of_one():
    """Return a workflow of one step, that returns 1."""
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)
    return flow


async def connect(dsn):
    """Open a connection of the application's own."""
    return await psycopg.AsyncConnection.connect(dsn)


def test_a_commit_starts_the_run(dsn):
    """
    A worker takes it as soon as it exists.
    """
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, flow),
            await connect(dsn) as connection,
        ):
            handle = await engine.start(
                flow, execution="distributed", connection=connection
            )
            await connection.commit()
            return await handle.result(timeout=20)

    assert run(main) == {"step": 1}


def test_the_commit_itself_tells_the_workers(dsn, monkeypatch):
    """
    Nobody need be there afterwards to do it (S8).
    """
    # without a hint it would take a minute
    monkeypatch.setattr("singularity_workflow.worker.queue_view.IDLE_POLL", 60)
    monkeypatch.setattr("singularity_workflow.worker.dispatcher.IDLE_POLL", 60)
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, flow) as worker,
            AsyncEngine(dsn) as other,
            await connect(dsn) as connection,
        ):
            await until(lambda: worker._engine.session.hub.is_listening, "it to listen")
            handle = await other.start(
                flow, execution="distributed", connection=connection
            )
            started_at = time.monotonic()
            await connection.commit()
            await handle.result(timeout=PATIENCE)
            return time.monotonic() - started_at

    assert run(main) < 20


def test_a_rollback_leaves_nothing(dsn, look):
    """
    As if it had never been started.
    """
    flow = flow_of_one()

    async def main():
        async with AsyncEngine(dsn) as engine, await connect(dsn) as connection:
            handle = await engine.start(
                flow, execution="distributed", connection=connection
            )
            await connection.rollback()
            with pytest.raises(RunNotFound):
                await handle.result(timeout=20)

    run(main)
    assert look.value(OPEN) == 0
    assert look.value("select count(*) from pgmq.q_swf_tasks") == 0


def test_before_the_commit_there_is_no_run(dsn):
    """
    Its result cannot be waited for yet (S8).
    """
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, flow),
            await connect(dsn) as connection,
        ):
            handle = await engine.start(
                flow, execution="distributed", connection=connection
            )
            with pytest.raises(RunNotFound):
                await handle.result(timeout=20)
            with pytest.raises(RunNotFound):
                await handle.status()
            await connection.commit()
            return await handle.result(timeout=20)

    assert run(main) == {"step": 1}


def test_it_belongs_to_the_writes_around_it(dsn, look, effects):
    """
    Both are there, or neither.
    """
    flow = flow_of_one()

    async def main():
        async with AsyncEngine(dsn) as engine, await connect(dsn) as connection:
            for key, is_kept in (("a", True), ("b", False)):
                with pytest.raises(ZeroDivisionError):
                    async with connection.transaction(force_rollback=not is_kept):
                        await connection.execute(
                            "insert into effects values (%s)", (key,)
                        )
                        await engine.start(
                            flow, execution="distributed", connection=connection
                        )
                    raise ZeroDivisionError
            await connection.commit()

    run(main)
    assert effects() == ["a"]
    assert look.value(OPEN) == 1


def test_the_connection_keeps_its_settings(dsn):
    """
    Rows come as the application wants them, and its transaction stays open.
    """
    flow = flow_of_one()

    async def main():
        async with AsyncEngine(dsn) as engine, await connect(dsn) as connection:
            connection.row_factory = psycopg.rows.dict_row
            await engine.start(flow, execution="distributed", connection=connection)
            cursor = await connection.execute("select 1 as one, '[1.0]'::json as data")
            row = await cursor.fetchone()
            return row, connection.info.transaction_status.name

    assert run(main) == ({"one": 1, "data": [1.0]}, "INTRANS")


@pytest.mark.parametrize("level", ["REPEATABLE_READ", "SERIALIZABLE"])
def test_a_transaction_above_read_committed_is_refused(dsn, level):
    """
    It could not see what others have done meanwhile (decision 13).
    """
    flow = flow_of_one()

    async def main():
        async with AsyncEngine(dsn) as engine, await connect(dsn) as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel[level])
            with pytest.raises(UnsupportedIsolation):
                await engine.start(flow, execution="distributed", connection=connection)
            await connection.rollback()

    run(main)


def test_a_blocking_engine_takes_a_blocking_connection(
    engine, dsn, start_worker, stage
):
    """
    And a run of a worker in another process.
    """
    start_worker()

    with psycopg.connect(dsn) as connection:
        handle = engine.start(
            flows.quick, stage.input, execution="distributed", connection=connection
        )

    assert handle.result(timeout=20) == {"answer": 42}


def test_a_local_run_starts_with_a_transaction_too(dsn):
    """
    Here, after the commit; nothing is handed over before (S8).
    """
    flow = flow_of_one()

    async def main():
        async with AsyncEngine(dsn) as engine, await connect(dsn) as connection:
            handle = await engine.start(flow, connection=connection)
            await connection.commit()
            return await handle.result(timeout=20)

    assert run(main) == {"step": 1}


def test_something_that_is_no_connection(engine, stage):
    """
    It is refused, and said what is needed.
    """
    with pytest.raises(InvalidSetting, match="psycopg connection, got str"):
        engine.start(
            flows.quick, stage.input, execution="distributed", connection="dbname=a"
        )
