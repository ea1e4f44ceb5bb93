"""singularity_workflow.release_serial: parallel=False, one task at a time."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed, skipped

BUSH = (
    single("a"),
    map_step("m"),
    single("b", "a"),
    single("c", "m"),
    single("d", "b", "c"),
)


def going(run):
    """Return how many tasks of a run are queued or started."""
    return sum(s in {"queued", "started"} for s in run.task_statuses())


def test_one_task_goes_and_the_others_wait_for_their_turn(db):
    """
    The first by step and index is queued.
    """
    run = db.start(db.make_workflow(*BUSH), [1, 2], serial=True)

    assert [(t.step, t.status, t.wait_reason) for t in run.tasks()] == [
        ("a", "queued", None),
        ("m", "waiting", "limit"),
        ("m", "waiting", "limit"),
    ]
    db.check()


@pytest.mark.parametrize("slots", [0, 5])
def test_never_are_two_going(db, slots):
    """
    From the first to the last, queued or handed over, over maps and joins.
    """
    run = db.start(db.make_workflow(*BUSH), [1, 2, 3], serial=True)
    tasks, order = db.claim(), []

    while tasks:
        (task,) = tasks
        assert going(run) == 1
        order.append((task.step, task.index))
        reply = db.complete(task, task.step, slots=slots, queues=["default"])
        db.check()
        tasks = reply.tasks or db.claim()

    assert order == [
        ("a", 0),
        ("m", 0),
        ("m", 1),
        ("m", 2),
        ("b", 0),
        ("c", 0),
        ("d", 0),
    ]
    assert run.output == {"d": "d"}


def test_a_local_serial_run_hands_over_one_task(db):
    """
    However many slots its owner has.
    """
    run = db.start(
        db.make_workflow(*BUSH), [1, 2], owner=db.worker, slots=9, serial=True
    )

    assert run.reply.steps == ["a"]
    assert run.messages() == []
    db.check()


def test_other_runs_do_not_wait(db):
    """
    The turn belongs to the run, not to the workflow.
    """
    workflow = db.make_workflow(*BUSH)
    runs = [db.start(workflow, [1], serial=s) for s in (True, True, False)]

    assert [going(run) for run in runs] == [1, 1, 2]


def test_a_task_that_waits_for_its_retry_keeps_the_turn(db):
    """
    The order of the steps is part of the promise.
    """
    run = db.start(db.make_workflow(single("a"), single("b")), serial=True)

    db.fail(db.claim_one())
    assert (db.claim(), going(run)) == ([], 0)
    db.check()
    db.advance(hours=1)
    db.fire()

    assert [task.step for task in db.claim()] == ["a"]
    db.check()


@pytest.mark.parametrize("end", ["skip", "fail"])
def test_the_turn_passes_on_when_a_task_is_missed(db, end):
    """
    Skipped, or failed for good in a step that may be skipped.
    """
    run = db.start(
        db.make_workflow(single("a", max_attempts=1, on_failure="skip"), single("b")),
        serial=True,
    )
    task = db.claim_one()

    reply = db.report(
        skipped(task) if end == "skip" else {**task.ref, "outcome": "failed"},
        slots=1,
        queues=["default"],
    )

    assert reply.steps == ["b"]
    assert run.step("a").status == "skipped"
    db.check()


def test_a_delayed_task_waits_for_its_turn_when_it_is_due(db):
    """
    It does not push in; and while it is delayed others go.
    """
    run = db.start(
        db.make_workflow(single("late", start_delay=60), single("a"), single("b")),
        serial=True,
    )
    task = db.claim_one()
    db.advance(minutes=1)
    db.fire()
    assert (task.step, run.task("late").wait_reason) == ("a", "limit")

    db.complete(task)

    assert [task.step for task in db.claim()] == ["late"]
    db.check()


def test_a_run_of_which_all_is_delayed_begins_with_the_timer(db):
    """
    The due task gets the turn that nobody has.
    """
    run = db.start(db.make_workflow(map_step("m", start_delay=60)), [1, 2], serial=True)
    db.check()
    db.advance(minutes=1)

    db.fire()

    assert run.task_statuses() == ["queued", "waiting"]
    db.check()


def test_what_follows_an_empty_delayed_map_gets_the_turn(db):
    """
    The map ended in the start call, delay or not; its dependent must not hang.
    """
    run = db.start(
        db.make_workflow(map_step("m", start_delay=60), single("a", "m")),
        [],
        serial=True,
    )

    assert run.steps == {"m": "completed", "a": "started"}
    assert run.task_statuses() == ["queued"]
    db.check()


def test_a_wide_map_goes_on_after_its_first_chunk_is_done(db):
    """
    The next chunk comes from a timer, when nobody has the turn any more (S13).
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_003)), serial=True)
    tasks = db.claim()
    while tasks:
        tasks = db.complete(tasks[0], slots=1, queues=["default"]).tasks
    assert run.step("m").remaining_tasks == 3

    db.fire()
    db.check()
    db.work()

    assert run.status == "completed"
    db.check()


def test_a_failed_serial_run_releases_nothing(db):
    """
    What waited for its turn is cancelled.
    """
    run = db.start(
        db.make_workflow(single("a", max_attempts=1), single("b")), serial=True
    )

    db.fail(db.claim_one())

    assert run.task_statuses() == ["failed", "cancelled"]
    db.check()


WIDE = {"serial": True, "max_parallel": 3}


def test_as_many_tasks_go_as_there_are_turns(db):
    """
    Those of all steps together, the first by step and index.
    """
    run = db.start(db.make_workflow(map_step("m"), single("b")), [1, 2, 3, 4], **WIDE)

    tasks = db.claim()

    assert [(task.step, task.index) for task in tasks] == [
        ("m", 0), ("m", 1), ("m", 2),
    ]  # fmt: skip
    assert run.row.turns == 3


def test_a_report_of_several_frees_their_turns(db):
    """
    And the next ones take them.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(6)), **WIDE)
    first, second, third = db.claim()

    db.report(completed(first, 1), completed(second, 2))

    following = db.claim()
    assert [task.index for task in following] == [3, 4]
    assert run.row.turns == 3
    db.check()
    db.report(*(completed(task, 1) for task in (third, *following)))
    assert [task.index for task in db.work()] == [5]
    assert (run.status, run.row.turns) == ("completed", 0)


def test_retries_and_children_keep_their_turns(db):
    """
    Each of them is under way, though no worker has it.
    """
    child = db.make_workflow(single("c"))
    retrying = single("a", retry={"max_attempts": 2, "delay": 60})
    run = db.start(
        db.make_workflow(retrying, single("b"), *(single(f"x{n}") for n in range(4))),
        **WIDE,
    )
    a, b, x = db.claim()
    db.fail(a)
    db.call_child(b, child)
    db.complete(x)

    assert {task.step for task in db.claim()} == {"x1", "c"}
    assert run.row.turns == 3
    db.check()


def test_tasks_that_end_with_their_step_give_their_turns_back(db):
    """
    What was queued or under way of a step that is skipped is over.
    """
    skipped = map_step("m", max_attempts=1, on_failure="skip")
    run = db.start(
        db.make_workflow(skipped, *(single(f"x{n}") for n in range(4))),
        list(range(9)),
        **WIDE,
    )
    first, *_ = db.claim(2)

    db.fail(first)

    assert run.row.turns == 3
    db.check()
    assert [task.step for task in db.claim()] == ["x0", "x1", "x2"]
    db.work()


def test_a_child_has_as_many_turns_as_its_parent(db):
    """
    So that a limit holds for all runs of a goal.
    """
    child = db.make_workflow(map_step("c"))
    db.start(db.make_workflow(single("a")), **WIDE)

    run = db.call_child(db.claim_one(), child, [1, 2, 3, 4])

    assert len(db.claim()) == 3
    assert run.row.max_parallel == 3


def test_a_repeated_run_has_as_many_turns(db):
    """
    None of which is taken at first.
    """
    run = db.start(
        db.make_workflow(map_step("m", max_attempts=1)), [1, 2, 3, 4, 5], **WIDE
    )
    db.fail(db.claim()[0])

    again = db.copy(run)

    assert again.row.turns == 3
    db.check()
