"""singularity_workflow.read_messages: pages in the order of places."""

from __future__ import annotations

import pytest

from sql.messages.support import wait_until_complete


@pytest.fixture
def queue(committed):
    """A queue of three messages, each of a transaction of its own."""
    for number in (1, 2, 3):
        committed.call("send_with_notify", "orders", number)
    wait_until_complete(committed)
    return committed


def ids(page):
    """Return the ids of a page."""
    return [message[1] for message in page["messages"]]


def test_a_message_has_all_that_was_stored(queue):
    """
    Place, id, time, headers and payload.
    """
    (first, *_) = queue.call("read_messages", "orders")["messages"]

    assert first[0] > 0
    assert first[1:] == [1, first[2], {"pos": first[0]}, 1]
    assert first[2].startswith("20")


def test_a_page_begins_at_a_place(queue):
    """
    The message there included.
    """
    pos, number, *_ = queue.call("read_messages", "orders")["messages"][1]

    assert ids(queue.call("read_messages", "orders", pos, number)) == [2, 3]
    assert ids(queue.call("read_messages", "orders", pos, number + 1)) == [3]


def test_a_page_is_not_longer_than_its_limit(queue):
    """
    And tells that there is more.
    """
    page = queue.call("read_messages", "orders", limit=2)
    rest = queue.call("read_messages", "orders", *page["messages"][-1][:2], limit=2)

    assert (ids(page), page["has_more"]) == ([1, 2], True)
    assert (ids(rest), rest["has_more"]) == ([2, 3], False)


def test_only_given_places_are_read(queue):
    """
    Of none, none.
    """
    pos = queue.call("read_messages", "orders")["messages"][1][0]

    assert ids(queue.call("read_messages", "orders", positions=[pos])) == [2]
    assert ids(queue.call("read_messages", "orders", positions=[])) == []


def test_payloads_may_be_left_out(queue):
    """
    For those who want to know the places only.
    """
    page = queue.call("read_messages", "orders", bare=True)

    assert [message[4] for message in page["messages"]] == [None] * 3


def test_messages_of_pgmq_itself_are_not_seen(queue):
    """
    They have no place.
    """
    queue.execute("select pgmq.send('orders', '4')")

    assert ids(queue.call("read_messages", "orders")) == [1, 2, 3]


def test_large_messages_make_short_pages(committed):
    """
    A page has at least one, however large it is.
    """
    # hashes: what can be compressed counts by its stored size
    committed.execute(
        "select singularity_workflow.send_with_notify('large', to_jsonb("
        "(select string_agg(md5(random()::text), '') from generate_series(1, 100000))))"
        " from generate_series(1, 3)"
    )

    page = committed.call("read_messages", "large")

    assert 1 <= len(page["messages"]) < 3
    assert page["has_more"]


def test_what_is_not_complete_comes_in_one_page(sessions):
    """
    A second look could show a cause in front of an effect that was read already.
    """
    old, sender = sessions.open(), sessions.open()
    for number in (1, 2):
        sender.call("send_with_notify", "orders", number)
    wait_until_complete(sender)
    with old.connection.transaction():
        old.execute("select pg_current_xact_id()")
        for number in (3, 4, 5):
            sender.call("send_with_notify", "orders", number)
        first = sender.call("read_messages", "orders", limit=1)
        rest = sender.call("read_messages", "orders", first["horizon"], limit=1)

    assert ids(first) == [1]
    assert ids(rest) == [3, 4, 5]
    assert not rest["has_more"]


def test_the_horizon_is_behind_what_is_complete(sessions):
    """
    An open transaction holds it back, until it ends.
    """
    old, sender = sessions.open(), sessions.open()
    with old.connection.transaction():
        number = int(old.value("select pg_current_xact_id()::text"))
        sender.call("send_with_notify", "orders", 1)
        held = sender.call("read_messages", "orders")
    free = wait_until_complete(sender)

    assert held["horizon"] <= number
    assert free["horizon"] > free["messages"][0][0] >= held["horizon"]


@pytest.mark.parametrize("function", ["read_messages", "find_queue"])
@pytest.mark.parametrize("name", [None, "", "nowhere"])
def test_a_queue_that_is_not_there(db, function, name):
    """
    It is not made by looking.
    """
    with db.raises("SW407"):
        db.call(function, name)


def test_a_dropped_queue_is_not_there(db):
    """
    Whoever looks is told, not left with an error of a table.
    """
    db.call("open_queue", "orders")
    db.execute("select pgmq.drop_queue('orders')")

    with db.raises("SW407"):
        db.call("read_messages", "orders")


def test_pages_are_read_by_the_index(committed):
    """
    Whatever the planner believes of a table that was empty when it was looked at.
    """
    committed.call("open_queue", "orders")
    committed.execute("vacuum analyze pgmq.q_orders")
    committed.call("send_batch_with_notify", "orders", list(range(20_000)))
    committed.execute("select pg_stat_force_next_flush()")
    before = committed.value(
        "select seq_scan from pg_stat_user_tables where relname = 'q_orders'"
    )

    committed.call("read_messages", "orders", limit=1)
    committed.execute("select pg_stat_force_next_flush()")

    assert before == committed.value(
        "select seq_scan from pg_stat_user_tables where relname = 'q_orders'"
    )
