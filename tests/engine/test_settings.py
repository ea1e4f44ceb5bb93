"""Arguments that cannot work, and servers that cannot be used."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from engine.support import make_workflow, run, single
from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    ConnectionFailed,
    Engine,
    InvalidSetting,
    SchemaOutdated,
    SchemaTooNew,
)

FLOW = single(lambda: 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"dsn": 5},
        {"dsn": "dbname=a", "pool": ...},
        {"pool_size": 0},
        {"pool_size": True},
        {"pool_size": "5"},
        {"concurrency": 0},
        {"concurrency": -1},
        {"concurrency": 1.5},
        {"lease": 0.5},
        {"lease": "long"},
        {"lease": float("nan")},
        {"lease": timedelta(0)},
        {"resources": ["client"]},
        {"resources": {"no name": 1}},
        {"resources": {5: 1}},
        {"use_notify": None},
        {"events_retention": 0},
        {"events_retention": "a week"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [AsyncEngine, Engine])
def test_an_engine_says_what_is_wrong_with_its_arguments(kind, arguments):
    """
    Before anything is opened.
    """
    with pytest.raises(InvalidSetting):
        kind(**arguments)


@pytest.mark.parametrize("pool", [5, "dbname=a", object()], ids=["5", "str", "object"])
def test_a_pool_must_be_a_psycopg_pool(pool):
    """
    Something else is refused when the engine is connected.
    """
    with pytest.raises(InvalidSetting, match="psycopg_pool"):
        Engine(pool=pool).connect()


BAD_OF_BOTH = [
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": "soon"},
    {"timeout": True},
    {"timeout": float("nan")},
    {"timeout": float("inf")},
    {"timeout": 1e300},
    {"max_retries": -1},
    {"max_retries": 1.5},
    {"max_retries": True},
    {"max_retries": 2**40},
    {"parallel": 1},
    {"parallel": None},
    {"execution": "remote"},
    {"execution": None},
    {"execution": []},
    {"idempotency_key": ""},
    {"idempotency_key": 5},
    {"idempotency_key": "a\x00b"},
    {"idempotency_key": "\ud800"},
    {"idempotency_key": "x" * 501},
    {"priority": 1001},
    {"priority": -1001},
    {"priority": 0.5},
    {"tags": "word"},
    {"tags": b"word"},
    {"tags": 5},
    {"tags": [5]},
    {"tags": [["nested"]]},
    {"tags": ["\x00"]},
]


@pytest.mark.parametrize("method", ["execute", "start"])
@pytest.mark.parametrize("arguments", BAD_OF_BOTH, ids=lambda one: repr(one)[:30])
def test_a_start_says_what_is_wrong_with_its_arguments(engine, method, arguments):
    """
    The message names the argument, and no run is started.
    """
    (name,) = arguments

    with pytest.raises(InvalidSetting, match=name):
        getattr(engine, method)(FLOW, {}, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": True},
        {"limit": "10"},
        {"status": "running"},
        {"status": ["started", "running"]},
        {"status": 5},
        {"workflow": 5},
        {"workflow": "a\x00b"},
        {"workflow": "\ud800"},
        {"tags": "word"},
        {"tags": 5},
        {"tags": [5]},
        {"tags": ["\x00"]},
        {"since": "yesterday"},
        {"since": 5},
        {"cursor": "abc"},
        {"cursor": "ünïcödé"},
        {"cursor": 5},
        {"cursor": "cjE6YWJj"},
    ],
    ids=repr,
)
def test_a_list_says_what_is_wrong_with_its_arguments(engine, arguments):
    """
    The message shows the value.
    """
    with pytest.raises(InvalidSetting):
        engine.list_workflow_runs(**arguments)


@pytest.mark.parametrize("reason", [5, "a\x00b", "\ud800"])
def test_a_reason_must_be_text_that_can_be_stored(engine, reason):
    """
    It is kept with the run.
    """
    handle = engine.start(FLOW)

    with pytest.raises(InvalidSetting, match="reason"):
        handle.cancel(reason)


@pytest.mark.parametrize("run_id", ["abc", "", 5, None, b"x"])
def test_a_run_id_must_be_a_uuid(engine, run_id):
    """
    Wherever one is taken.
    """
    for method in (
        engine.get_run_status,
        engine.get_handle,
        engine.cancel_workflow_run,
    ):
        with pytest.raises(InvalidSetting, match="run id"):
            method(run_id)


def test_a_wait_must_have_a_length(engine):
    """
    `result(timeout)` takes seconds or a timedelta.
    """
    handle = engine.start(FLOW)

    for timeout in (-1, "soon", float("nan")):
        with pytest.raises(InvalidSetting, match="timeout"):
            handle.result(timeout)


def run_if_coroutine(found):
    if asyncio.iscoroutine(found):
        asyncio.run(found)


@pytest.mark.parametrize("kind", [AsyncEngine, Engine])
def test_an_engine_must_be_connected(kind):
    """
    Every method says so, and how to mend it.
    """
    engine = kind("dbname=nowhere")
    run_id = "01a20c24-93b3-7000-826d-b0b054f6d201"

    for call in (
        lambda: engine.execute(FLOW),
        lambda: engine.start(FLOW),
        lambda: engine.register(FLOW),
        engine.recover,
        lambda: engine.get_run_status(run_id),
        engine.list_workflow_runs,
        lambda: engine.cancel_workflow_run(run_id),
        lambda: engine.get_handle(run_id).result(),
    ):
        with pytest.raises(ConfigurationError, match="not connected"):
            run_if_coroutine(call())


def test_a_closed_engine_is_not_connected(dsn):
    """
    After `close` the methods say the same.
    """
    with Engine(dsn) as engine:
        engine.execute(FLOW)

    with pytest.raises(ConfigurationError, match="not connected"):
        engine.execute(FLOW)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_server_that_does_not_run_is_told_at_once():
    """
    With the address and what to do about it, and nothing is left open.
    """
    dsn = f"host=127.0.0.1 port={free_port()} user=x dbname=y"

    async def main():
        started = time.monotonic()
        with pytest.raises(ConnectionFailed) as caught:
            await AsyncEngine(dsn).connect()
        assert time.monotonic() - started < 5
        left = [one.get_name() for one in asyncio.all_tasks()]
        assert not [name for name in left if "singularity" in name or "swf" in name]
        return caught.value

    error = run(main)
    assert "127.0.0.1" in error.message
    assert "singularity-workflow db status" in error.hint


def test_a_server_that_does_not_answer_is_told_soon():
    """
    A port that accepts and stays silent: `connect_timeout` of the address counts.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        dsn = f"host=127.0.0.1 port={port} user=x dbname=y connect_timeout=2"
        started = time.monotonic()
        with pytest.raises(ConnectionFailed):
            Engine(dsn).connect()

    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://app:hunter%zz@db/app",
        "postgresql://app:hunter two@db/app",
        "host=db password=one hunter",
        "host=db password=one hunter=2",
        "host=db password='hunter",
    ],
)
def test_an_address_that_cannot_be_read_does_not_tell_its_password(address):
    """
    Neither by itself nor by its cause: it ends up in logs.
    """
    with pytest.raises(InvalidSetting, match="cannot be read") as caught:
        Engine(address).connect()

    assert "hunter" not in "".join(traceback.format_exception(caught.value)).replace(
        address, ""
    )
    assert caught.value.__cause__ is None


def test_an_address_without_a_password_is_told_what_is_wrong():
    """
    What is quoted is a name that was mistyped.
    """
    with pytest.raises(InvalidSetting, match='option "hst"'):
        Engine("hst=db").connect()


def test_a_missing_database_is_told(dsn):
    """
    As any other reason for which the server refuses us.
    """
    with pytest.raises(ConnectionFailed, match="no_such_database"):
        Engine(make_conninfo(dsn, dbname="no_such_database")).connect()


def test_a_missing_schema_names_the_command(empty_database):
    """
    Connecting changes nothing by itself.
    """
    with pytest.raises(SchemaOutdated, match="singularity-workflow db migrate"):
        Engine(empty_database).connect()


def test_an_engine_may_be_connected_after_it_failed(empty_database):
    """
    A failed `connect` leaves nothing behind.
    """
    engine = Engine(empty_database)
    with pytest.raises(SchemaOutdated):
        engine.connect()

    with Engine(empty_database, migrate=True) as other:
        assert other.execute(single(lambda: 1)) == {"step": 1}
    with engine:
        assert engine.execute(single(lambda: 2)) == {"step": 2}


def test_a_newer_schema_is_refused(private):
    """
    The error says that the library must be upgraded.
    """
    with psycopg.connect(private, autocommit=True) as connection:
        connection.execute(
            "insert into singularity_workflow.schema_migrations "
            "(kind, name, number, checksum, library, applied_at) "
            "values ('migration', '9999_pre_tx_future', 9999, 'x', '99.0', now())"
        )

    with pytest.raises(SchemaTooNew, match="99"):
        Engine(private).connect()


def test_a_start_that_postgresql_cannot_store_is_refused(engine):
    """
    An input that is deeper than the server can read is the caller's fault.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)

    value = []
    for _ in range(5_000):
        value = [value]

    with pytest.raises(Exception, match="nested"):
        engine.execute(flow, value)


def test_an_engine_says_how_long_events_are_kept(private):
    """
    The next one that says nothing changes nothing.
    """

    def retention():
        with psycopg.connect(private) as connection:
            return connection.execute(
                "select retention from singularity_workflow.message_queues "
                "where name = 'workflow_events'"
            ).fetchone()[0]

    assert retention() == timedelta(days=7)
    with Engine(private, events_retention=timedelta(days=1)):
        pass
    with Engine(private):
        pass

    assert retention() == timedelta(days=1)
