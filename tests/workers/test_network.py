"""A network that swallows packets reports no error: whoever waits must give up."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import pytest
from engine.support import make_workflow, run, until
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from singularity_workflow import AsyncEngine, ConnectionFailed, Worker
from singularity_workflow.store.channel import Channel
from singularity_workflow.store.connections import (
    connect,
    connect_blocking,
    cut_blocking_after,
    translated_errors,
)
from singularity_workflow.store.pools import borrow_pool, own_pool
from workers.support import proxied

SOON = 3.0
"""Seconds; psycopg's own cancellation would take ten more."""

ANSWER = "select 1"


def test_a_call_gives_up_and_the_next_takes_another_connection(dsn):
    """
    It takes no longer than it may.
    """

    async def main():
        async with proxied(dsn) as way:
            channel = Channel(way.dsn, "test", timeout=0.2)
            assert await channel.call(ANSWER, {}) == 1
            way.swallow()
            begun_at = time.monotonic()
            with pytest.raises(ConnectionFailed, match=r"not answered within 0\.2 s"):
                await channel.call(ANSWER, {})
            assert time.monotonic() - begun_at < SOON
            assert await channel.call(ANSWER, {}) == 1
            await channel.close()

    run(main)


def test_to_connect_gives_up_too(dsn):
    """
    If nobody answers at all.
    """

    async def main():
        async with proxied(dsn) as way:
            way.swallows_all = True
            channel = Channel(way.dsn, "test", timeout=0.2)
            begun_at = time.monotonic()
            with pytest.raises(ConnectionFailed, match="not answered"):
                await channel.call(ANSWER, {})
            assert time.monotonic() - begun_at < SOON

    run(main)


def test_a_thread_gives_up(dsn):
    """
    What blocks in it is cut from outside.
    """

    def ask(address, swallow):
        with connect_blocking(address) as connection:
            swallow()
            with cut_blocking_after(connection, 0.2), translated_errors():
                connection.execute(ANSWER)

    async def main():
        loop = asyncio.get_running_loop()
        async with proxied(dsn) as way:

            def swallow():
                loop.call_soon_threadsafe(way.swallow)

            begun_at = time.monotonic()
            with pytest.raises(ConnectionFailed):
                await asyncio.to_thread(ask, way.dsn, swallow)
            assert time.monotonic() - begun_at < SOON

    run(main)


def test_a_pool_closes_what_broke_with_one_of_its_connections(dsn):
    """
    The next call does not have to try them all.
    """

    async def main():
        async with proxied(dsn) as way:
            pool = own_pool(way.dsn, 5)
            await asyncio.gather(*[pool.call(ANSWER, {}) for _ in range(5)])
            way.reset()
            with pytest.raises(ConnectionFailed):
                await pool.call(ANSWER, {})
            assert await pool.call(ANSWER, {}) == 1
            await pool.close()

    run(main)


def test_a_pool_makes_no_more_connections_than_it_may(dsn, look):
    """
    Calls wait for one that is free.
    """
    count = """
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'singularity_workflow'
    """

    async def main():
        pool = own_pool(dsn, 2)
        await asyncio.gather(
            *[pool.call("select pg_sleep(0.01)", {}) for _ in range(8)]
        )
        open_now = look.value(count)
        await pool.close()
        return open_now

    assert run(main) == 2


def test_a_worker_whose_heartbeats_are_swallowed_is_not_lost(dsn, look):
    """
    The next beat takes another connection in time.
    """
    flow = make_workflow()

    @flow.step
    async def step():
        return 1

    async def main():
        async with (
            proxied(dsn) as way,
            AsyncEngine(way.dsn, lease=1.5) as engine,
            Worker(engine, flow) as worker,
            AsyncEngine(dsn, lease=1.5) as other,
            Worker(other, flow),
        ):
            before = repr(worker)
            way.swallow()
            await until(
                lambda: look.value(
                    "select count(*) = 2 from singularity_workflow.workers "
                    "where heartbeat_at > started_at + interval '3 s'"
                ),
                "both to beat after a lease",
            )
            assert repr(worker) == before
            way.reset()  # closing need not wait for what was swallowed

    run(main)
    assert [lost_at for *_, lost_at in look.workers()] == [None, None]


IDLE, INTERVAL, COUNT, UNANSWERED = (
    socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT,
    getattr(socket, "TCP_USER_TIMEOUT", 18),
)  # fmt: skip


def tcp_options(connection):
    """Return what the system watches a connection by."""
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return [
            end.getsockopt(socket.IPPROTO_TCP, option)
            for option in (IDLE, INTERVAL, COUNT, UNANSWERED)
        ]


def test_a_dead_peer_is_noticed_within_seconds(dsn):
    """
    The system's own defaults are hours.
    """

    def ask(address):
        with connect_blocking(address) as connection:
            return tcp_options(connection)

    async def main():
        async with proxied(dsn) as way, await connect(way.dsn) as connection:
            return tcp_options(connection), await asyncio.to_thread(ask, way.dsn)

    assert run(main) == ([10, 5, 3, 15_000],) * 2


def test_the_address_may_say_otherwise(dsn):
    """
    Each of the options by itself.
    """

    async def main():
        async with proxied(dsn) as way:
            address = make_conninfo(way.dsn, keepalives_idle=70, tcp_user_timeout=0)
            async with await connect(address) as connection:
                return tcp_options(connection)

    assert run(main) == [70, 5, 3, 0]


def test_what_a_pool_was_given_holds_for_the_connections_beside_it(dsn):
    """
    Of its own connections nothing is changed.
    """

    async def main():
        async with proxied(dsn) as way:
            options = {"keepalives_idle": 70}
            pool = AsyncConnectionPool(way.dsn, kwargs=options, open=False)
            async with pool, pool.connection() as theirs:
                channel = Channel(borrow_pool(pool).conninfo, "test")
                await channel.call(ANSWER, {})
                beside = tcp_options(channel._connection)
                await channel.close()
                return tcp_options(theirs)[0], beside

    assert run(main) == (70, [70, 5, 3, 15_000])


def test_a_connection_is_usable_when_the_time_was_enough(dsn):
    """
    Nothing is cut afterwards.
    """

    async def main():
        channel = Channel(dsn, "test", timeout=0.2)
        assert await channel.call(ANSWER, {}) == 1
        first = channel._connection
        await asyncio.sleep(0)
        until_later = time.monotonic() + 0.3
        await until(lambda: time.monotonic() > until_later, "the time-out to be over")
        assert await channel.call(ANSWER, {}) == 1
        assert channel._connection is first
        await channel.close()
        connection = await connect(dsn)
        await connection.close()

    run(main)
