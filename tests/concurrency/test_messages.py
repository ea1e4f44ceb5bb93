"""Messages of transactions that overlap: nothing is missed, causes come first."""

from __future__ import annotations

import asyncio
import random

import psycopg
from engine.support import run

from singularity_workflow import AsyncEngine

LONG = 20.0
SEND = "select singularity_workflow.send_with_notify('orders', %s)"


async def take(subscription, count):
    """Return the next messages."""
    return [await subscription.get(timeout=LONG) for _ in range(count)]


async def connect(dsn):
    """Open a connection that commits when it is told to."""
    return await psycopg.AsyncConnection.connect(dsn)


def test_a_listener_gets_what_an_older_transaction_commits_later(database):
    """
    Its id is lower, and so is its place (F5).
    """

    async def main():
        async with AsyncEngine(database) as engine, await connect(database) as old:
            async with engine.notifications.listen("orders") as listener:
                await old.execute(SEND, ["1"])
                await engine.notifications.send_with_notify("orders", 2)
                second = await take(listener, 1)
                await old.commit()
                first = await take(listener, 1)
                return first + second

    first, second = run(main)
    assert (first.payload, second.payload) == (1, 2)
    assert first.id < second.id


def test_a_cursor_misses_nothing_that_an_older_transaction_commits_later(database):
    """
    It was handed out while that one was open (F5).
    """

    async def main():
        async with AsyncEngine(database) as engine, await connect(database) as old:
            notes = engine.notifications
            async with notes.listen("orders") as listener:
                await old.execute(SEND, ["1"])
                await notes.send_with_notify("orders", 2)
                (second,) = await take(listener, 1)
            await old.commit()
            async with notes.listen("orders", after=second.cursor) as listener:
                (first,) = await take(listener, 1)
            (from_history,) = [
                one for one in await notes.history("orders") if one.payload == 2
            ]
            async with notes.listen("orders", after=from_history.cursor) as listener:
                await notes.send_with_notify("orders", 3)
                last = await take(listener, 1)
                while last[-1].payload != 3:
                    last += await take(listener, 1)
            return first, last

    first, _ = run(main)
    assert first.payload == 1


def test_every_cursor_leads_to_all_that_came_after_it(database):
    """
    With senders that hold their transactions open for a while, in any order.
    """
    senders, each = 8, 25

    async def send(number, rng):
        async with await connect(database) as connection:
            for count in range(each):
                await connection.execute(SEND, [str(number * each + count)])
                await asyncio.sleep(rng.random() * 0.02)
                await connection.commit()

    async def main():
        rng = random.Random(1)
        total = senders * each
        async with AsyncEngine(database) as engine:
            notes = engine.notifications
            async with notes.listen("orders") as listener:
                sending = [
                    asyncio.create_task(send(number, rng)) for number in range(senders)
                ]
                live = await take(listener, total)
                await asyncio.gather(*sending)
            for place in range(0, total, 7):
                expected = {one.id for one in live[place + 1 :]}
                async with notes.listen("orders", after=live[place].cursor) as listener:
                    found = set()
                    while not expected <= found:
                        found.add((await listener.get(timeout=LONG)).id)
            return live

    live = run(main)
    assert len({one.id for one in live}) == senders * each


def test_an_effect_is_never_heard_before_its_cause(database):
    """
    Each message answers the newest one that its sender has seen committed.
    """
    senders, each = 6, 40

    async def send(number):
        async with (
            await connect(database) as connection,
            await psycopg.AsyncConnection.connect(database, autocommit=True) as looking,
        ):
            for _ in range(each):
                await connection.execute("select pg_current_xact_id()")
                answer = await looking.execute("select max(msg_id) from pgmq.q_orders")
                (newest,) = await answer.fetchone()
                await connection.execute(SEND, [str(newest or 0)])
                await connection.commit()

    async def main():
        async with AsyncEngine(database) as engine:
            notes = engine.notifications
            async with notes.listen("orders") as listener:
                sending = [
                    asyncio.create_task(send(number)) for number in range(senders)
                ]
                live = await take(listener, senders * each)
                await asyncio.gather(*sending)
            return live, await notes.history("orders", limit=1000)

    live, history = run(main)
    for order in (live, history):
        heard = {0}
        for message in order:
            assert message.payload in heard
            heard.add(message.id)


def test_a_queue_is_made_once(database):
    """
    By whoever is first, however many come at the same time.
    """

    async def main():
        async with AsyncEngine(database, pool_size=10) as engine:
            return await asyncio.gather(
                *[
                    engine.notifications.send_with_notify("orders", number)
                    for number in range(40)
                ]
            )

    assert sorted(run(main)) == list(range(1, 41))


def test_an_old_transaction_holds_up_nobody(database):
    """
    While it is open all comes at once and only once, and afterwards too.
    """

    async def main():
        async with AsyncEngine(database) as engine, await connect(database) as old:
            await old.execute("select pg_current_xact_id()")
            notes = engine.notifications
            async with notes.listen("orders") as listener:
                found = []
                for _part in range(4):
                    await notes.send_batch_with_notify("orders", range(500))
                    found += await take(listener, 500)
                    await asyncio.sleep(0.3)  # so that there are scans between them
                await old.commit()
                await notes.send_with_notify("orders", "last")
                found += await take(listener, 1)
                return found

    found = run(main)
    assert len({one.id for one in found}) == len(found) == 2_001
