"""The dispatcher against a real database: stops, lost calls, contended runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import psycopg
import pytest
from engine.support import Sql, make_workflow, run, single, until

from singularity_workflow import AsyncEngine, RunCancelled
from singularity_workflow.worker import heartbeat

WAITING = """
select count(*) from pg_stat_activity a
where a.datname = current_database() and a.wait_event_type = 'Lock'
"""
HOLD_REPORTS = """
create function public.hold() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(77);
  return new;
end $$;
create trigger hold before update on singularity_workflow.step_states
  for each row when (new.status = 'completed' and new.step_no = 0)
  execute function public.hold();
"""


def test_a_task_that_is_stopped_before_it_begins_frees_its_slot(dsn):
    """
    A cancellation may come between the hand-over and the first step of the coroutine.
    """

    async def main():
        ran = []

        async def step(input):
            ran.append(input)
            return input

        flow = single(step)
        async with AsyncEngine(dsn, concurrency=1) as engine:
            await engine.execute(flow, "first")
            dispatcher = engine._session._worker.dispatcher
            absorb = dispatcher.absorb

            def absorb_and_lose(reply):
                absorb(reply)
                dispatcher.jobs.lose(dispatcher.jobs.known_tasks())

            dispatcher.absorb = absorb_and_lose
            lost = await engine.start(flow, "lost")
            dispatcher.absorb = absorb
            await lost.cancel()
            result = await engine.execute(flow, "next")
            assert dispatcher.jobs.known_tasks() == []
            with pytest.raises(RunCancelled):
                await lost.result()
            return result, ran

    assert run(main) == ({"step": "next"}, ["first", "next"])


@contextlib.contextmanager
def advisory_lock(dsn):
    """Hold the lock that `HOLD_REPORTS` waits for, and yield how to let it go."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(77)")
        yield lambda: connection.execute("select pg_advisory_unlock(77)")


def cut(connection):
    """Break a connection on our side; a server in the middle of a call sees nothing."""
    descriptor = os.dup(connection.pgconn.socket)
    with socket.socket(fileno=descriptor) as one:
        one.shutdown(socket.SHUT_RDWR)


def test_a_hand_over_whose_reply_is_lost_is_found(private, monkeypatch):
    """
    The old backend commits it after the client has gone; the heartbeat sweeps (F2).
    """
    monkeypatch.setattr(heartbeat, "_BEATS_PER_SWEEP", 10**9)  # but for the lost call
    sql = Sql(private)
    sql.rows(HOLD_REPORTS)

    async def main():
        flow = make_workflow()
        ran = []

        @flow.step
        async def a():
            return 1

        @flow.step
        async def b(a):
            ran.append("b")
            return a + 1

        async with AsyncEngine(private, lease=1) as engine:
            with advisory_lock(private) as release:
                handle = await engine.start(flow)
                await until(lambda: sql.value(WAITING) == 1, "the report to wait")
                cut(engine._session.store._hot[0]._connection)
                await until(lambda: sql.value(WAITING) == 2, "its repetition to wait")
                release()
                await until(lambda: sql.value(HANDED_TO_NOBODY), "the old commit")
                assert ran == []
                sql.rows(LET_TIME_PASS)
                result = await handle.result()
        return handle.id, result, ran

    run_id, result, ran = run(main)
    assert (result, ran) == ({"b": 2}, ["b"])
    assert sql.rows(
        "select t.attempt, t.failures, t.losses from singularity_workflow.tasks t "
        "where t.run_id = %s order by t.step_no",
        run_id,
    ) == [(1, 0, 0), (2, 0, 0)]


HANDED_TO_NOBODY = """
select count(*) from singularity_workflow.tasks t
where t.step_no = 1 and t.status = 'started'
"""
LET_TIME_PASS = """
update singularity_workflow.tasks set started_at = started_at - interval '11 seconds'
where step_no = 1 and status = 'started'
"""


def test_a_run_that_somebody_holds_is_reported_when_it_is_free(private):
    """
    Meanwhile other runs go on; nothing is reported twice (S4).
    """
    sql = Sql(private)

    async def main():
        go = asyncio.Event()

        async def step(input):
            await go.wait()
            return input

        async with AsyncEngine(private) as engine:
            held = await engine.start(single(step), "held")
            with psycopg.connect(private) as connection:
                connection.execute(
                    "select from singularity_workflow.runs where run_id = %s "
                    "for no key update",
                    (held.id,),
                )
                go.set()
                await until(lambda: sql.value(WAITING) == 1, "the report to wait")
                others = [await engine.execute(single(lambda: 1)) for _ in range(3)]
                connection.commit()
            return others, await held.result()

    assert run(main) == ([{"step": 1}] * 3, {"step": "held"})


def test_all_tasks_of_a_held_run_arrive(private):
    """
    A map whose run is held for a while completes with all its elements.
    """
    sql = Sql(private)

    async def main():
        here, go = [], asyncio.Event()
        flow = make_workflow()

        @flow.map
        async def each(item):
            here.append(item)
            await go.wait()
            return item

        async with AsyncEngine(private) as engine:
            handle = await engine.start(flow, list(range(40)))
            await until(lambda: len(here) == 40, "all elements to begin")
            with psycopg.connect(private) as connection:
                connection.execute(
                    "select from singularity_workflow.runs where run_id = %s "
                    "for no key update",
                    (handle.id,),
                )
                go.set()
                await until(lambda: sql.value(WAITING) >= 1, "a report to wait")
                connection.commit()
            return await handle.result()

    assert run(main) == {"each": list(range(40))}


def test_a_late_result_is_refused(dsn, caplog):
    """
    A thread that goes on after its run was cancelled changes nothing.
    """
    import logging
    import threading

    release, started = threading.Event(), threading.Event()

    def step():
        started.set()
        release.wait(20)
        return "too late"

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(step))
            await until(started.is_set, "the step to begin")
            await handle.cancel()
            release.set()
            with pytest.raises(RunCancelled):
                await handle.result()
            return (await handle.status())[0]

    with caplog.at_level(logging.INFO, logger="singularity_workflow"):
        assert run(main) == "cancelled"


def test_slots_that_were_reserved_come_back(dsn):
    """
    After many starts that were refused the engine still runs its steps.
    """

    async def main():
        flow = make_workflow()

        @flow.map
        async def each(item):
            return item

        async with AsyncEngine(dsn, concurrency=2) as engine:
            calls = [engine.execute(flow, {"no": "array"}) for _ in range(20)]
            refused = await asyncio.gather(*calls, return_exceptions=True)
            return refused, await engine.execute(flow, [1, 2, 3])

    refused, result = run(main)
    assert {type(one).__name__ for one in refused} == {"InvalidInput"}
    assert result == {"each": [1, 2, 3]}


def test_children_that_are_refused_while_somebody_holds_their_run(dsn):
    """
    They are reported apart by then: the ones fail, the others start.
    """
    sql = Sql(dsn)
    child = make_workflow()
    child.map(name="each")(lambda item: item)
    parent = make_workflow()
    gate = asyncio.Event()

    @parent.child(child, name="call", initial_tasks=5, on_error="collect")
    async def call(item):
        await gate.wait()
        return [item] if item % 2 else item

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            await psycopg.AsyncConnection.connect(dsn) as holder,
        ):
            handle = await engine.start(parent, {})
            await holder.execute(
                "select from singularity_workflow.runs where run_id = %s for update",
                (handle.id,),
            )
            gate.set()
            await until(lambda: sql.value(WAITING), "a report that waits")
            await holder.commit()
            return await handle.result()

    found = run(main)["call"]
    assert [found[1], found[3]] == [{"each": [1]}, {"each": [3]}]
    for one in found[::2]:
        assert one["error"]["type"].endswith("InvalidInput")
