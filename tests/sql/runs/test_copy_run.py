"""singularity_workflow.copy_run: a new run that reuses what another one has done."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import completed, failed, of

ONCE = {"max_attempts": 1}


def partial_map(db, done, size=6, **options):
    """Return a failed run of a map of which these elements have completed."""
    run = db.start(
        db.make_workflow(map_step("m", **ONCE, **options), single("end", "m")),
        list(range(size)),
    )
    while len([t for t in run.tasks("m") if t.status == "completed"]) < len(done):
        tasks = db.claim()
        good = [t for t in tasks if t.index in done]
        db.report(*(completed(t, t.item * 10) for t in good))
        db.call("release_tasks", [t.ref for t in tasks if t not in good])
    db.fail(next(t for t in db.claim() if t.index not in done))
    assert run.status == "failed"
    return run


def test_a_retry_runs_what_has_not_completed(db):
    """
    Outputs, input, options and tags are the source's; the lineage is kept.
    """
    run = db.start(
        db.make_workflow(*chain(3), **ONCE),
        {"x": 1},
        tags=["t", "t"],
        metadata={"m": 1},
    )
    db.complete(db.claim_one(), "first")
    db.fail(db.claim_one())

    again = db.copy(run)

    assert again.steps == {"s0": "completed", "s1": "started", "s2": "created"}
    row = again.row
    assert (row.origin_run_id, row.origin_kind) == (run.id, "retry")
    assert (row.input, row.tags, row.metadata) == ({"x": 1}, ["t", "t"], {"m": 1})
    assert row.remaining_steps == 2
    db.check()
    reply = db.claim_reply()
    assert reply.outputs == [(again.id, 0, "first")]
    db.complete(reply.tasks[0])
    db.work()
    assert (again.status, run.status) == ("completed", "failed")
    db.check()


@pytest.mark.parametrize("status", ["started", "paused", "completed"])
def test_only_what_failed_or_was_cancelled_is_retried(db, status):
    """
    The status is told.
    """
    run = db.start(db.make_workflow(single("a")))
    if status == "paused":
        db.pause(run)
    elif status == "completed":
        db.work()

    with db.raises("SW409") as caught:
        db.copy(run)

    assert caught.value.diag.message_detail == status


def test_unknown_runs_steps_and_ids(db):
    """
    Each has its own code.
    """
    run = db.start(db.make_workflow(single("a")))
    db.cancel(run)

    with db.raises("SW405"):
        db.call("copy_run", db.new_id(), db.new_id())
    with db.raises("SW406"):
        db.copy(run, "nope")
    with db.raises("SW403"):
        db.copy(run, new_id=uuid4())


def test_an_id_that_exists_is_that_run(db):
    """
    A repeated request makes no second copy.
    """
    run = db.start(db.make_workflow(single("a")))
    db.cancel(run)
    new_id = db.new_id()

    first, second = (db.copy(run, new_id=new_id) for _ in range(2))

    assert first.id == second.id == new_id
    assert db.count("runs") == 2
    db.check()


@pytest.mark.parametrize("done", [{0}, {5}, {1, 3, 4}, {0, 1, 2, 3, 4}])
@pytest.mark.parametrize("options", [{}, {"max_concurrency": 6}, {"on_error": "fail"}])
def test_completed_elements_of_a_map_are_kept(db, done, options):
    """
    Wherever they stand; the others run again, under their indexes.
    """
    run = partial_map(db, done, **options)

    again = db.copy(run)

    db.check()
    tasks = of(db.claim(), "m")
    assert {t.index for t in tasks} == set(range(6)) - done
    assert all(t.item == t.index and t.attempt == 1 for t in tasks)
    db.report(*(completed(t, t.item * 10) for t in tasks))
    assert again.step("m").output == [0, 10, 20, 30, 40, 50]
    assert again.steps["end"] == "started"
    db.check()


def test_a_narrow_window_holds_in_the_copy(db):
    """
    Scattered elements are done; the others are let go two at a time.
    """
    run = partial_map(db, {0, 1, 2}, max_concurrency=2)

    db.copy(run)
    db.check()

    assert [t.index for t in db.claim()] == [3, 4]
    db.check()


def test_a_copy_of_a_serial_run_gives_one_turn(db):
    """
    To the first element that is not done.
    """
    run = db.start(db.make_workflow(map_step("m", **ONCE)), [0, 1, 2], serial=True)
    db.complete(db.claim_one(), 0)
    db.fail(db.claim_one())

    again = db.copy(run)
    db.check()

    assert [t.index for t in db.work(m=lambda item: item)] == [1, 2]
    assert again.output == {"m": [0, 1, 2]}
    db.check()


@pytest.mark.parametrize("options", [{}, {"max_concurrency": 5}])
@pytest.mark.parametrize("swept", [True, False])
def test_an_unfinished_fan_out_goes_on(db, options, swept):
    """
    The chunks that the source had not made are made in the copy, and no message of
    the old run confuses it.
    """
    run = db.start(db.make_workflow(map_step("m", **options)), list(range(2_300)))
    first = db.claim(5)
    db.report(*(completed(t, t.index) for t in first))
    db.cancel(run)
    if swept:
        db.settle()

    again = db.copy(run)
    db.check()
    db.settle()

    assert len(again.tasks()) == 2_300
    db.check()
    while db.work(m=lambda item: item):
        pass
    assert again.output == {"m": list(range(2_300))}
    db.check()


def test_more_than_a_thousand_open_elements(db):
    """
    The rest is queued by a timer, as after a pause.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(2_300)))
    db.settle()
    task = db.claim(1)[0]
    db.complete(task, 0)
    db.cancel(run)
    db.settle()

    again = db.copy(run)
    db.check()
    assert len(again.timers("resume")) == 1
    db.settle()

    assert len(again.messages()) == 2_299
    db.check()


def test_a_copy_that_is_paused_before_all_is_queued(db):
    """
    Nothing is lost by it.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(2_300)))
    db.settle()
    db.complete(db.claim(1)[0], 0)
    db.cancel(run)
    db.settle()
    again = db.copy(run)

    db.pause(again)
    db.settle()
    db.resume(again)
    db.settle()

    assert len(again.messages()) == 2_299
    db.check()


def test_a_map_without_a_result_begins_anew(db):
    """
    With its delay, which the source did not live to see.
    """
    run = db.start(db.make_workflow(map_step("m", start_delay=5)), [1, 2])
    db.cancel(run)

    again = db.copy(run)

    assert {t.wait_reason for t in again.tasks()} == {"delay"}
    db.check()
    db.advance(seconds=5)
    db.fire()
    assert len(db.claim()) == 2


def test_a_map_that_never_got_tasks_begins_anew(db):
    """
    The run failed by a condition in the call that would have made them.
    """
    workflow = db.make_workflow(
        map_step("m"), single("a", when={"go": 1}, on_unmet="fail")
    )
    run = db.start(workflow, {"items": [1, 2]})
    assert run.steps == {"m": "cancelled", "a": "failed"}

    again = db.copy(run)

    assert again.status == "failed"
    assert (again.tasks(), again.messages()) == ([], [])
    db.check()


def test_a_copy_that_fails_at_once_queues_nothing(db):
    """
    A condition fails it before its kept elements go on.
    """
    workflow = db.make_workflow(
        single("a"), map_step("m"), single("b", "a", when={"a": 1}, on_unmet="fail")
    )
    run = db.start(workflow, list(range(1_200)))
    db.settle()
    tasks = db.claim(2_000)
    db.complete(of(tasks, "m")[7], "kept")
    db.complete(of(tasks, "a")[0], 2)
    assert run.status == "failed"

    again = db.copy(run)
    db.settle()

    assert (again.status, again.messages()) == ("failed", [])
    db.check()


def test_a_step_whose_sweep_is_not_through_is_copied_as_ended(db):
    """
    It was skipped; the rest of its tasks are still open in the source.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", **ONCE, on_failure="skip"), single("b", "m", **ONCE)
        ),
        list(range(1_001)),
    )
    db.fire()
    db.fail(db.claim(1)[0])
    db.fail(next(t for t in db.claim(5) if t.step == "b"))
    assert (run.status, run.timers("sweep") != []) == ("failed", True)

    again = db.copy(run)

    assert again.steps == {"m": "skipped", "b": "started"}
    assert "queued" not in again.task_statuses("m")
    db.check()


def test_copies_of_copies(db):
    """
    What each of them added is kept.
    """
    run = db.start(db.make_workflow(map_step("m", **ONCE)), [0, 1, 2, 3])
    for done in (3, 1):
        tasks = {t.index: t for t in db.claim()}
        db.complete(tasks[done], done)
        db.report(failed(tasks[0]))
        run = db.copy(run)
        db.check()

    assert {t.index for t in db.work(m=lambda item: item)} == {0, 2}
    assert run.output == {"m": [0, 1, 2, 3]}
    db.check()


def test_collected_errors_are_tried_again(db):
    """
    In a map that was not through; in one that was they are its result.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", **ONCE, on_error="collect"), single("a", **ONCE)
        ),
        [1, 2, 3],
    )
    tasks = db.claim()
    m = of(tasks, "m")
    db.report(failed(m[0]), completed(m[1], "ok"), failed(of(tasks, "a")[0]))

    db.copy(run)

    db.check()
    assert {t.index for t in of(db.claim(), "m")} == {0, 2}


@pytest.mark.parametrize(
    ("step", "ran"), [("a", "abcde"), ("b", "be"), ("c", "cde"), ("e", "e")]
)
def test_a_fork_runs_a_step_and_what_depends_on_it(db, step, ran):
    """
    From a root, a map in the middle, or a leaf; everything else is taken over.
    """
    run = db.start(
        db.make_workflow(
            single("a"),
            map_step("b", "a"),
            single("c", "a"),
            single("d", "c"),
            single("e", "b", "d"),
        )
    )
    db.work(a=[1, 2])
    assert run.status == "completed"

    again = db.copy(run, step)
    db.check()

    assert {t.step for t in db.work(a=[1, 2])} == set(ran)
    assert (again.status, again.row.origin_kind) == ("completed", "fork")
    db.check()


def test_a_fork_needs_the_dependencies_of_its_step(db):
    """
    One of them has not ended.
    """
    run = db.start(db.make_workflow(*chain(3)))

    with db.raises("SW409") as caught:
        db.copy(run, "s1")

    assert caught.value.diag.message_detail == "started"


def test_a_fork_of_a_run_under_way_leaves_it_alone(db):
    """
    A map that is half done goes on in both.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m")), [1, 2])
    tasks = db.claim()
    db.complete(of(tasks, "m")[0], "kept")

    again = db.copy(run, "a")
    db.check()

    assert again.task_statuses("m") == ["completed", "queued"]
    assert len(db.claim()) == 2
    assert run.task_statuses("m") == ["completed", "started"]
    db.check()


def test_skipped_steps_stay_skipped_but_behind_the_fork(db):
    """
    There the condition is looked at again.
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", "a", when="$.a == 1"), single("c", "b")
        )
    )
    db.work(a=2)
    assert run.steps["b"] == "skipped"

    leaf, root = db.copy(run, "c"), db.copy(run, "a")
    db.work(a=1)

    assert leaf.steps["b"] == "skipped"
    assert root.steps["b"] == "completed"
    db.check()


def test_the_deadline_begins_anew(db):
    """
    Counted from the start of the copy.
    """
    run = db.start(db.make_workflow(single("a")), timeout=60)
    db.cancel(run)

    again = db.copy(run)

    length = again.row.deadline_at - again.row.created_at
    assert length.total_seconds() == 60
    db.check()


def test_a_local_copy_is_its_owners(db):
    """
    Its messages go to the owner's queue.
    """
    run = db.start(db.make_workflow(map_step("m"), single("a")), [1])
    db.cancel(run)

    again = db.copy(run, owner=db.worker)

    assert {m["queue"] for m in again.messages()} == {f"local:{db.worker}"}
    db.check()


@pytest.mark.parametrize("rows", [1, 3, 4, 5])
def test_a_run_that_is_being_deleted_is_not_copied(db, rows):
    """
    Some of its results are gone, or all of them, or even some of its steps.
    """
    run = db.start(db.make_workflow(map_step("m"), single("a", "m", **ONCE)), [1, 2, 3])
    db.work(a=None)
    db.call("delete_runs", [run.id], rows)

    with db.raises("SW409"):
        db.copy(run, "a")


def test_a_repeated_run_is_in_the_trace_of_its_source(db):
    """
    Whoever follows the trace finds both.
    """
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    run = db.start(db.make_workflow(*chain(1), **ONCE), traceparent=trace)
    db.fail(db.claim_one())
    new_id = db.new_id()

    db.call("copy_run", run.id, new_id)

    assert db.run(new_id).row.traceparent == trace
