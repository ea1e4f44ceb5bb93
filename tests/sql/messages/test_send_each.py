"""singularity_workflow.send_each: messages of several queues at once."""

from __future__ import annotations


def test_each_gets_the_id_of_its_queue(db):
    """
    In the order of the call, whatever the queues are.
    """
    ids = db.call(
        "send_each",
        [["b", 1, None], ["a", 2, {"x": 1}], ["B", 3, None], ["a", 4, None]],
    )

    assert ids == [1, 1, 2, 2]
    found = {
        queue: [
            (row.message, row.headers.get("x"))
            for row in db.rows(
                f"select message, headers from pgmq.q_{queue} order by msg_id"
            )
        ]
        for queue in ("a", "b")
    }
    assert found == {"a": [(2, 1), (4, None)], "b": [(1, None), (3, None)]}


def test_nothing_is_sent_if_one_is_bad(db):
    """
    The caller tries them one by one then.
    """
    db.call("open_queue", "a")

    with db.raises("SW403"):
        db.call("send_each", [["a", 1, None], ["a b", 2, None]])

    assert db.rows("select from pgmq.q_a") == []
