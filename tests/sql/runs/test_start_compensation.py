"""singularity_workflow.start_compensation: undo what a run has done."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single, undo_step

ONCE = {"max_attempts": 1}
STEPS = (single("a"), map_step("m", "a"), single("z", "m", **ONCE))
UNDO = (undo_step("m"), undo_step("a", "m"))


@pytest.fixture
def workflow(db):
    """A workflow of a step, a map and a last step that fails, and its compensation."""
    db.make_workflow(*UNDO, name="undo", undoes="do")
    return db.make_workflow(*STEPS, name="do", compensation="undo")


def compensations(db, run):
    """Return the runs that undo a run."""
    rows = db.rows(
        "select run_id from singularity_workflow.runs "
        "where origin_run_id = %s and origin_kind = 'compensation'",
        run.id,
    )
    return [db.run(row.run_id) for row in rows]


def fail_last(db, workflow, elements=(1, 2), **request):
    """Start a run, and let its last step fail."""
    run = db.start(workflow, {"in": 1}, **request)
    while run.status == "started":
        for task in db.claim():
            if task.step == "z":
                db.fail(task)
            else:
                db.complete(task, list(elements) if task.step == "a" else "done")
        db.fire()
    assert run.status == "failed"
    return run


def test_what_completed_is_undone_in_reverse(db, workflow):
    """
    Each task of an undo step gets index, item and output of the task that it undoes.
    """
    run = fail_last(db, workflow, tags=["t"])
    db.settle()
    (undo,) = compensations(db, run)
    db.check()

    tasks = db.claim()
    assert [t.item for t in tasks] == [
        {"index": i, "item": i + 1, "output": "done"} for i in (0, 1)
    ]
    for task in tasks:
        db.complete(task)
    (last,) = db.claim()
    assert last.item == {"index": 0, "item": None, "output": [1, 2]}
    db.complete(last)

    assert undo.status == "completed"
    assert (undo.row.input, undo.row.tags) == ({"in": 1}, ["t"])
    assert db.call("run_status", run.id)["compensation_id"] == str(undo.id)
    db.check()


def test_a_cancelled_run_is_undone_too(db, workflow):
    """
    Steps without a completed task are skipped, and what depends on them goes on.
    """
    run = db.start(workflow)
    db.complete(db.claim_one(), [1])
    db.cancel(run)

    db.settle()

    (undo,) = compensations(db, run)
    assert undo.steps == {"m": "skipped", "a": "started"}
    db.check()
    db.work()
    assert undo.status == "completed"


def test_completed_elements_of_a_map_that_failed_are_undone(db):
    """
    Only those.
    """
    db.make_workflow(undo_step("m"), name="undo", undoes="do")
    run = db.start(
        db.make_workflow(map_step("m", **ONCE), name="do", compensation="undo"),
        [10, 20, 30],
    )
    tasks = db.claim()
    db.complete(tasks[1], "b")
    db.fail(tasks[2])

    db.settle()

    assert run.status == "failed"
    assert [t.item for t in db.claim()] == [{"index": 1, "item": 20, "output": "b"}]
    db.check()


@pytest.mark.parametrize("end", ["completed", "nothing done"])
def test_where_there_is_nothing_to_undo_no_run_is_made(db, workflow, end):
    """
    Of a completed run, and of one in which nothing was done.
    """
    run = db.start(workflow)
    if end == "completed":
        db.work(a=[])
    else:
        db.cancel(run)

    db.settle()

    assert compensations(db, run) == []
    db.check()


def test_a_second_timer_starts_no_second_undoing(db, workflow):
    """
    One is enough, whatever becomes of it.
    """
    run = fail_last(db, workflow)
    db.settle()

    db.call("runs_ended", [run.id])
    db.settle()

    assert len(compensations(db, run)) == 1
    db.check()


def test_more_than_a_thousand_elements_are_undone(db):
    """
    The later chunks find their elements, though the first of them were undone by then.
    """
    db.make_workflow(undo_step("m"), name="undo", undoes="do")
    run = db.start(
        db.make_workflow(
            map_step("m"), single("z", "m", **ONCE), name="do", compensation="undo"
        ),
        list(range(1_200)),
    )
    db.settle()
    for task in db.claim(2_000):
        db.complete(task, "x")
    db.fail(db.claim_one())
    db.fire()
    (undo,) = compensations(db, run)
    for task in db.claim(5):
        db.complete(task)

    db.settle()

    assert {t.item["item"] for t in undo.tasks()} == set(range(1_200))
    db.check()


def test_a_new_version_of_the_undoing_is_used_as_it_fits(db, workflow):
    """
    Steps are matched by name: what is new has nothing to undo.
    """
    db.make_workflow(
        undo_step("m"), undo_step("a", "m"), undo_step("new", "a"), name="undo",
        undoes="do",
    )  # fmt: skip

    run = fail_last(db, workflow)
    db.settle()

    (undo,) = compensations(db, run)
    assert undo.steps == {"m": "started", "a": "created", "new": "skipped"}
    db.work()
    assert undo.status == "completed"
    db.check()


def test_a_map_that_is_no_undo_step_undoes_nothing(db):
    """
    Its elements are others; it must not wait for some that never come.
    """
    db.make_workflow(map_step("m"), single("a"), name="undo")
    run = db.start(
        db.make_workflow(
            single("a"), map_step("m", "a"), name="do", compensation="undo"
        )
    )
    db.complete(db.claim_one(), [1, 2])
    db.complete(db.claim(1)[0])
    db.cancel(run)

    db.settle()

    (undo,) = compensations(db, run)
    assert undo.steps == {"m": "skipped", "a": "started"}
    db.check()


def test_an_unknown_undoing_stops_nobody(db):
    """
    The timer is void.
    """
    run = db.start(db.make_workflow(*STEPS, name="do", compensation="nobody"))
    db.complete(db.claim_one(), [1])
    db.cancel(run)

    db.settle()

    assert (compensations(db, run), run.timers()) == ([], [])
    db.check()


def test_an_undoing_that_failed_is_retried_with_its_elements(db, workflow):
    """
    Those of steps that had not begun too.
    """
    run = fail_last(db, workflow)
    db.settle()
    (undo,) = compensations(db, run)
    one, two = db.claim()
    db.complete(one)
    db.report({**two.ref, "outcome": "failed", "final": True})
    assert undo.status == "failed"

    again = db.copy(undo)
    db.check()

    (task,) = db.claim()
    assert task.item == {"index": 1, "item": 2, "output": "done"}
    db.complete(task)
    (task,) = db.claim()
    assert task.item["output"] == [1, 2]
    db.complete(task)
    assert again.status == "completed"
    db.check()


def test_a_fork_of_an_undoing_has_the_elements_of_a_step_that_was_through(db, workflow):
    """
    Its output is by then the results; the elements stand in its tasks.
    """
    run = fail_last(db, workflow)
    db.settle()
    db.work()
    (undo,) = compensations(db, run)
    assert undo.status == "completed"

    db.copy(undo, "m")

    assert [t.item["index"] for t in db.claim()] == [0, 1]
    db.check()


def test_a_fork_undoes_only_what_it_did_itself(db, workflow):
    """
    What it took over belongs to the other run, which may have completed.
    """
    source = db.start(workflow, {"in": 1})
    while source.status == "started":
        for task in db.claim():
            db.complete(task, [1, 2] if task.step == "a" else "done")
        db.fire()
    fork = db.copy(source, "m")
    while fork.status == "started":
        for task in db.claim():
            if task.step == "z":
                db.fail(task)
            else:
                db.complete(task, "again")
    db.settle()

    (undo,) = compensations(db, fork)
    assert undo.steps == {"m": "started", "a": "skipped"}
    assert [t.item["output"] for t in db.claim()] == ["again", "again"]
    assert compensations(db, source) == []
    db.check()


def test_a_retry_of_a_fork_undoes_no_more_than_the_fork(db, workflow):
    """
    Whatever lies between, the line is where the fork began.
    """
    source = db.start(workflow, {"in": 1})
    db.work(a=[1, 2], m="done", z="sent")
    fork = db.copy(source, "z")
    db.fail(db.claim_one())
    db.settle()
    again = db.copy(fork)
    db.fail(db.claim_one())
    db.settle()

    assert (source.status, again.status) == ("completed", "failed")
    assert [compensations(db, one) for one in (source, fork, again)] == [[], [], []]
    db.check()


def test_what_a_newer_version_does_not_undo_any_more_is_undone(db, workflow):
    """
    The compensation is the one that fits the run, not the latest.
    """
    run = db.start(workflow, {"in": 1})
    db.complete(db.claim_one(), [])
    db.make_workflow(undo_step("b"), name="undo", undoes="do")
    db.make_workflow(single("b"), single("z", "b"), name="do", compensation="undo")

    db.cancel(run)
    db.settle()

    (undo,) = compensations(db, run)
    assert undo.steps == {"m": "skipped", "a": "started"}
    db.check()


def test_a_child_that_completed_unheard_is_undone(db):
    """
    Its parent was cancelled before it could take the result.
    """
    child = db.make_workflow(single("c"))
    db.make_workflow(undo_step("a"), name="undo", undoes="do")
    workflow = db.make_workflow(single("a"), name="do", compensation="undo")
    run = db.start(workflow)
    db.call_child(db.claim_one(), child)
    db.complete(db.claim_one(), "booked")

    db.cancel(run)
    db.settle()

    (task,) = db.claim()
    assert task.item == {"index": 0, "item": None, "output": {"c": "booked"}}
    db.check()


def test_the_undoing_is_in_the_trace_of_what_it_undoes(db, workflow):
    """
    As its retries are.
    """
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    run = fail_last(db, workflow, traceparent=trace)
    db.settle()

    (undo,) = compensations(db, run)

    assert undo.row.traceparent == trace
