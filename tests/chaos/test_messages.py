"""Listeners whose connections are cut again and again."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from singularity_workflow import AsyncEngine, ConnectionFailed

MESSAGES = 10_000
CUTS = 50
LONG = 60.0

_OF_LISTENERS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'singularity_workflow'
  and query ~ '^(select 1;|listen|unlisten)'
"""
_OF_ALL = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'singularity_workflow'
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("whose", ["listeners", "all"])
def test_every_listener_has_seen_every_message(database, whose):
    """
    Though connections are cut fifty times while ten thousand are sent.
    """

    async def send():
        # a connection of its own: whether a broken call took effect is not asked here
        sender = await psycopg.AsyncConnection.connect(database, autocommit=True)
        async with sender:
            for first in range(0, MESSAGES, 10):
                await sender.execute(
                    "select singularity_workflow.send_batch_with_notify("
                    "'orders', (select jsonb_agg(n) "
                    "from generate_series(%s::integer, %s) n))",
                    [first, first + 9],
                )
                await asyncio.sleep(0.003)

    async def cut():
        cutter = await psycopg.AsyncConnection.connect(database, autocommit=True)
        count = 0
        async with cutter:
            while count < CUTS:
                cursor = await cutter.execute(
                    _OF_LISTENERS if whose == "listeners" else _OF_ALL
                )
                count += len(await cursor.fetchall())
                await asyncio.sleep(0.06)
        return count

    async def take(listener):
        found = []
        while len(set(found)) < MESSAGES:
            found += [one.payload for one in await listener.take(LONG, 1_000)]
        return found

    async def main():
        async with AsyncEngine(database) as engine, AsyncEngine(database) as other:
            listeners = [
                await one.notifications.listen("orders")
                for one in (engine, engine, other)
            ]
            taking = [asyncio.create_task(take(one)) for one in listeners]
            sending = asyncio.create_task(send())
            cuts = await cut()
            await sending
            return cuts, await asyncio.gather(*taking)

    async def bounded():
        async with asyncio.timeout(90):
            return await main()

    cuts, found = asyncio.run(bounded())
    assert cuts >= CUTS
    for one in found:
        assert set(one) == set(range(MESSAGES))


def test_a_send_whose_connection_breaks_says_so(database):
    """
    Whether it took effect is unknown then; the next one works.
    """

    async def main():
        async with AsyncEngine(database) as engine:
            notes = engine.notifications
            await notes.send_with_notify("orders", 1)
            async with await psycopg.AsyncConnection.connect(
                database, autocommit=True
            ) as cutter:
                await cutter.execute(_OF_ALL)
            with pytest.raises(ConnectionFailed):
                await notes.send_with_notify("orders", 2)
            return await notes.send_with_notify("orders", 3)

    assert asyncio.run(main()) > 1
