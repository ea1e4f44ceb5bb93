"""Listening: each listener gets every message, whatever the others do."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import AsyncExitStack
from decimal import Decimal

import psycopg
import pytest

from engine.support import Sql, run, unique, until
from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    Engine,
    InvalidSetting,
    Message,
    SubscriptionEnded,
)

LONG = 20.0


@pytest.fixture
def queue():
    """The name of a queue that no other test uses."""
    return unique("q")


async def payloads(subscription, count):
    """Return the payloads of the next messages."""
    return [(await subscription.get(timeout=LONG)).payload for _ in range(count)]


def connections(sql):
    """Return how many connections the library has to this database."""
    return sql.value(
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and application_name = 'singularity_workflow'"
    )


def test_every_listener_gets_every_message(dsn, queue):
    """
    In this process and in others; listening takes nothing away.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            async with AsyncExitStack() as stack:
                listeners = [
                    await stack.enter_async_context(one.notifications.listen(queue))
                    for one in (engine, engine, other)
                ]
                await other.notifications.send_batch_with_notify(queue, [1, 2, 3])
                return [await payloads(one, 3) for one in listeners]

    assert run(main) == [[1, 2, 3]] * 3


def test_a_listener_gets_nothing_from_before(dsn, queue):
    """
    Without a cursor.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            await notes.send_with_notify(queue, "before")
            async with notes.listen(queue) as listener:
                await notes.send_with_notify(queue, "after")
                return await payloads(listener, 1)

    assert run(main) == ["after"]


def test_a_second_listener_gets_nothing_from_before_either(dsn, queue):
    """
    Though the first one is still busy with it.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            async with notes.listen(queue):
                await notes.send_with_notify(queue, "before")
                async with notes.listen(queue) as listener:
                    await notes.send_with_notify(queue, "after")
                    return await payloads(listener, 1)

    assert run(main) == ["after"]


def test_a_listener_that_was_away_goes_on_after_its_cursor(dsn, queue):
    """
    It misses nothing, and may get again what was sent about the same time.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            async with notes.listen(queue) as listener:
                await notes.send_batch_with_notify(queue, [1, 2, 3])
                first = await listener.get(timeout=LONG)
            await notes.send_batch_with_notify(queue, [4, 5])
            async with notes.listen(queue, after=first.cursor) as listener:
                await notes.send_with_notify(queue, 6)
                found = []
                while 6 not in found:
                    found += await payloads(listener, 1)
                return [one for one in found if one != 1]

    assert run(main) == [2, 3, 4, 5, 6]


def test_a_cursor_may_be_far_behind(dsn, queue):
    """
    All pages are read, each message comes once, and then the listener is live.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            await notes.send_with_notify(queue, -1)
            (first,) = await notes.history(queue, limit=1)
            for part in range(3):
                await notes.send_batch_with_notify(
                    queue, range(part * 1_000, (part + 1) * 1_000)
                )
            async with notes.listen(queue, after=first.cursor) as listener:
                found = await payloads(listener, 3_000)
                if found[0] == -1:  # about the same time, and so it may be repeated
                    found = found[1:] + await payloads(listener, 1)
                await notes.send_with_notify(queue, "live")
                return found, await payloads(listener, 1), listener.lags

    found, live, lags = run(main)
    assert found == list(range(3_000))
    assert (live, lags) == (["live"], 0)


def test_bare_notifications_have_no_id(dsn, queue):
    """
    Nor a cursor: they are stored nowhere.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            async with engine.notifications.listen(queue) as listener:
                await other.notifications.notify_only(queue, "hello")
                return await listener.get(timeout=LONG)

    assert run(main) == Message(id=None, queue=queue, payload="hello")


def test_channels_are_listened_to_only_as_long_as_needed(dsn, queue, sql):
    """
    By all of an engine's listeners together.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            first = await notes.listen(queue)
            second = await notes.listen(queue)
            await notes.unlisten(first)
            await notes.notify_only(queue, "still")
            found = await payloads(second, 1)
            await notes.unlisten(second)
            third = await notes.listen(queue)
            await notes.notify_only(queue, "again")
            return found + await payloads(third, 1)

    assert run(main) == ["still", "again"]


def test_get_gives_up_after_its_timeout(dsn, queue):
    """
    And what comes later is still there; 0 does not wait at all.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            async with engine.notifications.listen(queue) as listener:
                for timeout in (0, 0.05):
                    with pytest.raises(TimeoutError):
                        await listener.get(timeout=timeout)
                await engine.notifications.send_with_notify(queue, 1)
                return await payloads(listener, 1)

    assert run(main) == [1]


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1", True])
def test_a_bad_timeout_is_refused(engine, queue, timeout):
    """
    Seconds or a timedelta, not negative.
    """
    with engine.notifications.listen(queue) as listener:
        with pytest.raises(InvalidSetting, match="timeout"):
            listener.get(timeout=timeout)


def test_unlisten_ends_a_subscription_and_twice_is_fine(dsn, queue):
    """
    What was received may still be taken.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            listener = await notes.listen(queue)
            await notes.send_batch_with_notify(queue, [1, 2])
            found = await payloads(listener, 1)
            await notes.unlisten(listener)
            await notes.unlisten(listener)
            found += [one.payload async for one in listener]
            with pytest.raises(SubscriptionEnded):
                await listener.get()
            await notes.send_with_notify(queue, 3)
            return found

    assert run(main) == [1, 2]


def test_unlisten_takes_subscriptions_only(engine):
    """
    Anything else is refused.
    """
    with pytest.raises(InvalidSetting, match="is no subscription"):
        engine.notifications.unlisten("orders")


def test_closing_the_engine_ends_who_waits(dsn, queue):
    """
    As if each had been ended.
    """

    async def main():
        engine = await AsyncEngine(dsn).connect()
        listener = await engine.notifications.listen(queue)
        waiting = asyncio.create_task(listener.get())
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(SubscriptionEnded):
            await waiting
        await listener.close()
        return [one async for one in listener]

    assert run(main) == []


def test_a_callback_gets_each_message_in_order(dsn, queue):
    """
    A coroutine function on the loop, a plain one in a thread.
    """

    async def main():
        found, threads = [], set()

        async def on_message(message):
            await asyncio.sleep(0)
            found.append(("a", message.payload))

        def on_message_too(message):
            threads.add(threading.current_thread())
            found.append(("b", message.payload))

        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            first = await notes.listen(queue, on_message)
            await notes.listen(queue, callback=on_message_too)
            await notes.send_batch_with_notify(queue, [1, 2, 3])
            await until(lambda: len(found) == 6, "both get all")
            await notes.unlisten(first)
            await notes.send_with_notify(queue, 4)
            await until(lambda: len(found) == 7, "one of them gets another")
        return found, threads

    found, threads = run(main)
    assert [payload for who, payload in found if who == "a"] == [1, 2, 3]
    assert [payload for who, payload in found if who == "b"] == [1, 2, 3, 4]
    assert threading.current_thread() not in threads


def test_a_callback_that_raises_is_logged_and_goes_on(dsn, queue, caplog):
    """
    With queue and id; other listeners see nothing of it.
    """
    caplog.set_level(logging.ERROR)

    async def main():
        found = []

        def on_message(message):
            found.append(message.payload)
            raise RuntimeError("no good")

        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            await notes.listen(queue, on_message)
            async with notes.listen(queue) as other:
                ids = await notes.send_batch_with_notify(queue, [1, 2])
                await until(lambda: found == [1, 2], "it goes on")
                return ids, await payloads(other, 2)

    ids, others = run(main)
    assert others == [1, 2]
    failures = [one for one in caplog.records if one.exc_info]
    assert [(one.queue, one.message_id) for one in failures] == [
        (queue, number) for number in ids
    ]
    assert "no good" in str(failures[0].exc_info[1])


@pytest.mark.parametrize("is_coroutine", [False, True])
@pytest.mark.parametrize("error", [StopIteration, asyncio.CancelledError, SystemExit])
def test_a_callback_that_raises_what_is_no_exception_goes_on(
    dsn, queue, caplog, error, is_coroutine
):
    """
    Neither its thread nor a future may swallow what it was called for.
    """
    if is_coroutine and error is SystemExit:
        pytest.skip("a coroutine that says so ends the program's loop")

    async def main():
        found = []

        def on_message(message):
            found.append(message.payload)
            raise error

        async def on_message_too(message):
            on_message(message)

        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            await notes.listen(queue, on_message_too if is_coroutine else on_message)
            await notes.send_batch_with_notify(queue, [1, 2])
            await until(lambda: found == [1, 2], "it goes on")

    run(main)
    assert "a callback of queue" in caplog.text


@pytest.mark.parametrize(
    "payload",
    ["sent", "sent ", "sent x", "sent workflow_events " + "9" * 5000, "ended x", "--5"],
)
def test_what_others_notify_does_not_end_listening(dsn, sql, queue, caplog, payload):
    """
    Anybody may use the library's channels.
    """

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            engine.notifications.listen(queue) as listener,
        ):
            for channel in ("singularity_workflow_events", "singularity_workflow_work"):
                sql.value("select pg_notify(%s, %s)::text", channel, payload)
            await engine.notifications.send_with_notify(queue, 1)
            return await payloads(listener, 1)

    assert run(main) == [1]
    assert "failed" not in caplog.text


@pytest.mark.parametrize("number", ["1e400", "-1e9999", "1e131000"])
def test_a_number_beyond_those_of_python_stops_no_listener(dsn, sql, queue, number):
    """
    SQL can send it.
    """

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            engine.notifications.listen(queue) as listener,
        ):
            sql.value(
                "select singularity_workflow.send_with_notify(%s, %s::jsonb)",
                queue,
                number,
            )
            await engine.notifications.send_with_notify(queue, 7)
            return await payloads(listener, 2)

    first, second = run(main)
    assert first == int(Decimal(number))
    assert second == 7


def test_a_slow_listener_gets_nothing_twice_when_the_horizon_moves(dsn, queue):
    """
    What it had before it fell behind is told from what it missed.
    """

    async def main():
        async with (
            AsyncEngine(dsn) as engine,
            await psycopg.AsyncConnection.connect(dsn) as old,
        ):
            notes = engine.notifications
            await old.execute("select pg_current_xact_id()")
            async with notes.listen(queue) as slow, notes.listen(queue) as quick:
                await notes.send_batch_with_notify(queue, list(range(1500)))
                await payloads(quick, 1500)
                feed = engine.session.feeds._feeds[queue]
                horizon = feed._horizon
                await old.rollback()
                await notes.send_with_notify(queue, 1500)
                await until(lambda: feed._horizon > horizon, "it moves")
                return await payloads(slow, 1501), slow.lags

    found, lags = run(main)
    assert found == list(range(1501))
    assert lags == 1


def test_a_channel_may_be_wanted_again_while_it_is_given_up(dsn):
    """
    Whoever comes last is heard.
    """

    async def main():
        heard = asyncio.Queue()
        async with AsyncEngine(dsn) as engine:
            hub = engine.session.hub
            await hub.wait_until_listening(LONG)
            for _ in range(100):
                channel = unique("c")
                first, second = [].append, heard.put_nowait
                await hub.listen_to(channel, first)
                await asyncio.gather(
                    hub.stop_listening_to(channel, first),
                    listen_later(hub, channel, second),
                )
                await engine.notifications.notify_only(channel, channel)
                async with asyncio.timeout(LONG / 2):
                    assert await heard.get() == channel
                await hub.stop_listening_to(channel, second)

    async def listen_later(hub, channel, on_bare):
        # one turn of the connection, which is about how long UNLISTEN takes
        await hub._listener._send_probe("probe of a test wake")
        await hub.listen_to(channel, on_bare)

    run(main)


def test_a_callback_may_end_its_own_subscription(dsn, queue):
    """
    It gets no more then.
    """

    async def main():
        found = []
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications

            async def on_message(message):
                found.append(message.payload)
                await notes.unlisten(listener)

            listener = await notes.listen(queue, on_message)
            await notes.send_batch_with_notify(queue, [1, 2, 3])
            await until(lambda: listener.is_closed, "it is ended")
        return found

    assert run(main) == [1]


@pytest.mark.parametrize("callback", [7, "print"])
def test_a_callback_is_a_function(engine, queue, callback):
    """
    Anything else is refused.
    """
    with pytest.raises(InvalidSetting, match="callback"):
        engine.notifications.listen(queue, callback)


def test_a_slow_listener_catches_up_and_holds_up_nobody(dsn, queue):
    """
    It gets all, each once and in order; the first after the lag says so.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            slow = await notes.listen(queue)
            fast = await notes.listen(queue)
            taken = []
            for part in range(5):
                await notes.send_batch_with_notify(
                    queue, range(part * 500, (part + 1) * 500)
                )
                taken += await payloads(fast, 500)
            found = [await slow.get(timeout=LONG) for _ in range(2_500)]
            await notes.send_with_notify(queue, "live")
            return taken, found, await payloads(slow, 1), slow.lags, fast.lags

    taken, found, live, lags, fast_lags = run(main)
    assert taken == list(range(2_500))
    assert [one.payload for one in found] == taken
    assert [one.payload for one in found if one.lagged] == [1_000]
    assert (live, lags, fast_lags) == (["live"], 1, 0)


def test_bare_notifications_beyond_the_room_are_lost_and_it_is_told(dsn, queue):
    """
    There is no table to catch up from.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            notes = other.notifications
            listener = await engine.notifications.listen(queue)
            async with await psycopg.AsyncConnection.connect(dsn) as connection:
                for number in range(1_200):
                    await notes.notify_only(queue, str(number), connection=connection)
            await until(lambda: listener.lags == 200, "all have come")
            found = await payloads(listener, 1_000)
            await notes.notify_only(queue, "more")
            return found, (await listener.get(timeout=LONG)).lagged

    found, lagged = run(main)
    assert found == [str(number) for number in range(1_000)]
    assert lagged


def test_a_queue_that_is_dropped_is_made_again(dsn, queue, sql, caplog):
    """
    Its listeners go on, and it is logged; what was in it is gone.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            async with notes.listen(queue) as listener:
                await notes.send_with_notify(queue, 1)
                found = await payloads(listener, 1)
                sql.rows("select pgmq.drop_queue(%s)", queue)
                await notes.send_with_notify(queue, 2)
                return found + await payloads(listener, 1)

    assert run(main) == [1, 2]


def test_a_queue_that_stays_dropped_is_made_again_too(dsn, queue, sql):
    """
    By those who listen to it, when they look.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            async with engine.notifications.listen(queue):
                sql.rows("select pgmq.drop_queue(%s)", queue)
                await until(
                    lambda: sql.value("select to_regclass(%s)", f"pgmq.q_{queue}"),
                    "it is there again",
                )

    run(main)


def test_a_thousand_listeners_share_the_connections(database):
    """
    Each gets the messages of its queue, and no other ones.
    """
    sql = Sql(database)

    async def main():
        async with AsyncEngine(database, pool_size=2) as engine:
            notes = engine.notifications
            async with notes.listen("warm_up"):
                await asyncio.gather(*[notes.history("warm_up") for _ in range(50)])
                before = connections(sql)
            some = [await notes.listen(f"q{number % 50}") for number in range(1_000)]
            for number in range(50):
                await notes.send_with_notify(f"q{number}", number)
            found = await asyncio.gather(*[payloads(one, 1) for one in some])
            after = connections(sql)
            await asyncio.gather(*[one.close() for one in some])
            return before, after, found, [len(one._inbox) for one in some]

    before, after, found, left = run(main)
    assert found == [[number % 50] for number in range(1_000)]
    assert not any(left)
    assert after <= before


def test_a_blocking_listener_is_live_at_once(engine, queue):
    """
    Without `with`: `listen` returns when it listens.
    """
    listener = engine.notifications.listen(queue)
    engine.notifications.send_batch_with_notify(queue, [1, 2, 3])

    assert listener.get(timeout=LONG).payload == 1
    assert [one.payload for one in listener.take(timeout=LONG)] == [2, 3]
    with pytest.raises(TimeoutError):
        listener.get(timeout=0.05)
    engine.notifications.unlisten(listener)
    engine.notifications.unlisten(listener)
    assert list(listener) == []
    assert listener.is_closed


def test_a_blocking_loop_ends_with_its_subscription(dsn, queue):
    """
    Whoever ends it: another thread, or the end of the engine.
    """
    found = []
    with Engine(dsn) as engine:
        listener = engine.notifications.listen(queue)
        thread = threading.Thread(target=lambda: found.extend(listener))
        thread.start()
        engine.notifications.send_batch_with_notify(queue, [1, 2])
        with engine.notifications.listen(queue) as other:
            engine.notifications.send_with_notify(queue, 3)
            while other.get(timeout=LONG).payload != 3:
                pass
    thread.join(LONG)

    assert not thread.is_alive()
    assert [one.payload for one in found] == [1, 2, 3]


def test_a_blocking_callback_may_use_its_engine(engine, queue):
    """
    It runs in a thread of its own.
    """
    answers = engine.notifications.listen(f"{queue}_answers")

    def on_message(message):
        engine.notifications.send_with_notify(f"{queue}_answers", message.payload + 1)

    with engine.notifications.listen(queue, on_message):
        engine.notifications.send_with_notify(queue, 1)

        assert answers.get(timeout=LONG).payload == 2


def test_without_notifications_there_is_polling(dsn, queue, monkeypatch):
    """
    As behind a transaction pooler, where LISTEN means nothing.
    """
    monkeypatch.setattr("singularity_workflow.store.listener._PROBE_TIMEOUT", 0.2)
    monkeypatch.setattr(
        "singularity_workflow.store.store.Store.send_probe",
        lambda self, payload: asyncio.sleep(0),
    )

    async def main():
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            async with notes.listen(queue) as listener:
                assert not engine.session.hub.is_listening
                await notes.send_batch_with_notify(queue, [1, 2])
                return await payloads(listener, 2)

    assert run(main) == [1, 2]


def test_giving_up_to_close_ends_the_subscription_all_the_same(dsn, queue):
    """
    Else its feed and its channel would stay as long as the engine.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            listener = await engine.notifications.listen(queue)
            closing = asyncio.create_task(listener.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)

            await listener.close()
            session = engine.session
            return session.feeds._feeds, session.hub._channels

    assert run(main) == ({}, {})


def test_an_engine_that_closes_ends_what_is_just_being_opened(dsn):
    """
    Nothing of it reads on, and nobody waits for what cannot come.
    """

    async def main():
        found = set()
        for turns in range(0, 16, 2):
            engine = AsyncEngine(dsn)
            async with engine:
                waiting = [
                    asyncio.create_task(engine.notifications.listen(unique("q")).get())
                    for _ in range(3)
                ]
                for _ in range(turns):
                    await engine.notifications.notify_only("x")
            async with asyncio.timeout(LONG):
                for one in await asyncio.gather(*waiting, return_exceptions=True):
                    found.add(type(one))
        left = [task.get_name() for task in asyncio.all_tasks()]
        return found, [name for name in left if name.startswith("swf-")]

    found, left = run(main)
    assert found <= {ConfigurationError, SubscriptionEnded}
    assert left == []


def test_a_subscription_of_a_closed_engine_is_refused(dsn, queue):
    """
    It was made before, and opened too late.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            listener = engine.notifications.listen(queue)
        with pytest.raises(ConfigurationError, match="closed"):
            await listener
        return listener.is_closed

    assert run(main)


@pytest.mark.parametrize("most", [0, -1, 1.5, "x", True, None])
def test_how_many_to_take_is_a_number(dsn, engine, queue, most):
    """
    For the blocking listener, and for that of coroutines.
    """

    async def main():
        async with AsyncEngine(dsn) as other, other.notifications.listen(queue) as one:
            await one.take(1, most)

    with pytest.raises(InvalidSetting, match="most"):
        run(main)
    with engine.notifications.listen(queue) as listener:
        with pytest.raises(InvalidSetting, match="most"):
            listener.take(1, most)
        with pytest.raises(InvalidSetting, match="most"):
            listener.take_rest(most)
