"""`ctx.transaction()`: a step's writes and its result commit together, exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import psycopg
import pytest
from engine.support import make_workflow, run, until
from psycopg.conninfo import make_conninfo

from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    Context,
    RetryPolicy,
    RunCancelled,
    RunFailed,
    Skip,
    Worker,
)
from workers import flows
from workers.support import eventually, proxied

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
@pytest.mark.parametrize("moment", ["report", "commit"])
def test_a_worker_that_dies_between_the_return_and_the_commit(
    flow, moment, engine, start_worker, stage, effects, look, dsn
):
    """
    The step has returned and its result is being recorded, or committed: killed there,
    too, it takes effect exactly once (F4).
    """
    look.rows(WAIT_AT_COMMIT)
    worker = start_worker()
    handle = engine.start(flow, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    with held_up(dsn, moment, handle.id):
        stage.open()
        eventually(lambda: look.value(BLOCKED), "the completion to be held up")
        worker.kill()
    start_worker()

    assert set(handle.result(timeout=30).values()) == {"written"}
    assert len(effects()) == 1
    # a commit that the server had begun counts, though nobody heard of it
    attempts = 2 if moment == "report" else 1
    assert look.tasks(handle.id) == [("completed", attempts, 0, attempts - 1)]


BLOCKED = """
select count(*) from pg_stat_activity a
where a.datname = current_database() and a.application_name = 'singularity_workflow'
  and cardinality(pg_blocking_pids(a.pid)) > 0
"""
WAIT_AT_COMMIT = """
create function wait_at_commit() returns trigger language plpgsql as
  'begin perform pg_advisory_xact_lock_shared(4711); return null; end';
create constraint trigger wait_at_commit after insert on effects
  deferrable initially deferred for each row execute function wait_at_commit();
"""


@contextlib.contextmanager
def held_up(dsn, moment, run_id):
    """Let completions of a run wait: for its row, or in their COMMIT."""
    with psycopg.connect(dsn) as connection:
        if moment == "commit":
            connection.execute("select pg_advisory_xact_lock(4711)")
        else:
            connection.execute(
                "select from singularity_workflow.runs where run_id = %s for update",
                (run_id,),
            )
        yield


@BOOKS
def test_the_writes_of_a_zombie_are_rolled_back(
    flow, engine, start_worker, stage, effects, look
):
    """
    Its result is refused, and what it wrote goes with it (F4).
    """
    zombie = start_worker()
    handle = engine.start(flow, stage.input, execution="distributed")
    stage.await_note("attempt-1")
    zombie.send(signal.SIGSTOP)
    start_worker()
    stage.await_note("attempt-2")
    stage.open()
    handle.result(timeout=20)

    zombie.send(signal.SIGCONT)

    zombie.await_log("goes on as")
    assert zombie.terminate() == 0
    assert len(effects()) == 1
    assert look.tasks(handle.id) == [("completed", 2, 0, 1)]


def test_a_commit_whose_answer_was_lost_counts(dsn, effects, look):
    """
    The server knows what became of the transaction (F4).
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, (str(ctx.attempt),))
        return "written"

    flow = flow_of(write)
    look.rows(WAIT_AT_COMMIT)

    async def main():
        async with (
            proxied(dsn) as proxy,
            AsyncEngine(proxy.dsn) as engine,
            Worker(engine, flow),
        ):
            with held_up(dsn, "commit", None):
                handle = await engine.start(flow, execution="distributed")
                await until(lambda: look.value(BLOCKED), "the commit to be held up")
                proxy.reset()
            return handle.id, await handle.result(timeout=30)

    run_id, result = run(main)
    assert result == {"step": "written"}
    assert effects() == ["1"]
    assert look.tasks(run_id) == [("completed", 1, 0, 0)]


@pytest.mark.parametrize("ends_by", [ValueError("no"), Skip("no need")], ids=repr)
def test_a_step_that_does_not_complete_writes_nothing(dsn, effects, ends_by):
    """
    Neither one that fails nor one that is skipped.
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
        raise ends_by

    flow = flow_of(write)

    with contextlib.suppress(RunFailed):
        execute(dsn, flow)

    assert effects() == []


def test_an_output_that_is_no_json_rolls_back(dsn, effects):
    """
    There is no result that the writes could belong to.
    """

    def write(ctx):
        with ctx.transaction() as connection:
            connection.execute(INSERT, ("a",))
        return object()

    with pytest.raises(RunFailed):
        execute(dsn, flow_of(write))

    assert effects() == []


@pytest.mark.parametrize("is_async", [True, False])
def test_a_step_may_think_in_its_transaction(dsn, effects, look, is_async):
    """
    However short the server's own limit is; that of the step is its timeout.
    """
    address = make_conninfo(dsn, options="-c idle_in_transaction_session_timeout=100ms")

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
            pid = connection.info.backend_pid
            await until(lambda: look.value(IDLE, pid), "it to be idle for long")
        return "written"

    def write_in_thread(ctx):
        with ctx.transaction() as connection:
            connection.execute(INSERT, ("a",))
            pid = connection.info.backend_pid
            eventually(lambda: look.value(IDLE, pid), "it to be idle for long")
        return "written"

    flow = flow_of(write if is_async else write_in_thread)

    assert execute(address, flow) == {"step": "written"}
    assert effects() == ["a"]


IDLE = """
select count(*) = 0 or bool_or(state = 'idle in transaction'
                               and state_change < clock_timestamp() - interval '0.3 s')
from pg_stat_activity where pid = %s
"""


def test_the_server_watches_over_a_step_that_thinks(dsn, look):
    """
    By keepalives: the locks of a machine that has vanished must not stay for hours.
    """
    seen = []

    def ask(ctx):
        with ctx.transaction() as connection:
            cursor = connection.execute(
                "select current_setting('idle_in_transaction_session_timeout'), "
                "current_setting('tcp_keepalives_idle'), inet_server_addr() is null"
            )
            seen.extend(cursor.fetchone())

    execute(dsn, flow_of(ask))

    limit, keepalive, is_local = seen
    assert limit == "0"
    assert keepalive == ("0" if is_local else "10")


@pytest.mark.parametrize("is_async", [True, False])
def test_what_was_written_before_an_error_is_rolled_back(dsn, effects, is_async):
    """
    Though the step goes on after its block and returns something else.
    """

    async def write(ctx):
        with contextlib.suppress(ZeroDivisionError):
            async with ctx.transaction() as connection:
                await connection.execute(INSERT, ("a",))
                raise ZeroDivisionError
        return "nothing was written"

    def write_in_thread(ctx):
        with (
            contextlib.suppress(ZeroDivisionError),
            ctx.transaction() as connection,
        ):
            connection.execute(INSERT, ("a",))
            raise ZeroDivisionError
        return "nothing was written"

    flow = flow_of(write if is_async else write_in_thread)

    assert execute(dsn, flow) == {"step": "nothing was written"}
    assert effects() == []


def test_a_query_that_fails_makes_the_step_fail(dsn, effects):
    """
    With the error of PostgreSQL.
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
            await connection.execute("select 1/0")

    with pytest.raises(RunFailed, match="division by zero") as caught:
        execute(dsn, flow_of(write))

    assert caught.value.error_type == "psycopg.errors.DivisionByZero"
    assert effects() == []


def test_a_second_transaction_is_refused(dsn, effects):
    """
    There is one commit with the result.
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("b",))

    with pytest.raises(RunFailed, match="one transaction"):
        execute(dsn, flow_of(write))

    assert effects() == []


def test_a_step_in_another_process_has_no_transaction(start_worker, engine):
    """
    It is told why.
    """
    start_worker("detached")

    with pytest.raises(RunFailed, match="runs in another process"):
        engine.execute(flows.detached, execution="distributed")


@pytest.mark.parametrize("is_async", [True, False])
def test_a_step_that_was_timed_out_writes_nothing(dsn, effects, stage, is_async):
    """
    However much later it comes with its result.
    """
    ended = []

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
        try:
            await flows.pass_gate(stage.input, "gate")
        finally:
            ended.append(True)

    def write_in_thread(ctx):
        with ctx.transaction() as connection:
            connection.execute(INSERT, ("a",))
        flows.pass_gate_in_thread(stage.input, "gate")
        ended.append(True)

    flow = flow_of(write if is_async else write_in_thread, timeout=0.3)

    with pytest.raises(RunFailed, match="timeout"):
        execute(dsn, flow)

    stage.open()
    eventually(lambda: ended, "the step to end")
    assert effects() == []


def test_the_tasks_of_a_map_have_a_transaction_each(dsn, effects):
    """
    Each commits with its own result, and the run goes on with all of them.
    """
    flow = make_workflow()

    @flow.map
    async def write(item, ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, (str(item),))
        return item

    @flow.step
    def total(write):
        return sum(write)

    assert execute(dsn, flow, list(range(9))) == {"total": 36}
    assert effects() == [str(item) for item in range(9)]


def test_other_tasks_of_the_run_do_not_wait_for_it(dsn, effects):
    """
    While the step works in its transaction, its run is free.
    """
    flow = make_workflow()
    beside = asyncio.Event()

    @flow.step
    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
            await asyncio.wait_for(beside.wait(), 20)

    @flow.step
    async def quick():
        return 1

    @flow.step
    async def after(quick):
        beside.set()
        return quick

    assert execute(dsn, flow) == {"write": None, "after": 1}
    assert effects() == ["a"]


def test_a_cancelled_run_has_written_nothing(dsn, effects, stage):
    """
    The transaction of a step that is stopped is rolled back.
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
            flows.note(stage.input, "wrote")
            await flows.pass_gate(stage.input, "gate")

    flow = flow_of(write)

    async def main():
        async with AsyncEngine(dsn) as engine, Worker(engine, flow):
            handle = await engine.start(flow, execution="distributed")
            await until(lambda: "wrote" in stage.notes, "it to write")
            await handle.cancel()
            with pytest.raises(RunCancelled):
                await handle.result(timeout=20)

    run(main)
    assert effects() == []


def test_a_transaction_can_be_opened_by_a_local_run_too(dsn, effects):
    """
    There is no difference.
    """

    async def write(ctx):
        async with ctx.transaction() as connection:
            await connection.execute(INSERT, ("a",))
        return 1

    flow = flow_of(write)

    async def main():
        async with AsyncEngine(dsn) as engine:
            return await engine.execute(flow)

    assert run(main) == {"step": 1}
    assert effects() == ["a"]


def test_outside_a_step_there_is_none():
    """
    A context that nobody runs offers no transaction.
    """
    context = Context("01900000-0000-7000-8000-000000000000", "w", "s")

    with pytest.raises(ConfigurationError):
        context.transaction()
