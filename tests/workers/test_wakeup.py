"""Workers are woken by a notification, and find out by themselves when none comes."""

from __future__ import annotations

import time
from uuid import UUID

import psycopg
import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import AsyncEngine, Worker
from workers import flows
from workers.support import Look

CUT_LISTENERS = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and application_name = 'singularity_workflow'
  and query ilike any (array['listen%', 'select 1;%'])
"""


@pytest.fixture
def deaf(monkeypatch):
    """Without a hint, an idle worker would not look for a minute."""
    monkeypatch.setattr("singularity_workflow.worker.queue_view.IDLE_POLL", 60)
    monkeypatch.setattr("singularity_workflow.worker.dispatcher.IDLE_POLL", 60)
    monkeypatch.setattr("singularity_workflow.worker.waiters._FIRST_PAUSE", 60)
    monkeypatch.setattr("singularity_workflow.worker.waiters._LAST_PAUSE", 60)


def flow_of_one():
    """Return a workflow of one step, that returns 1."""
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)
    return flow


async def hears(engine):
    """Wait until an engine hears notifications."""
    engine.session.hub.start()
    await until(lambda: engine.session.hub.is_listening, "it to listen")


def test_a_start_elsewhere_wakes_an_idle_worker(dsn, deaf):
    """
    And the end of the run wakes who waits for it elsewhere.
    """
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, flow),
            AsyncEngine(dsn) as other,
        ):
            await hears(engine)
            await hears(other)
            await until(_is_idle(dsn), "the worker to be idle")
            begun_at = time.monotonic()
            result = await other.execute(flow, execution="distributed")
            return result, time.monotonic() - begun_at

    result, seconds = run(main)
    assert result == {"step": 1}
    assert seconds < 15


def test_a_start_in_plain_sql_wakes_it_too(dsn, deaf, look):
    """
    With its commit (product.md, section 3).
    """
    flow = flow_of_one()

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            await hears(engine)
            await until(_is_idle(dsn), "the worker to be idle")
            begun_at = time.monotonic()
            run_id = look.value(
                "select singularity_workflow.start_run(%s, '{}')", flow.name
            )
            await until(lambda: look.status(run_id) == "completed", "its end")
            return time.monotonic() - begun_at

    assert run(main) < 15


def test_a_listener_that_was_cut_listens_again(dsn, deaf, look):
    """
    And looks for what it may have missed.
    """
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, flow),
            AsyncEngine(dsn) as other,
        ):
            await hears(engine)
            await until(_is_idle(dsn), "the worker to be idle")
            assert look.value(CUT_LISTENERS)
            handle = await other.start(flow, execution="distributed")
            await until(lambda: look.status(handle.id) == "completed", "its end")
            await hears(engine)
            again = await other.start(flow, execution="distributed")
            await until(lambda: look.status(again.id) == "completed", "its end")

    run(main)


def test_without_notifications_there_is_polling(dsn, monkeypatch):
    """
    Soon after work, and ever more slowly without.
    """
    monkeypatch.setattr(
        "singularity_workflow.store.listener.Listener.start", lambda _: None
    )
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            Worker(engine, flow),
            AsyncEngine(dsn) as other,
        ):
            assert not engine.session.hub.is_listening
            return [
                await other.execute(flow, execution="distributed") for _ in range(3)
            ]

    assert run(main) == [{"step": 1}] * 3


def test_an_engine_can_do_without_notify(dsn):
    """
    Then it polls, and tells nobody anything.
    """
    flow = flow_of_one()

    async def main():
        async with (
            AsyncEngine(dsn, use_notify=False) as engine,
            Worker(engine, flow),
            AsyncEngine(dsn, use_notify=False) as other,
            await psycopg.AsyncConnection.connect(dsn) as connection,
        ):
            results = [
                await other.execute(flow, execution="distributed") for _ in range(2)
            ]
            async with connection.transaction():
                handle = await other.start(
                    flow, execution="distributed", connection=connection
                )
            assert not other.session.hub.is_listening
            return [*results, await handle.result(timeout=20)]

    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute("listen singularity_workflow_work")
        listener.execute("listen singularity_workflow_events")

        results = run(main)

        assert results == [{"step": 1}] * 3
        assert list(listener.notifies(timeout=0)) == []


def test_results_reach_any_process(start_worker, engine, stage, dsn):
    """
    Whoever asks for a run, from wherever, is told of its end.
    """
    start_worker()
    handle = engine.start(flows.gated, stage.input, execution="distributed")

    async def main():
        async with AsyncEngine(dsn) as other:
            stage.open()
            return await other.get_handle(handle.id).result(timeout=20)

    assert run(main) == {"gate": "passed"}


def _is_idle(dsn):
    """Return a condition: all connections of the library wait for their clients."""
    look = Look(dsn)
    return lambda: (
        not look.value(
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and application_name = 'singularity_workflow' and state <> 'idle'"
        )
    )


def test_hints_of_many_runs_fit_into_notifications(dsn, look):
    """
    In several, each below the 8,000 bytes that one may have (U 225).
    """
    ids = [str(UUID(int=number)) for number in range(1_000)]

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("listen singularity_workflow_events")
        look.rows("select singularity_workflow.send_hints(null, %s::uuid[])", ids)
        payloads = [
            one.payload for one in connection.notifies(timeout=10, stop_after=5)
        ]

    assert max(map(len, payloads)) < 8_000
    words = [payload.split() for payload in payloads]
    assert {word[0] for word in words} == {"ended"}
    assert sorted(one for word in words for one in word[1:]) == ids
