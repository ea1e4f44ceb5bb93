"""singularity_workflow.map_output: what a map's dependents get."""

from __future__ import annotations

import random

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed

FAN_IN = (map_step("m"), single("end", "m"))


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]])
def test_outputs_stand_in_the_order_of_the_elements(db, order):
    """
    However the tasks completed (H 98, H 99).
    """
    run = db.start(db.make_workflow(*FAN_IN), ["x", "y", "z"])
    tasks = db.claim()

    for place in order:
        db.complete(tasks[place], tasks[place].item * 2)

    reply = db.claim_reply()
    assert run.step("m").output == ["xx", "yy", "zz"]
    assert reply.outputs == [(run.id, 0, ["xx", "yy", "zz"])]
    db.check()


def test_nulls_keep_their_places(db):
    """
    A task without a result has null in the array (H 100).
    """
    run = db.start(db.make_workflow(*FAN_IN), [1, 2, 3])

    db.report(*(completed(t, 7 if t.index == 1 else None) for t in db.claim()))

    assert run.step("m").output == [None, 7, None]
    db.check()


def test_one_element_is_an_array_of_one(db):
    """
    Never the bare value (H 101).
    """
    run = db.start(db.make_workflow(*FAN_IN), [1])

    db.complete(db.claim_one(), "only")

    assert run.step("m").output == ["only"]


def test_no_elements_are_an_empty_array(db):
    """
    The consumer gets it as such (H 102).
    """
    run = db.start(db.make_workflow(*FAN_IN), [])

    assert db.claim_reply().outputs == [(run.id, 0, [])]


def test_a_map_and_a_single_step_together(db):
    """
    The consumer gets the array and the plain value (H 104).
    """
    run = db.start(
        db.make_workflow(map_step("m"), single("a"), single("end", "m", "a")), [1, 2]
    )
    db.report(
        *(completed(t, {"v": 1} if t.step == "a" else t.item) for t in db.claim())
    )

    reply = db.claim_reply()

    assert sorted(reply.outputs) == [(run.id, 0, [1, 2]), (run.id, 1, {"v": 1})]


def test_two_maps_of_different_length(db):
    """
    Both arrays are whole (H 105).
    """
    run = db.start(
        db.make_workflow(
            single("a"), map_step("m", "a"), map_step("n"), single("end", "m", "n")
        ),
        [1],
    )

    db.work(a=[1, 2, 3], m=lambda item: item, n="n", end=None)

    assert run.step("m").output == [1, 2, 3]
    assert run.step("n").output == ["n"]


def test_the_consumer_waits_for_every_element(db):
    """
    After three of five it is not started, whatever anybody asks; then once (H 107).
    """
    run = db.start(db.make_workflow(*FAN_IN), list(range(5)))
    tasks = db.claim()

    for task in tasks[:3]:
        db.complete(task)
    db.fire()
    assert (run.step("end").status, db.claim()) == ("created", [])
    for task in tasks[3:]:
        db.complete(task)

    assert len(db.claim()) == 1
    db.check()


def test_ten_tasks_in_mixed_order(db):
    """
    Batches of any size and order give the one array (H 108).
    """
    run = db.start(db.make_workflow(*FAN_IN), list(range(10)))
    tasks = db.claim()
    random.shuffle(tasks)

    for batch in (tasks[:1], tasks[1:5], tasks[5:7], tasks[7:]):
        db.report(*(completed(task, task.item**2) for task in batch))

    assert run.step("m").output == [i**2 for i in range(10)]
    assert set(run.task_statuses("m")) == {"completed"}
    db.check()


def test_a_hundred_elements(db):
    """
    The consumer gets a hundred, and the run completes (H 110).
    """
    run = db.start(db.make_workflow(*FAN_IN), list(range(100)))

    db.work(m=lambda item: -item, end="done")

    assert run.step("m").output == [-i for i in range(100)]
    assert run.status == "completed"
    db.check()


def test_the_stored_output_is_the_array(db):
    """
    Not the output of the last task (H 111).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    first, last = db.claim()
    db.complete(first, "first")

    reply = db.complete(last, "last", wanted=[run.id])

    assert run.step("m").output == ["first", "last"]
    assert reply.ended[0][2] == {"m": ["first", "last"]}


def test_skipped_elements_are_left_out(db):
    """
    The order of the others is kept.
    """
    run = db.start(db.make_workflow(*FAN_IN), ["x", "y", "z"])
    tasks = db.claim()

    db.skip(tasks[1])
    db.complete(tasks[0], "X")
    db.complete(tasks[2], "Z")

    assert run.step("m").output == ["X", "Z"]
    db.check()


def test_until_the_last_task_there_is_no_output(db):
    """
    A started map has none, not half of one.
    """
    run = db.start(db.make_workflow(*FAN_IN), [1, 2])

    db.complete(db.claim(1)[0], "first")

    assert run.step("m").output is None
    assert run.task("m", 0).output == "first"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            "collect",
            ["X", {"error": {"type": "ValueError", "message": "boom"}}, "Z"],
        ),
        ("skip", ["X", "Z"]),
    ],
)
def test_elements_that_failed(db, mode, expected):
    """
    Collected, the error stands in the element's place; skipped, it is left out.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", max_attempts=1, on_error=mode), single("end", "m")
        ),
        ["x", "y", "z"],
    )
    tasks = db.claim()

    db.fail(tasks[1])
    db.complete(tasks[0], "X")
    db.complete(tasks[2], "Z")

    assert run.step("m").output == expected
    assert run.task("m", 1).status == "failed"
    assert run.steps["end"] == "started"
    db.check()


@pytest.mark.parametrize("mode", ["collect", "skip"])
def test_all_elements_failed(db, mode):
    """
    The map completes all the same.
    """
    run = db.start(
        db.make_workflow(map_step("m", max_attempts=1, on_error=mode)), [1, 2, 3]
    )

    for task in db.claim():
        db.fail(task)

    assert run.status == "completed"
    assert len(run.step("m").output) == (3 if mode == "collect" else 0)
    assert len(run.failures()) == 3
    db.check()


def test_a_collected_error_has_type_and_message_only(db):
    """
    Tracebacks stay with the task; what an error lacks is null.
    """
    run = db.start(
        db.make_workflow(map_step("m", max_attempts=1, on_error="collect")), [1]
    )
    error = {"type": "E", "traceback": "…"}

    db.report({**db.claim_one().ref, "outcome": "failed", "error": error})

    assert run.step("m").output == [{"error": {"type": "E", "message": None}}]
    db.check()
