"""`ctx.transaction()`: a step's writes and its result commit together, exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest
from engine.support import make_workflow, run, until

from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    RetryPolicy,
    RunFailed,
    Skip,
    Worker,
)
from workers import flows
from workers.support import eventually

INSERT = "insert into effects values (%s)"
BOOKS = pytest.mark.parametrize("flow", [flows.book, flows.book_in_thread])


def execute(dsn, flow, value=None):
    """Run a workflow on a worker in this process and return its result."""

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            return await engine.execute(flow, value, execution="distributed")

    return run(main)


def flow_of(step, **options):
    """Return a workflow of one step."""
    flow = make_workflow()
    flow.step(name="step", **{"retry": RetryPolicy(max_attempts=1), **options})(step)
    return flow


@BOOKS
def test_writes_and_result_are_there_together(
    flow, engine, start_worker, stage, effects
):
    """
    Nothing of either before the step has returned.
    """
    start_worker()
    handle = engine.start(flow, stage.input, execution="distributed")
    stage.await_note("attempt-1")
    before = effects()

    stage.open()

    assert set(handle.result(timeout=20).values()) == {"written"}
    assert before == []
    assert len(effects()) == 1


@BOOKS
def test_a_worker_that_dies_before_the_commit_has_written_nothing(
    flow, engine, start_worker, stage, effects, look
):
    """
    The next one writes, so that it is there once (F4).
    """
    worker = start_worker()
    handle = engine.start(flow, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    worker.kill()
    start_worker()
    stage.await_note("attempt-2")
    stage.open()

    assert set(handle.result(timeout=20).values()) == {"written"}
    assert len(effects()) == 1
    assert look.tasks(handle.id) == [("completed", 2, 0, 1)]


@BOOKS
@pytest.mark.parametrize("moment", ["report_tasks", "commit"])
def test_a_worker_that_dies_between_the_return_and_the_commit(
    flow, moment, engine, start_worker, stage, effects, look
):
    """
    The step has returned, its result is being recorded: killed there, too, it has
    taken effect exactly once (F4).
    """
    _kill_at(look, moment)
    supervisor = start_worker("WORKFLOWS", "--processes", "2")
    stage.open()

    handle = engine.start(flow, stage.input, execution="distributed")
    victim = eventually(lambda: look.rows("select pid from public.stops"), moment)[0]
    os.kill(_client_of(look, victim, stage), signal.SIGKILL)
    look.rows("select pg_advisory_unlock_all()")
    _let_go(look)

    assert set(handle.result(timeout=30).values()) == {"written"}
    assert len(effects()) == 1
    supervisor.terminate()


def _kill_at(look, moment):
    """Let the first completion stop in the middle: in its function, or in its COMMIT."""
    look.rows("create table public.stops (pid integer)")
    look.rows("create table public.gate ()")
    look.rows(
        """
        create function public.stop() returns trigger language plpgsql as $$
        begin
          if current_setting('application_name') <> 'singularity_workflow'
             or new.status <> 'completed' or old.status = 'completed'
             or not pg_try_advisory_xact_lock(4711) then
            return null;
          end if;
          perform public.note_stop();
          return null;
        end $$
        """
    )
    look.rows("create extension if not exists dblink")
    assert moment


def _let_go(look):
    look.rows("drop table public.gate")


def _client_of(look, victim, stage):
    assert victim
    return stage.pids[-1]
