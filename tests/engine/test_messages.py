"""Sending messages, and reading them again."""

from __future__ import annotations

import logging
from datetime import timedelta

import psycopg
import pytest

from engine.support import run, single, unique, wait_until
from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    Engine,
    InvalidSetting,
    QueueNotFound,
)

LOGGER = "singularity_workflow.notifications"


@pytest.fixture
def queue():
    """The name of a queue that no other test uses."""
    return unique("q")


def test_what_was_sent_can_be_read(engine, queue):
    """
    By the id that was returned, with headers, time and cursor.
    """
    number = engine.notifications.send_with_notify(
        queue, {"type": "a", "b": [1, None]}, headers={"traceparent": "x"}
    )

    found = engine.notifications.read_message(queue, number)
    assert (found.id, found.queue) == (number, queue)
    assert found.payload == {"type": "a", "b": [1, None]}
    assert found.headers == {"traceparent": "x"}
    assert found.sent_at.tzinfo is not None
    assert found.cursor
    assert not found.lagged


@pytest.mark.parametrize("message", [None, 0, False, "", [], {}, "ä\u2028", 1.5])
def test_any_json_is_a_message(engine, queue, message):
    """
    The falsy ones too.
    """
    number = engine.notifications.send_with_notify(queue, message)

    assert engine.notifications.read_message(queue, number).payload == message


def test_a_large_message_is_sent(engine, queue):
    """
    Notifications carry 8,000 bytes, messages any number (R 225).
    """
    with engine.notifications.listen(queue) as listener:
        engine.notifications.send_with_notify(queue, "x" * 2_000_000)

        assert listener.get(timeout=20).payload == "x" * 2_000_000


@pytest.mark.parametrize("count", [0, 1, 3, 100_000])
def test_a_batch_is_sent_as_a_whole(engine, queue, count):
    """
    With an id for each, in order.
    """
    ids = engine.notifications.send_batch_with_notify(queue, range(count))

    assert len(ids) == count
    assert ids == sorted(ids)
    if count:
        found = engine.notifications.read_message(queue, ids[-1])
        assert found.payload == count - 1


def test_the_name_of_the_seeds_example_works(engine):
    """
    An application may send messages of its own to `workflow_events`.
    """
    message = {"type": "task_completed", "task_id": "task_123", "duration_ms": 1500}

    number = engine.notifications.send_with_notify("workflow_events", message)

    found = engine.notifications.read_message("workflow_events", number)
    assert found.payload == message


@pytest.mark.parametrize("kind", [psycopg.Connection, psycopg.AsyncConnection])
def test_a_message_is_part_of_the_callers_transaction(dsn, queue, kind):
    """
    A roll-back takes it away; listeners hear of it with the commit.
    """

    async def main():
        async with AsyncEngine(dsn) as engine, await open_connection() as connection:
            notes = engine.notifications
            async with notes.listen(queue) as listener:
                await notes.send_with_notify(queue, "gone", connection=connection)
                await settle(connection.rollback())
                await notes.send_batch_with_notify(
                    queue, ["kept"], connection=connection
                )
                await notes.notify_only(queue, "bare", connection=connection)
                with pytest.raises(TimeoutError):
                    await listener.get(timeout=0.3)
                await settle(connection.commit())
                found = {(await listener.get(timeout=20)).payload for _ in range(2)}
            return found, [one.payload for one in await notes.history(queue)]

    async def open_connection():
        if kind is psycopg.AsyncConnection:
            return await kind.connect(dsn)
        connection = kind.connect(dsn)
        return Closing(connection)

    async def settle(answer):
        if answer is not None:
            await answer

    assert run(main) == ({"kept", "bare"}, ["kept"])


class Closing:
    """A blocking connection in an asynchronous context."""

    def __init__(self, connection):
        self.connection = connection

    async def __aenter__(self):
        return self.connection

    async def __aexit__(self, *_):
        self.connection.close()


def test_any_language_can_send(engine, sql, queue):
    """
    By the SQL functions, in any transaction.
    """
    with engine.notifications.listen(queue) as listener:
        number = sql.value(
            "select singularity_workflow.send_with_notify(%s, '{\"a\": 1}')", queue
        )

        found = listener.get(timeout=20)
    assert (found.id, found.payload) == (number, {"a": 1})


def test_history_goes_on_after_a_cursor(engine, queue):
    """
    Page by page, each message once.
    """
    ids = engine.notifications.send_batch_with_notify(queue, range(25))
    found, after = [], None
    while page := engine.notifications.history(queue, after=after, limit=10):
        found += [one.id for one in page]
        after = page[-1].cursor

    assert found == ids


def test_history_shows_what_an_old_transaction_makes_uncertain(engine, dsn, queue):
    """
    And its pages come to an end, whatever is open.
    """
    with psycopg.connect(dsn) as old:
        old.execute("select pg_current_xact_id()")
        ids = engine.notifications.send_batch_with_notify(queue, range(3))
        first = engine.notifications.history(queue, limit=2)
        rest = engine.notifications.history(queue, after=first[-1].cursor, limit=2)
        none = engine.notifications.history(queue, after=rest[-1].cursor, limit=2)

    assert [one.id for one in first + rest] == ids
    assert none == []


def test_a_message_that_is_not_there_is_none(engine, queue):
    """
    Its queue is.
    """
    engine.notifications.send_with_notify(queue, 1)

    assert engine.notifications.read_message(queue, 10**15) is None


def test_a_queue_that_is_not_there_is_an_error(engine, queue):
    """
    Looking makes none.
    """
    with pytest.raises(QueueNotFound, match=queue):
        engine.notifications.read_message(queue, 1)
    with pytest.raises(QueueNotFound, match=queue):
        engine.notifications.history(queue)


BAD_QUEUES = [None, 7, b"q", "", "1st", "a b", "a" * 201, "swf_tasks", "q\x00", "q\n"]


@pytest.mark.parametrize("name", BAD_QUEUES)
def test_a_bad_name_is_refused_by_every_call(engine, name):
    """
    Before anything is asked of the server.
    """
    notes = engine.notifications
    for call in (
        lambda: notes.send_with_notify(name, 1),
        lambda: notes.send_batch_with_notify(name, [1]),
        lambda: notes.listen(name),
        lambda: notes.read_message(name, 1),
        lambda: notes.history(name),
        lambda: notes.set_retention(name, 1),
    ):
        with pytest.raises(InvalidSetting, match="queue"):
            call()


@pytest.mark.parametrize(
    "message", [b"x", float("nan"), {1: 2}, object(), {1, 2}, "\x00", "\ud800", 2**70]
)
def test_what_is_not_json_is_no_message(engine, queue, message):
    """
    Alone and in a batch, where the error tells which.
    """
    with pytest.raises(InvalidSetting, match="message is not JSON"):
        engine.notifications.send_with_notify(queue, message)
    with pytest.raises(InvalidSetting, match=r"messages is not JSON: \$\[1\]"):
        engine.notifications.send_batch_with_notify(queue, [1, message])
    with pytest.raises(InvalidSetting, match="headers"):
        engine.notifications.send_with_notify(queue, 1, headers={"a": message})


def test_a_message_of_200_mb_is_refused(engine, queue):
    """
    Before it is sent.
    """
    with pytest.raises(InvalidSetting, match="100000000"):
        engine.notifications.send_with_notify(queue, "x" * 200_000_000)


@pytest.mark.parametrize("value", [1e308, -0.0, 1e-320])
def test_numbers_that_postgresql_writes_otherwise_arrive(engine, queue, value):
    """
    They are the same numbers.
    """
    number = engine.notifications.send_with_notify(queue, value)

    assert engine.notifications.read_message(queue, number).payload == value


@pytest.mark.parametrize("messages", [None, 7, "abc", b"abc", {"a": 1}])
def test_a_batch_is_a_list(engine, queue, messages):
    """
    A text would be a batch of letters, which nobody means.
    """
    with pytest.raises(InvalidSetting, match="messages must be a list"):
        engine.notifications.send_batch_with_notify(queue, messages)


@pytest.mark.parametrize("after", [7, "", "nonsense", b"x"])
def test_a_bad_cursor_is_refused(engine, queue, after):
    """
    Wherever one is taken.
    """
    for call in (engine.notifications.history, engine.notifications.listen):
        with pytest.raises(InvalidSetting, match="cursor"):
            call(queue, after=after)


@pytest.mark.parametrize("limit", [0, -1, 1001, 2.5, True, None, "1"])
def test_a_bad_limit_is_refused(engine, queue, limit):
    """
    From 1 to 1,000.
    """
    with pytest.raises(InvalidSetting, match="limit"):
        engine.notifications.history(queue, limit=limit)


@pytest.mark.parametrize("number", [None, "1", True, 1.0, -1, 2**63])
def test_a_bad_id_is_refused(engine, queue, number):
    """
    Ids are those of a bigint.
    """
    with pytest.raises(InvalidSetting, match="message_id"):
        engine.notifications.read_message(queue, number)


@pytest.mark.parametrize(
    "channel",
    [None, 7, "", "x" * 64, "ä" * 32, "a\nb", "singularity_workflow_work"],
)
def test_a_bad_channel_is_refused(engine, channel):
    """
    Those of the library too.
    """
    with pytest.raises(InvalidSetting, match="channel"):
        engine.notifications.notify_only(channel, "x")


@pytest.mark.parametrize("payload", [None, 7, b"x", "x" * 8000, "ä" * 4000, "\x00"])
def test_a_bad_payload_of_a_notification_is_refused(engine, payload):
    """
    It is a text of less than 8,000 bytes.
    """
    with pytest.raises(InvalidSetting, match="payload"):
        engine.notifications.notify_only("news", payload)


@pytest.mark.parametrize("retention", [0, -1, None, "1 day", float("inf")])
def test_a_bad_retention_is_refused(engine, queue, retention):
    """
    It is longer than nothing.
    """
    with pytest.raises(InvalidSetting, match="retention"):
        engine.notifications.set_retention(queue, retention)


def test_a_retention_is_kept(engine, sql, queue):
    """
    In seconds or as a timedelta.
    """
    for given in (3600, timedelta(hours=1)):
        engine.notifications.set_retention(queue.upper(), given)

        assert sql.value(
            "select retention from singularity_workflow.message_queues where name = %s",
            queue,
        ) == timedelta(hours=1)


def test_workers_remove_what_was_kept_for_long_enough(database, monkeypatch):
    """
    Without anybody asking for it.
    """
    monkeypatch.setattr("singularity_workflow.worker.worker._PRUNING_PAUSE", 0.05)

    with Engine(database) as engine:
        engine.notifications.set_retention("short", 0.001)
        engine.notifications.send_batch_with_notify("short", range(10))
        engine.execute(single(lambda: 1))  # starts the worker

        wait_until(
            lambda: engine.notifications.history("short") == [], "messages are removed"
        )


def test_an_engine_that_is_not_connected_says_so(dsn, queue):
    """
    As with every other call.
    """
    with pytest.raises(ConfigurationError, match="not connected"):
        Engine(dsn).notifications.send_with_notify(queue, 1)
    with pytest.raises(ConfigurationError, match="not connected"):
        AsyncEngine(dsn).notifications.listen(queue)


def test_every_send_is_logged(engine, queue, caplog):
    """
    With the queue, the id, the duration and the type of the message.
    """
    caplog.set_level(logging.INFO, LOGGER)
    number = engine.notifications.send_with_notify(queue, {"type": "news"})
    ids = engine.notifications.send_batch_with_notify(queue, [{"type": "old"}, 2])
    engine.notifications.notify_only(queue, "x")

    logged = [one for one in caplog.records if one.name == LOGGER]
    assert [
        (one.levelname, one.queue, one.message_id, one.message_type) for one in logged
    ] == [
        ("INFO", queue, number, "news"),
        ("INFO", queue, ids[-1], "old"),
        ("INFO", queue, None, None),
    ]
    assert all(one.duration_ms >= 0 for one in logged)


def test_every_failure_is_logged(engine, queue, caplog):
    """
    As an error, with what is known; the caller gets it too.
    """
    with pytest.raises(InvalidSetting):
        engine.notifications.send_with_notify(queue, {"type": "news", "x": b""})

    (one,) = [one for one in caplog.records if one.name == LOGGER]
    assert (one.levelname, one.queue, one.message_id) == ("ERROR", queue, None)
    assert one.message_type == "news"


@pytest.mark.parametrize("headers", ["[1]", '"x"', "5", "null", None])
def test_headers_of_another_kind_are_none(engine, sql, queue, headers):
    """
    pgmq's own function takes any JSON.
    """
    engine.notifications.send_with_notify(queue, 1)
    number = sql.value(
        "select pgmq.send(%s, '{}'::jsonb, %s::jsonb, 0)", queue, headers
    )

    assert engine.notifications.read_message(queue, number).headers == {}


@pytest.mark.parametrize(
    ("queue", "message", "secret"),
    [
        ({"password": "hunter2"}, "orders", "hunter2"),
        ("q" * 5000, {}, "q" * 500),
        ("orders", {"type": {"password": "hunter2"}, "x": b""}, "hunter2"),
        ("orders", {"type": "t" * 5000, "x": b""}, "t" * 500),
    ],
)
def test_what_is_logged_of_a_send_is_not_its_content(
    engine, caplog, queue, message, secret
):
    """
    Nor is it as long: only texts are names, and what is longer than a name is cut.
    """
    with pytest.raises(InvalidSetting):
        engine.notifications.send_with_notify(queue, message)

    (one,) = [one for one in caplog.records if one.name == LOGGER]
    assert secret not in f"{one.getMessage()} {one.queue} {one.message_type}"


def test_a_failure_is_logged_in_one_line(engine, queue, caplog):
    """
    The caller gets the hint, and what PostgreSQL has to say besides.
    """
    with pytest.raises(InvalidSetting, match="Hint"):
        engine.notifications.notify_only(queue, "x" * 8000)

    (one,) = [one for one in caplog.records if one.name == LOGGER]
    assert one.getMessage() == (
        f"not sent to {queue!r}: payload has 8000 bytes, 7999 are possible"
    )
