"""singularity_workflow.send_messages: messages, their places, and one notification."""

from __future__ import annotations

import pytest


def places(db, queue="orders"):
    """Return the place of each message, in order of their ids."""
    rows = db.rows(f"select headers->>'pos' as pos from pgmq.q_{queue} order by msg_id")
    return [int(row.pos) for row in rows]


def heard(session, sender=None):
    """Return the payloads that a listening session has got."""
    return [one.payload for one in session.connection.notifies(timeout=0.5)]


@pytest.fixture
def listener(sessions):
    """A session that listens to events."""
    found = sessions.open()
    found.execute("listen singularity_workflow_events")
    return found


def test_a_message_is_stored_with_its_headers(db):
    """
    What the caller gives stands beside the place.
    """
    db.call("send_with_notify", "orders", {"a": [1, None]}, {"traceparent": "x"})

    row = db.row("select message, headers from pgmq.q_orders")
    assert row.message == {"a": [1, None]}
    assert row.headers.keys() == {"pos", "traceparent"}


@pytest.mark.parametrize("message", [None, 0, False, "", [], {}])
def test_falsy_messages_are_messages(db, message):
    """
    JSON's null too.
    """
    db.call("send_with_notify", "orders", message)

    assert db.value("select message from pgmq.q_orders") == message


def test_no_message_is_sql_null(db):
    """
    It is stored as JSON's null: a row always has a message.
    """
    db.execute("select singularity_workflow.send_with_notify('orders', null)")

    assert db.value("select message = 'null' from pgmq.q_orders")


@pytest.mark.parametrize("headers", [1, [1], "x"])
def test_headers_are_an_object(db, headers):
    """
    Anything else is refused.
    """
    with db.raises("SW403"):
        db.call("send_with_notify", "orders", 1, headers)


def test_a_batch_is_in_order(db):
    """
    Ids grow in the order of the array.
    """
    ids = db.call("send_batch_with_notify", "orders", list(range(500)))

    assert ids == sorted(ids)
    assert [
        row.message
        for row in db.rows("select message from pgmq.q_orders order by msg_id")
    ] == list(range(500))


@pytest.mark.parametrize("messages", [None, 1, {"a": 1}, "x"])
def test_a_batch_is_an_array(db, messages):
    """
    Anything else is refused.
    """
    with db.raises("SW403"):
        db.call("send_batch_with_notify", "orders", messages)


def test_an_empty_batch_is_nothing(sessions, listener):
    """
    No message, and nobody is told.
    """
    assert sessions.monitor.call("send_batch_with_notify", "orders", []) == []

    assert heard(listener) == []


def test_the_commit_tells_queue_and_place_once(sessions, listener):
    """
    However many messages there are, and not before.
    """
    sender = sessions.open()
    with sender.connection.transaction():
        sender.call("send_batch_with_notify", "orders", [1, 2])
        sender.call("send_batch_with_notify", "orders", [3])
        assert heard(listener) == []
    (place,) = set(places(sender))

    assert heard(listener) == [f"sent orders {place}"]


def test_a_rolled_back_message_is_neither_stored_nor_told(sessions, listener):
    """
    It belongs to the transaction.
    """
    sender = sessions.open()
    sender.call("open_queue", "orders")
    with sender.connection.transaction(force_rollback=True):
        sender.call("send_with_notify", "orders", 1)

    assert heard(listener) == []
    assert places(sender) == []


def test_an_effect_is_behind_its_cause(sessions):
    """
    Also when its transaction began before: it has a lower number, and knew the other.
    """
    early, late = sessions.open(), sessions.open()
    early.call("open_queue", "orders")
    with early.connection.transaction():
        early.execute("select pg_current_xact_id()")
        cause = late.call("send_with_notify", "orders", "cause")
        effect = early.call("send_with_notify", "orders", "effect")

    found = dict(zip([cause, effect], places(early), strict=True))
    assert (found[cause], cause) < (found[effect], effect)


def test_a_place_is_not_in_front_of_what_was_complete(sessions):
    """
    Whatever commits later has a place from the horizon on.
    """
    early, reader = sessions.open(), sessions.open()
    early.call("open_queue", "orders")
    with early.connection.transaction():
        early.execute("select pg_current_xact_id()")
        horizon = reader.call("read_messages", "orders")["horizon"]
        early.call("send_with_notify", "orders", 1)

    assert places(early)[0] >= horizon
