"""singularity_workflow.read_message: one message by its id."""

from __future__ import annotations


def test_a_message_is_found_by_its_id(db):
    """
    In whatever case the queue is written.
    """
    number = db.call("send_with_notify", "orders", {"a": 1}, {"b": 2})

    ((pos, found, _, headers, payload),) = db.call("read_message", "ORDERS", number)[
        "messages"
    ]

    assert (found, payload, headers) == (number, {"a": 1}, {"b": 2, "pos": pos})


def test_a_message_of_pgmq_itself_is_found_too(db):
    """
    It has no place.
    """
    db.call("open_queue", "orders")
    number = db.value("select pgmq.send('orders', '7')")

    ((pos, _, _, headers, payload),) = db.call("read_message", "orders", number)[
        "messages"
    ]

    assert (pos, headers, payload) == (None, None, 7)


def test_a_message_that_is_not_there(db):
    """
    There are none.
    """
    db.call("open_queue", "orders")

    assert db.call("read_message", "orders", 1)["messages"] == []


def test_a_queue_that_is_not_there(db):
    """
    That is an error with a code.
    """
    with db.raises("SW407"):
        db.call("read_message", "nowhere", 1)
