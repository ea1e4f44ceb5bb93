"""singularity_workflow.open_queue: queues are made on first use, under any name."""

from __future__ import annotations

import pytest

LONG = "customers/" + "x" * 60


def pgmq_queues(db):
    """Return the names of pgmq's queues."""
    return {row.queue_name for row in db.rows("select queue_name from pgmq.meta")}


def test_a_missing_queue_is_made(db):
    """
    It is one of pgmq's, under its own name.
    """
    assert db.call("open_queue", "orders") == "orders"

    assert "orders" in pgmq_queues(db)


def test_case_does_not_matter(db):
    """
    pgmq's tables are in lower case, and so are names.
    """
    assert (
        db.call("open_queue", "Orders") == db.call("open_queue", "oRDERS") == "orders"
    )


@pytest.mark.parametrize("name", [LONG, "x" * 48, "a.b", "a-b", "a/b:c"])
def test_a_name_that_pgmq_does_not_take_is_mapped(db, name):
    """
    The same name is the same queue; messages arrive there.
    """
    found = db.call("open_queue", name)

    assert found.startswith("swf_m_")
    assert len(found) <= 47
    assert db.call("open_queue", name.upper()) == found
    assert db.call("send_with_notify", name, 1) == 1


def test_names_that_differ_at_their_end_are_different_queues(db):
    """
    Of two names of 47 characters, or of 200.
    """
    for length in (47, 200):
        first, second = ("q" * (length - 1) + end for end in "ab")

        assert db.call("open_queue", first) != db.call("open_queue", second)


@pytest.mark.parametrize(
    "name", [None, "", "1st", "a b", "ä", 'a"; drop table x', "a" * 201, "-a"]
)
def test_an_impossible_name_is_refused(db, name):
    """
    The error says which are possible.
    """
    with db.raises("SW403") as caught:
        db.call("open_queue", name)

    assert "letter" in caught.value.diag.message_hint


@pytest.mark.parametrize("name", ["swf_tasks", "SWF_anything", "swf_m_1"])
def test_the_librarys_own_queues_are_refused(db, name):
    """
    Nobody else writes there.
    """
    with db.raises("SW403"):
        db.call("open_queue", name)


def test_a_queue_of_pgmq_is_taken_as_it_is(db):
    """
    What was made by pgmq's own function keeps its messages.
    """
    db.execute("select pgmq.create('mine')")
    db.execute("select pgmq.send('mine', '1')")

    db.call("send_with_notify", "mine", 2)

    assert db.value("select count(*) from pgmq.q_mine") == 2


def test_a_dropped_queue_is_made_again(db):
    """
    With its index.
    """
    db.call("open_queue", "orders")
    db.execute("select pgmq.drop_queue('orders')")

    assert db.call("send_with_notify", "orders", 1) == 1

    assert db.value(
        "select count(*) from pg_indexes "
        "where tablename = 'q_orders' and indexname like 'swf_m_%%'"
    )
