"""singularity_workflow.prune_messages: what was kept for long enough goes."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest


def left(db, queue="orders"):
    """Return the messages that are left."""
    return [
        row.message
        for row in db.rows(f"select message from pgmq.q_{queue} order by msg_id")
    ]


def test_messages_stay_seven_days(db):
    """
    By default.
    """
    db.call("send_with_notify", "orders", 1)
    db.advance(days=6, hours=23)
    assert db.call("prune_messages") == {"removed": 0, "has_more": False}
    db.advance(hours=2)

    assert db.call("prune_messages") == {"removed": 1, "has_more": False}

    assert left(db) == []


def test_each_queue_has_its_own_retention(db):
    """
    The other one keeps what it has.
    """
    db.call("configure_queue", "Orders", timedelta(hours=1))
    db.call("send_with_notify", "orders", 1)
    db.call("send_with_notify", "others", 2)
    db.advance(hours=2)

    db.call("prune_messages")

    assert (left(db), left(db, "others")) == ([], [2])


@pytest.mark.parametrize("retention", [None, timedelta(0), timedelta(seconds=-1)])
def test_a_retention_is_longer_than_nothing(db, retention):
    """
    Anything else would lose messages before anybody sees them.
    """
    with db.raises("SW403"):
        db.call("configure_queue", "orders", retention)


def test_a_call_removes_the_oldest_and_no_more_than_its_limit(db):
    """
    And tells that there may be more.
    """
    db.call("send_batch_with_notify", "orders", [1, 2, 3])
    db.advance(days=8)

    assert db.call("prune_messages", 2) == {"removed": 2, "has_more": True}

    assert left(db) == [3]


def test_what_somebody_holds_is_passed_over(sessions):
    """
    Nobody waits for it.
    """
    holder = sessions.open()
    holder.call("send_batch_with_notify", "orders", [1, 2])
    with holder.connection.transaction():
        holder.execute("select 1 from pgmq.q_orders where msg_id = 1 for update")
        other = sessions.open()
        with other.connection.transaction():
            other.advance(days=8)
            assert other.call("prune_messages")["removed"] == 1

    assert left(holder) == [1]


def test_one_at_a_time(sessions):
    """
    A second call does nothing.
    """
    first, second = sessions.open(), sessions.open()
    first.call("send_with_notify", "orders", 1)
    with first.connection.transaction(), second.connection.transaction():
        second.advance(days=8)
        first.call("prune_messages")

        assert second.call("prune_messages")["removed"] == 0


def test_a_dropped_queue_is_passed_over(db):
    """
    The others are looked at.
    """
    for queue in ("a", "b"):
        db.call("send_with_notify", queue, 1)
    db.execute("select pgmq.drop_queue('a')")
    db.advance(days=8)

    assert db.call("prune_messages")["removed"] == 1


def test_a_queue_of_others_does_not_keep_the_rest(db):
    """
    A role that may not delete from it leaves it alone.
    """
    role = f"pruner_{uuid4().hex}"
    db.call("send_with_notify", "a_foreign", 1)
    db.call("send_with_notify", "orders", 2)
    db.advance(days=8)
    db.execute(f"create role {role}")
    schemas = "singularity_workflow, testing"
    db.execute(f"grant usage on schema {schemas}, pgmq to {role}")
    db.execute(f"grant select on all tables in schema {schemas} to {role}")
    db.execute(f"grant select, update, delete on pgmq.q_orders to {role}")
    db.execute(f"grant select on pgmq.q_a_foreign to {role}")
    db.execute(f"set local role {role}")

    assert db.call("prune_messages") == {"removed": 1, "has_more": False}

    db.execute("reset role")
    assert (left(db, "a_foreign"), left(db)) == ([1], [])


def test_what_others_have_sent_stays(db):
    """
    A queue that was there before may be another program's.
    """
    db.execute("select pgmq.create('orders')")
    db.execute("select pgmq.send('orders', '1')")
    db.call("open_queue", "orders")
    db.call("send_with_notify", "orders", 2)
    db.advance(days=8)

    assert db.call("prune_messages")["removed"] == 1

    assert left(db) == [1]
