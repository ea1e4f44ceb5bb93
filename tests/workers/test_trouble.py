"""The database is in trouble: workers back off, say so once, and go on afterwards."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import AsyncEngine, Engine, RetryPolicy, Worker
from workers import flows
from workers.support import LEASE, Look, eventually

AWAY, BACK = "the database is away", "the database is back"
DISPATCHER = "singularity_workflow.worker.dispatcher"

REFUSALS = """
create table public.trouble (code text);
create sequence public.refusals;
create function public.refuse() returns trigger language plpgsql as $$
declare
  v_code text := (select t.code from public.trouble t);
begin
  if v_code is not null then
    perform nextval('public.refusals');
    raise exception using errcode = v_code, message = 'trouble';
  end if;
  return new;
end $$;
create trigger refuse before update on singularity_workflow.tasks
  for each row execute function public.refuse();
"""
CUT_ALL = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and application_name = 'singularity_workflow'
"""


@pytest.mark.parametrize(
    "code",
    ["57014", "53100", "53200", "58030", "25006"],
    ids=["time-out", "disk full", "no memory", "disk broken", "read-only"],
)
def test_a_refusal_of_the_server_is_waited_out(dsn, look, stage, caplog, code):
    """
    The step is not run again, and the log tells of it once.
    """
    flow = make_workflow()
    refusals = "select last_value from public.refusals where is_called"
    look.rows(REFUSALS)

    @flow.step
    async def step():
        await flows.pass_gate(stage.input, "gate")
        return 1

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            handle = await engine.start(flow, execution="distributed")
            await until(lambda: look.tasks(handle.id)[0][0] == "started", "it to start")
            look.rows("insert into public.trouble values (%s)", code)
            stage.open()
            await until(lambda: sum(look.rows(refusals)) >= 3, "the third refusal")
            look.rows("delete from public.trouble")
            return handle.id, await handle.result(timeout=20)

    run_id, result = run(main)
    assert result == {"step": 1}
    assert look.tasks(run_id) == [("completed", 1, 0, 0)]
    said = [r.message for r in caplog.records if r.name == DISPATCHER]
    assert [text.split(":")[0] for text in said if AWAY in text or BACK in text] == [
        AWAY,
        BACK,
    ]
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def test_a_defect_of_ours_is_told_with_its_traceback_once(dsn, look, stage, caplog):
    """
    What no waiting will mend is visible, and does not fill the disk.
    """
    flow = make_workflow()
    refusals = "select last_value from public.refusals where is_called"
    look.rows(REFUSALS)

    @flow.step
    async def step():
        await flows.pass_gate(stage.input, "gate")
        return 1

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            handle = await engine.start(flow, execution="distributed")
            await until(lambda: look.tasks(handle.id)[0][0] == "started", "it to start")
            look.rows("insert into public.trouble values ('23514')")
            stage.open()
            await until(lambda: sum(look.rows(refusals)) >= 3, "the third refusal")
            look.rows("delete from public.trouble")
            return await handle.result(timeout=20)

    assert run(main) == {"step": 1}
    errors = [r for r in caplog.records if r.name == DISPATCHER and r.exc_info]
    assert len(errors) == 1


def test_a_primary_that_became_read_only_is_left(
    dsn, look, stage, start_worker, engine
):
    """
    The worker opens new connections, which find the new primary where there is one.
    """
    worker = start_worker(lease=30)
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")
    name = look.value("select current_database()")
    look.rows(f"alter database {name} set default_transaction_read_only = on")
    look.rows(CUT_ALL)
    stage.open()
    worker.await_log(AWAY)

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.execute(f"alter database {name} reset default_transaction_read_only")

    worker.await_log(BACK)
    assert handle.result(timeout=30) == {"gate": "passed"}
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]
    assert "Traceback" not in worker.log


def test_a_crash_of_the_server_costs_no_task(own, own_dsn, start_worker, stage):
    """
    The worker goes on with what it runs, and reports it afterwards (S2).
    """
    look = Look(own_dsn)
    worker = start_worker(dsn=own_dsn)
    with Engine(own_dsn) as engine:
        handle = engine.start(flows.gated, stage.input, execution="distributed")
        stage.await_note("attempt-1")

        own.restart()
        stage.open()

        assert handle.result(timeout=30) == {"gate": "passed"}
        assert engine.execute(flows.quick, stage.input, execution="distributed") == {
            "answer": 42
        }
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]
    assert worker.log.count(AWAY) == 1
    assert worker.terminate() == 0


def test_a_worker_that_died_in_an_outage_is_missed_afterwards(
    own, own_dsn, start_worker, stage
):
    """
    One lease after the server has started, and not before (S2).
    """
    look = Look(own_dsn)
    victim = start_worker(dsn=own_dsn)
    with Engine(own_dsn) as engine:
        handle = engine.start(flows.gated, stage.input, execution="distributed")
        stage.await_note("attempt-1")
        other = start_worker(dsn=own_dsn)
        own.stop()
        victim.kill()
        own.start()
        stage.open()

        assert handle.result(timeout=30) == {"gate": "passed"}
    assert look.tasks(handle.id) == [("completed", 2, 0, 1)]
    silence = look.value(
        "select extract(epoch from lost_at - pg_postmaster_start_time()) "
        "from singularity_workflow.workers where pid = %s",
        victim.pid,
    )
    assert silence > LEASE
    assert other.worker_ids[-1] == other.worker_ids[0]


def test_no_connection_is_left(own, own_dsn, start_worker, stage):
    """
    The worker waits until there is one again.
    """
    worker = start_worker(dsn=own_dsn, lease=30)
    look = Look(own_dsn)
    with Engine(own_dsn) as engine:
        handle = engine.start(flows.gated, stage.input, execution="distributed")
        stage.await_note("attempt-1")
    with contextlib.ExitStack() as others:
        first = others.enter_context(psycopg.connect(own_dsn, autocommit=True))
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(own_dsn))
        first.execute(CUT_ALL)
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(own_dsn))
        stage.open()
        worker.await_log(AWAY)

    worker.await_log(BACK)
    eventually(lambda: look.status(handle.id) == "completed", "the end of the run")
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]
    assert worker.log.count(AWAY) == 1
    assert "Traceback" not in worker.log


def test_steps_that_fail_for_the_outage_are_tried_again(own, own_dsn):
    """
    A transaction that cannot commit is a failure like any other.
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=20, delay=0.1, backoff=1))
    has_crashed = []

    @flow.step
    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute("select 1")
            if not has_crashed:
                own.restart()
                has_crashed.append(True)
        return ctx.attempt

    async def main():
        async with AsyncEngine(own_dsn) as engine, Worker(engine, flow):
            return await engine.execute(flow, execution="distributed")

    assert run(main)["write"] > 1


def test_a_step_that_blocks_the_event_loop_is_named(start_worker, engine, stage, look):
    """
    In the log of its process, with the line; it keeps its task meanwhile (S2).
    """
    worker = start_worker()
    start_worker()
    handle = engine.start(flows.blocking, stage.input, execution="distributed")
    stage.await_note("began")

    worker_of_it = "step 'block_the_loop' of workflow 'blocking' blocks the event loop"
    logs = [worker.log_file.parent / f"worker-{number}.log" for number in (0, 1)]
    eventually(
        lambda: any(worker_of_it in log.read_text("utf-8") for log in logs),
        "the name of the step",
    )
    assert any("pass_gate_in_thread" in log.read_text("utf-8") for log in logs)
    stage.open()

    assert handle.result(timeout=20) == {"block_the_loop": "done"}
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]
