"""singularity_workflow.release_windows: maps with max_concurrency."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed, failed


def window(db, size=6, width=2, input=None, request=None, **options):
    """Start a map of *size* elements of which *width* may be under way."""
    step = map_step("m", max_concurrency=width, **options)
    workflow = db.make_workflow(step, single("end", "m"))
    return db.start(workflow, input or list(range(size)), **request or {})


def drain(db, run, width):
    """Work the map off; never may more than *width* be under way."""
    order = []
    while run.step("m").status == "started":
        tasks = db.claim()
        assert len(tasks) <= width
        if not tasks:
            db.advance(hours=1)
            db.fire()
        for task in tasks:
            order.append(task.index)
            db.complete(task, task.index)
    return order


def test_no_more_than_the_window_are_queued(db):
    """
    The others wait for their turn, in the order of the elements.
    """
    run = window(db)

    assert [t.wait_reason for t in run.tasks("m")] == [None] * 2 + ["map_window"] * 4
    assert drain(db, run, 2) == list(range(6))
    assert run.step("m").output == list(range(6))
    db.check()


def test_what_has_been_let_go_is_handed_to_the_caller(db):
    """
    Of the same report, though it did not ask for a claim.
    """
    run = window(db)
    one, two = db.claim()

    reply = db.report(
        completed(one), completed(two), slots=2, queues=["default"], claim=False
    )

    assert [t.index for t in reply.tasks] == [2, 3]
    assert run.step("m").window_used == 2
    db.check()


def test_a_window_wider_than_the_map(db):
    """
    Everything is queued at once.
    """
    run = window(db, size=3, width=10)

    assert run.step("m").window_used == 3
    assert len(db.claim()) == 3
    db.check()


def test_an_empty_map_needs_no_window(db):
    """
    It completes as ever.
    """
    run = window(db, input={"items": []})

    assert run.steps == {"m": "completed", "end": "started"}
    db.check()


def test_a_retry_keeps_its_place(db):
    """
    Until it ends nobody takes it; afterwards one does.
    """
    run = window(db, size=3, width=1)

    db.fail(db.claim_one())
    assert db.claim() == []
    db.check()
    db.advance(hours=1)
    db.fire()

    assert drain(db, run, 1) == [0, 1, 2]
    db.check()


@pytest.mark.parametrize("mode", ["collect", "skip"])
def test_failed_elements_make_room(db, mode):
    """
    All of them fail, one after the other, and the map comes to its end.
    """
    run = window(db, size=5, on_error=mode, max_attempts=1)

    while tasks := [t for t in db.claim() if t.step == "m"]:
        assert len(tasks) <= 2
        db.report(*(failed(t) for t in tasks))
        db.check()

    assert run.steps == {"m": "completed", "end": "started"}
    assert len(run.step("m").output) == (5 if mode == "collect" else 0)


def test_a_task_that_waits_for_a_child_keeps_its_place(db):
    """
    A window bounds the child runs that are under way.
    """
    child = db.make_workflow(single("c"))
    run = window(db, size=3, width=1)
    for place in range(3):
        db.call_child(db.claim_one(), child)
        db.check()
        assert [t.step for t in db.claim(5)] == ["c"]
        task = run.db.rows(
            "select run_id, attempt from singularity_workflow.tasks "
            "where status = 'started'"
        )[0]
        db.report(
            {
                "run": str(task.run_id),
                "step": 0,
                "task": 0,
                "attempt": task.attempt,
                "outcome": "completed",
                "output": place,
            }
        )
        db.settle()
        db.check()

    assert run.step("m").output == [{"c": 0}, {"c": 1}, {"c": 2}]


def test_a_delayed_map_opens_its_window_when_it_is_due(db):
    """
    All wait for the timer, then the window holds.
    """
    run = window(db, start_delay=5)
    assert {t.wait_reason for t in run.tasks("m")} == {"delay"}

    db.advance(seconds=5)
    db.fire()

    assert [t.wait_reason for t in run.tasks("m")] == [None] * 2 + ["map_window"] * 4
    assert drain(db, run, 2) == list(range(6))
    db.check()


def test_a_serial_run_is_narrower_than_any_window(db):
    """
    One task at a time, and no window is counted; not with a delay either.
    """
    for delay in (None, 5):
        run = window(db, start_delay=delay, request={"serial": True})
        db.check()
        db.advance(seconds=5)
        db.fire()

        assert run.step("m").window_used is None
        assert drain(db, run, 1) == list(range(6))
        db.work()
        db.check()


@pytest.mark.parametrize("delay", [None, 5])
def test_large_maps_keep_their_window_over_all_chunks(db, delay):
    """
    What the later chunks bring waits, and is let go in order (S13).
    """
    run = window(db, size=2_200, width=3, start_delay=delay)
    db.advance(seconds=5)
    db.settle()
    db.check()
    assert len(run.messages()) == 3

    tasks = db.claim()
    for _ in range(4):
        db.report(*(completed(t) for t in tasks))
        tasks = db.claim()
        assert len(tasks) == 3

    assert [t.index for t in tasks] == [12, 13, 14]
    db.check()


def test_a_chunk_that_comes_when_the_window_is_empty_is_let_go(db):
    """
    All tasks of the first chunk ended before the second was made.
    """
    run = window(db, size=1_002, width=1_000)
    db.report(*(completed(t) for t in db.claim()))
    assert run.step("m").window_used == 0
    db.check()

    db.fire()

    assert [t.index for t in db.claim()] == [1_000, 1_001]
    db.check()


def test_a_window_that_is_given_up_during_the_fan_out(db):
    """
    The map keeps counting, in a window of a thousand: what waits must be let go.
    """
    steps = map_step("m", max_concurrency=2)
    workflow = db.make_workflow(steps, name="tuned")
    run = db.start(workflow, list(range(1_500)))
    db.make_workflow(map_step("m"), name="tuned")

    db.settle()
    assert len(run.messages()) == 1_000
    task = db.claim(1)[0]
    db.complete(task)

    assert run.step("m").window_used == 1_000
    assert len(db.work()) == 1_499
    assert run.status == "completed"
    db.check()


def test_a_window_that_is_added_during_the_fan_out(db):
    """
    The map has none, to its end: nobody would let the tasks go.
    """
    workflow = db.make_workflow(map_step("m"), name="tuned")
    run = db.start(workflow, list(range(1_500)))
    db.make_workflow(map_step("m", max_concurrency=2), name="tuned")

    db.settle()

    assert run.step("m").window_used is None
    assert len(db.work()) == 1_500
    assert run.status == "completed"
    db.check()


def test_a_narrower_window_holds_from_the_next_report_on(db):
    """
    What is under way stays so.
    """
    run = db.start(
        db.make_workflow(map_step("m", max_concurrency=3), name="tuned"),
        list(range(6)),
    )
    db.make_workflow(map_step("m", max_concurrency=1), name="tuned")
    tasks = db.claim()

    db.complete(tasks[0])
    db.complete(tasks[1])
    assert db.claim() == []
    db.complete(tasks[2])

    assert [t.index for t in db.claim()] == [3]
    assert run.step("m").window_used == 1


def test_a_paused_map_that_is_fanned_out(db):
    """
    The window is full of parked tasks, and goes on after the pause.
    """
    run = window(db, size=1_200, width=2)
    db.pause(run)
    assert db.claim() == []
    db.settle()
    db.check()

    db.resume(run)

    assert [t.index for t in db.claim()] == [0, 1]
    db.check()


def test_a_map_that_begins_in_a_pause(db):
    """
    Its tasks are parked or wait for the window; both go on.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a", max_concurrency=2)))
    task = db.claim_one()
    db.pause(run)
    db.complete(task, [1, 2, 3])
    reasons = [t.wait_reason for t in run.tasks("m")]
    db.check()

    db.resume(run)

    assert reasons == ["paused", "paused", "map_window"]
    assert len(db.claim()) == 2
    db.work()
    db.check()
