"""singularity_workflow.take_messages: exactly the first n, whatever plan is cached."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_a_plan_that_was_cached_while_the_queue_was_empty_takes_no_more(db):
    """
    As a join it once took 3,000 messages for a limit of 100 (F6).
    """
    for _ in range(7):
        assert db.claim(100) == []
    db.start(db.make_workflow(map_step("m")), list(range(900)))

    taken = db.rows(
        "select * from singularity_workflow.take_messages(array['default'], 0, 100)"
    )

    assert len(taken) == 100
    # which ones is promised, in which order they come back is not: deleted rows return
    # as they lie in the table, where space that vacuum freed is used again
    assert sorted(row.task_index for row in taken) == list(range(100))
    assert db.value("select count(*) from pgmq.q_swf_tasks") == 800


def test_what_was_taken_is_deleted(db):
    """
    The bodies come back with what the columns say.
    """
    run = db.start(db.make_workflow(single("a", priority=1)))
    body = run.messages()[0]

    (row,) = db.rows(
        "select * from singularity_workflow.take_messages(array['default'], 0, 9)"
    )

    assert row.message == body
    assert (row.run_id, row.step_no, row.task_index) == (run.id, 0, 0)
    assert row.k == body["k"]
    assert run.messages() == []
