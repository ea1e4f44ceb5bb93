"""singularity_workflow.call_children: start the child runs that tasks ask for."""

from __future__ import annotations

import pytest
from fixtures.definitions import child_step, map_step, single
from fixtures.workbench import called, completed


@pytest.fixture
def child(db):
    """A workflow to be called."""
    return db.make_workflow(single("c"), name="child")


def test_the_task_waits_and_the_child_runs(db, child):
    """
    For nobody's slot: its worker has it no more.
    """
    run = db.start(db.make_workflow(child_step("a", "child")), {"x": 1}, priority=3)
    task = db.claim_one()

    found = db.call_child(task, child, [1])

    row = found.row
    assert (run.task("a").status, run.task("a").wait_reason) == ("waiting", "child")
    assert (row.parent_run_id, row.parent_attempt) == (run.id, 1)
    assert (row.input, row.priority, row.order_key) == ([1], 3, run.row.order_key)
    assert db.call("heartbeat", db.worker, [[str(run.id), 0, 0, 1]])["gone"] is not None
    db.check()


def test_by_name_the_latest_version_is_called(db, child):
    """
    As any start by name.
    """
    db.start(db.make_workflow(single("a")))
    run_id = db.new_id()

    db.report(called(db.claim_one(), run_id, "child", 5))

    assert db.run(run_id).row.workflow_id == child.id
    db.check()


def test_children_of_a_local_run_are_local(db, child):
    """
    Their owner has the functions.
    """
    run = db.start(db.make_workflow(single("a")), owner=db.worker, slots=1)

    found = db.call_child(run.reply.tasks[0], child)

    assert found.row.owner == db.worker
    assert [m["queue"] for m in found.messages()] == [f"local:{db.worker}"]
    db.check()


def test_a_second_report_is_refused(db, child):
    """
    A lost reply makes no second child.
    """
    db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.call_child(task, child)

    reply = db.report(called(task, db.new_id(), child.id))

    assert len(reply.refused) == 1
    db.check()


def test_the_id_of_another_run_is_refused(db, child):
    """
    Its end would never wake the task.
    """
    other = db.start(child)
    db.start(db.make_workflow(single("a"), priority=1))
    task = next(t for t in db.claim() if t.step == "a")

    with db.raises("SW403"):
        db.report(called(task, other.id, child.id))
    db.check()


def test_an_unknown_workflow_fails_the_report(db):
    """
    The caller halves its batch and fails the task.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()

    with db.raises("SW404"):
        db.report(called(task, db.new_id(), "nobody"))

    assert run.task("a").status == "started"
    db.check()


def test_a_child_that_ends_at_once_wakes_its_parent(db):
    """
    It has nothing to do: all in the same commit but the parent's end.
    """
    empty = db.make_workflow(map_step("c"))
    run = db.start(db.make_workflow(single("a")))

    found = db.call_child(db.claim_one(), empty, [])
    db.check()
    db.settle()

    assert found.status == "completed"
    assert run.output == {"a": {"c": []}}
    db.check()


def test_a_serial_run_gives_no_turn_meanwhile(db, child):
    """
    The task that waits for its child has the turn.
    """
    run = db.start(db.make_workflow(single("a"), single("b")), serial=True)
    db.call_child(db.claim_one(), child)
    (task,) = db.claim()
    assert task.step == "c"
    db.check()

    db.complete(task)
    db.settle()

    assert [t.step for t in db.work()] == ["b"]
    assert run.status == "completed"
    db.check()


def test_many_children_in_one_report(db, child):
    """
    A mapped workflow step; other outcomes of the batch are not disturbed.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(20)))
    tasks = db.claim()

    db.report(
        *(called(t, db.new_id(), child.id, t.item) for t in tasks[:15]),
        *(completed(t, "direct") for t in tasks[15:]),
    )
    db.check()
    db.work(c=1)
    db.settle()

    assert run.step("m").output == [{"c": 1}] * 15 + ["direct"] * 5
    db.check()


@pytest.mark.parametrize("own", [None, f"00-{'a' * 32}-{'c' * 16}-01"])
def test_a_child_is_in_the_trace_of_its_parent(db, child, own):
    """
    Below the task that calls it, if its worker says which span that is.
    """
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    db.start(db.make_workflow(child_step("a", "child")), traceparent=trace)
    outcome = called(db.claim_one(), db.new_id(), child.id)
    if own is not None:
        outcome["output"]["traceparent"] = own

    db.report(outcome)

    assert db.run(outcome["output"]["run"]).row.traceparent == (own or trace)


def test_a_child_is_as_discreet_and_as_serial_as_its_parent(db, child):
    """
    What is not to be told of a run is not to be told of its children; and where one
    task goes at a time, their tasks do.
    """
    db.start(
        db.make_workflow(single("a")), serial=True, goal={"redact": True, "depth": 1}
    )

    run = db.call_child(db.claim_one(), child)

    assert run.row.serial
    assert run.row.goal == {"redact": True}
