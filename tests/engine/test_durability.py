"""What processes and connections may do to a run: die, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from engine.programs.durable import HANGS, LINES, RESULT, make_flow
from engine.support import Sql, make_workflow, run, single, unique, until, wait_until
from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    Engine,
    RunCancelled,
    RunStatus,
)
from singularity_workflow.worker import waiters

PROGRAM = Path(__file__).with_name("programs") / "durable.py"
OPEN_RUNS = """
select count(*) from singularity_workflow.runs r
where r.status in ('pending', 'started', 'paused')
"""
KILL_OTHERS = """
select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
where a.datname = current_database() and a.application_name = 'singularity_workflow'
"""


@contextlib.contextmanager
def dying_program(dsn, name, log, hangs_at):
    """Run the program until it hangs, kill it, and yield the id of its run."""
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, name, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, HANGS: hangs_at},
    )
    try:
        run_id = program.stdout.readline().strip()
        assert run_id, "the program did not start its run"
        wait_until(lambda: hangs_at in read(log), f"{hangs_at} to begin")
        # its siblings have ended, and the database knows of it
        done = LINES.index("total" if "square" in hangs_at else hangs_at)
        sql = Sql(dsn)
        wait_until(
            lambda: sql.value(COMPLETED, run_id) >= done - ("square" in hangs_at),
            "what was done before to be recorded",
        )
        os.kill(program.pid, signal.SIGKILL)
    finally:
        program.kill()
        program.communicate()
    yield run_id


SETBACKS = """
select sum(t.losses) + sum(t.failures) from singularity_workflow.tasks t
where t.run_id = %s
"""
NOT_STOPPED = """
select count(*) from singularity_workflow.workers w where w.stopped_at is null
"""
COMPLETED = """
select count(*) from singularity_workflow.tasks t
where t.run_id = %s and t.status = 'completed'
"""


def read(log):
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("hangs_at", ["load", "square 3", "total", "report"])
def test_another_process_finishes_the_run_of_a_killed_one(dsn, tmp_path, hangs_at):
    """
    kill -9 in the middle: `recover` goes on, and what was completed is not repeated.
    """
    log, name = tmp_path / "log", unique()
    with dying_program(dsn, name, log, hangs_at) as run_id, Engine(dsn) as engine:
        (handle,) = engine.recover(make_flow(name))
        assert str(handle.id) == run_id
        assert handle.result() == RESULT

    lines = read(log)
    assert sorted(lines) == sorted([*LINES, hangs_at])


def test_a_lost_worker_counts_as_a_loss_not_as_a_failure(dsn, tmp_path, sql):
    """
    The attempt that died uses up no retry (P 183).
    """
    log, name = tmp_path / "log", unique()
    with dying_program(dsn, name, log, "total") as run_id, Engine(dsn) as engine:
        engine.recover(make_flow(name))[0].result()

    assert sql.rows(
        "select t.attempt, t.failures, t.losses from singularity_workflow.tasks t "
        "join singularity_workflow.step_states s using (run_id, step_no) "
        "where t.run_id = %s and t.step_no >= 2 order by t.step_no",
        run_id,
    ) == [(2, 0, 1), (1, 0, 0)]


def test_two_processes_recover_a_run_once(dsn, tmp_path):
    """
    Whoever comes first adopts it; the other one gets nothing.
    """
    log, name = tmp_path / "log", unique()
    with dying_program(dsn, name, log, "total"):

        async def recover():
            async with AsyncEngine(dsn) as engine:
                handles = await engine.recover(make_flow(name))
                return [await handle.result() for handle in handles]

        async def main():
            return await asyncio.gather(recover(), recover())

        results = run(main)

    assert sorted(results, key=len) == [[], [RESULT]]
    assert read(log).count("report") == 1


def test_recovering_without_anything_to_recover(dsn):
    """
    It returns at once, also beside living engines and unknown workflows.
    """

    async def main():
        go = asyncio.Event()
        flow = single(go.wait)
        async with AsyncEngine(dsn, lease=1) as living, AsyncEngine(dsn) as engine:
            handle = await living.start(flow)
            recovered = [
                await engine.recover(),
                await engine.recover(single(lambda: 1)),
                await engine.recover(flow),
            ]
            go.set()
            return recovered, await handle.result()

    recovered, result = run(main)
    assert recovered == [[], [], []]
    assert result == {"step": True}


def test_recover_need_not_wait(dsn):
    """
    `wait=False` adopts what is known to be orphaned now.
    """
    with Engine(dsn) as engine:
        assert engine.recover(single(lambda: 1), wait=False) == []


def test_closing_gives_tasks_back(dsn, sql):
    """
    Without a loss: another engine goes on where this one stopped.
    """

    async def main():
        flow = make_workflow()
        ran, is_first = [], True

        @flow.step
        async def a():
            ran.append("a")
            return [0, 1, 2]

        @flow.map(over="a")
        async def b(item):
            ran.append(f"b{item}")
            if is_first:
                await asyncio.Event().wait()
            return item

        engine = await AsyncEngine(dsn).connect()
        handle = await engine.start(flow)
        await until(lambda: len(ran) == 4, "all elements to begin")
        await engine.close()
        is_first = False

        async with AsyncEngine(dsn) as other:
            (again,) = await other.recover(flow)
            assert again.id == handle.id
            return handle.id, await again.result(), ran

    run_id, result, ran = run(main)
    assert result == {"b": [0, 1, 2]}
    assert sorted(ran) == ["a", "b0", "b0", "b1", "b1", "b2", "b2"]
    assert sql.value(SETBACKS, run_id) == 0


def test_closing_reports_what_has_ended(dsn, sql):
    """
    A result that is there is not thrown away.
    """

    async def main():
        flow = make_workflow()
        count = 50
        handles = []

        @flow.step
        async def step(input):
            return input

        engine = await AsyncEngine(dsn).connect()
        handles = await engine.start_many(flow, range(count))
        await engine.close()
        async with AsyncEngine(dsn) as other:
            await other.recover(flow)
            return [await other.get_handle(one.id).result() for one in handles]

    assert run(main) == [{"step": n} for n in range(50)]


def test_closing_stops_the_worker_in_the_database(private):
    """
    Nobody needs to wait for its lease.
    """
    with Engine(private) as engine:
        engine.execute(single(lambda: 1))

    sql = Sql(private)
    assert sql.value(NOT_STOPPED) == 0
    wait_until(lambda: sql.value(KILL_OTHERS) == 0, "all connections to be closed")


DECLARE_LOST = """
update singularity_workflow.workers set lost_at = clock_timestamp()
where worker_id = %s and lost_at is null
"""


def test_a_worker_that_was_declared_lost_goes_on_under_a_new_id(dsn, caplog):
    """
    Its runs are taken back, and their interrupted tasks run again.
    """
    sql = Sql(dsn)

    async def main():
        started = asyncio.Event()

        async def step(ctx):
            if ctx.attempt == 1:
                started.set()
                await asyncio.Event().wait()
            return ctx.attempt

        async with AsyncEngine(dsn, lease=1) as engine:
            call = asyncio.create_task(engine.execute(single(step)))
            await started.wait()
            worker = engine._session._worker
            old = worker.worker_id
            sql.rows(DECLARE_LOST, old)
            result = await call
            await until(lambda: worker.worker_id != old, "another id")
            return result, await engine.execute(single(lambda: "after"))

    assert run(main) == ({"step": 2}, {"step": "after"})
    assert any("declared lost" in one.getMessage() for one in caplog.records)


def test_many_runs_are_taken_back_after_a_false_alarm(dsn):
    """
    However many there are.
    """
    sql = Sql(dsn)

    async def main():
        count = 250
        here, everybody = [], asyncio.Event()

        async def step(input, ctx):
            if ctx.attempt == 1:
                here.append(input)
                if len(here) == count:
                    everybody.set()
                await asyncio.Event().wait()
            return input

        async with AsyncEngine(dsn, lease=1, concurrency=count) as engine:
            handles = await engine.start_many(single(step), range(count))
            await everybody.wait()
            sql.rows(DECLARE_LOST, engine._session._worker.worker_id)
            return [await handle.result() for handle in handles]

    assert run(main) == [{"step": n} for n in range(250)]


def test_a_run_that_another_process_took_over_is_told_to_its_caller(dsn, monkeypatch):
    """
    Whoever was wrongly declared lost still gets the result of what it started.
    """
    monkeypatch.setattr(waiters, "_PAUSE_BETWEEN_LOOKS_AT_ALL", 0.2)
    sql = Sql(dsn)

    async def main():
        started = asyncio.Event()

        async def step(place):
            if place == "first":
                started.set()
                await asyncio.Event().wait()
            return place

        flow = single(step)
        async with (
            AsyncEngine(dsn, lease=60, resources={"place": "first"}) as engine,
            AsyncEngine(dsn, resources={"place": "second"}) as other,
        ):
            call = asyncio.create_task(engine.execute(flow))
            await started.wait()
            sql.rows(DECLARE_LOST, engine._session._worker.worker_id)
            (handle,) = await other.recover(flow)
            assert await handle.result() == {"step": "second"}
            return await call

    assert run(main) == {"step": "second"}


def give_away(dsn, flow, old, new):
    """Let a worker be declared lost, and another adopt its runs, in one transaction."""
    with psycopg.connect(dsn) as connection:
        connection.execute(DECLARE_LOST, (old,))
        connection.execute(
            "select singularity_workflow.adopt_runs(%s, array("
            "select workflow_id from singularity_workflow.workflows where name = %s))",
            (new, flow.name),
        )


def test_who_learns_that_a_run_is_not_its_own_asks_for_its_end(dsn, monkeypatch):
    """
    As soon as its heartbeat tells: both who waits already and who comes later.
    """
    monkeypatch.setattr(waiters, "_PAUSE_BETWEEN_LOOKS_AT_ALL", 3600)

    async def main():
        started, go = asyncio.Event(), asyncio.Event()

        async def step(place):
            if place == "first":
                started.set()
                await asyncio.Event().wait()
            await go.wait()
            return place

        flow = single(step)
        async with (
            AsyncEngine(dsn, lease=1, resources={"place": "first"}) as engine,
            AsyncEngine(dsn, resources={"place": "second"}) as other,
        ):
            await other.execute(single(lambda: 1))
            await other.register(flow)
            handle = await engine.start(flow)
            early = asyncio.create_task(handle.result())
            await started.wait()
            worker, adopter = engine._session._worker, other._session._worker
            old = worker.worker_id
            give_away(dsn, flow, old, adopter.worker_id)
            adopter.dispatcher.announce(None)
            await until(
                lambda: worker._rebirth is not None and worker._rebirth.done(),
                "the first one to learn of it",
            )
            late = asyncio.create_task(handle.result())
            go.set()
            return await early, await late

    assert run(main) == ({"step": "second"}, {"step": "second"})


def test_a_run_that_is_cancelled_without_a_hint_is_noticed(dsn, monkeypatch):
    """
    By the heartbeat, which names its task; then the end is asked for.
    """
    monkeypatch.setattr(waiters, "_PAUSE_BETWEEN_LOOKS_AT_ALL", 3600)
    sql = Sql(dsn)

    async def main():
        started = asyncio.Event()

        async def step():
            started.set()
            await asyncio.Event().wait()

        async with AsyncEngine(dsn, lease=1) as engine:
            handle = await engine.start(single(step))
            waiting = asyncio.create_task(handle.result())
            await started.wait()
            sql.rows("select singularity_workflow.cancel_runs(array[%s])", handle.id)
            with pytest.raises(RunCancelled):
                await waiting

    run(main)


def test_recovering_twice_tells_of_each_run_once(dsn, tmp_path):
    """
    The second call returns what was adopted since the first.
    """
    with Engine(dsn) as engine:
        for _ in range(2):
            log, name = tmp_path / unique(), unique()
            with dying_program(dsn, name, log, "total") as run_id:
                handles = engine.recover(make_flow(name))
                assert [str(one.id) for one in handles] == [run_id]
                assert handles[0].result() == RESULT


def chain(length):
    flow = make_workflow()

    @flow.step(name="s0")
    async def first(input):
        return [input]

    for number in range(1, length):

        async def append(input, number=number):
            await asyncio.sleep(0)
            return [*input[f"s{number - 1}"], number]

        flow.step(name=f"s{number}", depends_on=f"s{number - 1}")(append)
    return flow


def test_killed_connections_lose_nothing(private):
    """
    All connections are cut four times during 200 chains: all complete, rightly.
    """
    sql = Sql(private)

    async def main():
        flow = chain(5)
        async with AsyncEngine(private, lease=1) as engine:
            await engine.register(flow)
            calls = [asyncio.create_task(engine.execute(flow, n)) for n in range(200)]
            for part in range(1, 5):
                await until(
                    lambda part=part: sum(map(asyncio.Task.done, calls)) >= part * 30,
                    "some of the calls to return",
                )
                await asyncio.to_thread(sql.value, KILL_OTHERS)
            return await asyncio.gather(*calls)

    assert run(main) == [{"s4": [n, 1, 2, 3, 4]} for n in range(200)]
    assert sql.value(OPEN_RUNS) == 0
    assert sql.rows(
        "select t.status, t.failures, count(*) from singularity_workflow.tasks t "
        "group by t.status, t.failures"
    ) == [("completed", 0, 1000)]


def test_a_start_whose_connection_breaks_starts_one_run(private):
    """
    The client's own id makes a repeated request the same one (S7).
    """
    sql = Sql(private)

    async def main():
        flow = single(lambda: 1)
        async with AsyncEngine(private) as engine:
            await engine.execute(flow)
            for _ in range(5):
                call = asyncio.create_task(engine.execute(flow))
                await asyncio.sleep(0)
                await asyncio.to_thread(sql.value, KILL_OTHERS)
                assert await call == {"step": 1}

    run(main)
    assert sql.value("select count(*) from singularity_workflow.runs") == 6


def test_runs_outlive_the_engine_that_started_them(dsn):
    """
    Whoever waited is told so; the run is there for the next one.
    """

    async def main():
        started = asyncio.Event()

        async def step(ctx):
            if ctx.attempt == 1:
                started.set()
                await asyncio.Event().wait()
            return "done"

        flow = single(step)
        engine = await AsyncEngine(dsn).connect()
        call = asyncio.create_task(engine.execute(flow))
        await started.wait()
        await engine.close()
        with pytest.raises(ConfigurationError):
            await call

        async with AsyncEngine(dsn) as other:
            (info,) = await other.list_workflow_runs(workflow=flow.name)
            assert info.status == RunStatus.STARTED
            (handle,) = await other.recover(flow)
            return await handle.result()

    assert run(main) == {"step": "done"}
