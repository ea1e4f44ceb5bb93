"""singularity_workflow.settle_children: tasks whose child runs have ended."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import called

RETRY = {"max_attempts": 2, "delay": 1, "jitter": False}


@pytest.fixture
def child(db):
    """A workflow of two final steps; the first has one attempt."""
    return db.make_workflow(
        single("c", max_attempts=1), single("d", "c"), single("e", "c")
    )


def start(db, child, **options):
    """Start a run whose first step calls *child*; return both."""
    run = db.start(db.make_workflow(single("a", **options), single("b", "a")))
    return run, db.call_child(db.claim_one(), child)


def test_the_output_of_the_child_is_the_output_of_the_task(db, child):
    """
    Then the dependents start.
    """
    run, found = start(db, child)
    db.work(c=1, d="D", e="E")
    assert (found.status, run.steps["a"]) == ("completed", "started")
    db.check()

    reply = db.fire()

    assert run.step("a").output == {"d": "D", "e": "E"}
    assert reply["announced"] == run.messages()[0]["k"]
    db.check()


def test_a_child_that_failed_fails_the_task_for_good(db, child):
    """
    Unless the step itself asks for attempts; the cause is told.
    """
    run, found = start(db, child)
    db.fail(db.claim_one(), "too bad")

    reply = db.fire()

    error = run.row.error["error"]
    assert [end[:2] for end in reply["ended"]] == [[str(run.id), "failed"]]
    assert (error["type"], error["child_run_id"]) == ("child_failed", str(found.id))
    assert "too bad" in error["message"]
    db.check()


def test_a_step_with_attempts_calls_again(db, child):
    """
    The second child is another run; the end of the first means nothing any more.
    """
    run, first = start(db, child, retry=RETRY)
    db.fail(db.claim_one())
    db.fire()
    assert run.task("a").wait_reason == "retry"
    db.check()
    db.advance(seconds=1)
    db.fire()

    second = db.call_child(db.claim_one(), child)
    db.call("runs_ended", [first.id])
    db.fire()
    db.check()
    assert run.task("a").wait_reason == "child"
    db.work()
    db.settle()

    assert second.row.parent_attempt == 2
    assert run.steps["a"] == "completed"
    db.check()


def test_a_cancelled_child_fails_its_task(db, child):
    """
    Its reason is in the message.
    """
    run, found = start(db, child)

    db.call("cancel_runs", [found.id], "not today")
    db.settle()

    error = run.row.error["error"]
    assert error["type"] == "child_cancelled"
    assert "not today" in error["message"]
    db.check()


def test_in_a_paused_parent_the_result_is_taken_too(db, child):
    """
    As that of a task that was running; what follows is parked.
    """
    run, found = start(db, child)
    tasks = db.claim()
    db.complete(tasks[0])
    tasks = db.claim()
    db.pause(run)
    for task in tasks:
        db.complete(task)
    assert found.status == "completed"

    db.settle()

    assert run.steps["a"] == "completed"
    assert run.task("b").wait_reason == "paused"
    db.check()


def test_an_element_that_failed_is_collected(db):
    """
    A mapped child run is an element like any other.
    """
    child = db.make_workflow(single("c", max_attempts=1))
    run = db.start(db.make_workflow(map_step("m", on_error="collect")), [1, 2])
    for task in db.claim():
        db.call_child(task, child)
    one, two = db.claim()
    db.fail(one)
    db.complete(two, 5)

    db.settle()

    outputs = run.step("m").output
    assert min(outputs, key=str) == {"c": 5}
    assert max(outputs, key=str)["error"]["type"] == "child_failed"
    db.check()


def test_a_map_that_cannot_take_the_result_fails_the_run(db, child):
    """
    A child's output is an object; the violation is that of the step.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))
    db.call_child(db.claim_one(), child)

    db.work()
    db.settle()

    assert run.row.error["error"]["type"] == "type_violation"
    db.check()


def test_a_child_that_somebody_removed_fails_its_task(db, child):
    """
    By hand, past delete_runs: nobody will ever bring its result.
    """
    run, found = start(db, child)
    db.work()
    for table in ("tasks", "step_states", "runs"):
        db.execute(
            f"delete from singularity_workflow.{table} where run_id = %s", found.id
        )
    db.execute(
        "delete from pgmq.q_workflow_events where headers->>'run' = %s", str(found.id)
    )

    db.settle()

    assert run.row.error["error"]["type"] == "child_deleted"
    db.check()


def test_a_result_that_cannot_be_passed_on_fails_its_task_only(db, child):
    """
    Whatever the error: the others of the same call are settled (S5).
    """
    db.execute(
        "create function testing.refuse() returns trigger language plpgsql as $$ "
        "begin if new.output::text like '%bomb%E%' then "
        "raise exception 'too large' using errcode = '54000'; end if; "
        "return new; end $$"
    )
    db.execute(
        "create trigger refuse before update on singularity_workflow.step_states "
        "for each row execute function testing.refuse()"
    )
    workflow = db.make_workflow(single("a"), single("b", "a"))
    runs = [db.start(workflow) for _ in range(3)]
    children = {t.run_id: db.call_child(t, child) for t in db.claim()}
    bad = children[runs[1].id].id
    while tasks := db.claim():
        for task in tasks:
            is_bad = task.run_id == bad and task.step == "d"
            db.complete(task, "bomb" if is_bad else "E")

    db.fire()

    assert [run.status for run in runs] == ["started", "failed", "started"]
    assert runs[1].row.error["error"]["type"] == "child_output"
    db.check()


def test_a_thousand_children_at_once(db):
    """
    The map is put together in the order of its elements.
    """
    child = db.make_workflow(*chain(1))
    run = db.start(db.make_workflow(map_step("m")), list(range(1_000)))
    db.report(*(called(t, db.new_id(), child.id, t.item) for t in db.claim()))
    inputs = {}
    reply = db.claim_reply()
    inputs |= reply.inputs
    db.report(
        *(
            {**t.ref, "outcome": "completed", "output": inputs[t.run_id]}
            for t in reply.tasks
        )
    )

    db.settle()

    assert run.step("m").output == [{"s0": i} for i in range(1_000)]
    db.check()
