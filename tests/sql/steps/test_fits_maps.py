"""singularity_workflow.fits_maps: an output that its maps cannot take."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import by_step

BAD_OUTPUTS = [{"items": [1]}, "text", None, 5, True]


@pytest.fixture
def workflow(db):
    """A producer with a map over it, and somebody else who works."""
    return db.make_workflow(single("a"), single("other"), map_step("m", "a"))


@pytest.mark.parametrize("output", BAD_OUTPUTS)
def test_a_bad_output_fails_the_run(db, workflow, output):
    """
    Without an exception, and at the first attempt: to go on would be to guess (J 123).
    """
    run = db.start(workflow)
    tasks = by_step(db.claim())

    reply = db.complete(tasks["a"], output)

    assert reply.refused == []
    assert (run.status, run.task("a").status) == ("failed", "failed")
    assert run.steps == {"a": "failed", "other": "cancelled", "m": "created"}
    assert run.step("m").initial_tasks is None
    db.check()


def test_the_error_has_a_marker(db, workflow):
    """
    Task, step and run say type_violation (J 123).
    """
    run = db.start(workflow)

    db.complete(by_step(db.claim())["a"], "text")

    for error in (
        run.task("a").error,
        run.step("a").error,
        run.row.error["error"],
        run.failures()[0].error,
    ):
        assert error["type"] == "type_violation"
        assert "string" in error["message"]


def test_the_bad_output_is_kept_with_the_attempt(db, workflow):
    """
    And nowhere else: nobody may take it for a result (J 123).
    """
    run = db.start(workflow)

    db.complete(by_step(db.claim())["a"], {"x": 1})

    assert run.failures()[0].output == {"x": 1}
    assert run.task("a").output is None
    assert run.step("a").output is None


@pytest.mark.parametrize("mode", ["skip", "skip_cascade"])
def test_a_violation_is_not_skipped(db, mode):
    """
    on_failure is about exceptions; this fails the run all the same (J 125).
    """
    run = db.start(db.make_workflow(single("a", on_failure=mode), map_step("m", "a")))

    db.complete(db.claim_one(), "text")

    assert run.status == "failed"
    assert run.steps == {"a": "failed", "m": "created"}
    db.check()


def test_a_fixed_map_takes_anything_but_an_array_of_another_length(db):
    """
    Without an array its items are their indices.
    """
    workflow = db.make_workflow(single("a"), map_step("m", "a", initial_tasks=2))
    runs = [db.start(workflow) for _ in range(4)]
    outputs = ["text", [7, 8], [7], []]

    for task, output in zip(db.claim(), outputs, strict=True):
        db.complete(task, output)

    assert [run.status for run in runs] == ["started", "started", "failed", "failed"]
    assert [[t.item for t in run.tasks("m")] for run in runs] == [
        [0, 1],
        [7, 8],
        [],
        [],
    ]
    assert "array of 1" in runs[2].row.error["error"]["message"]
    db.check()


def test_only_what_is_mapped_over_must_be_an_array(db):
    """
    Another dependency of the map may be anything.
    """
    run = db.start(
        db.make_workflow(single("a"), single("b"), map_step("m", "a", "b", over="b"))
    )
    tasks = by_step(db.claim())

    db.complete(tasks["a"], "text")
    db.complete(tasks["b"], [1])

    assert run.task_statuses("m") == ["queued"]
    db.check()


def test_a_map_over_another_step_does_not_matter(db):
    """
    A dependency that is not mapped over may have any length.
    """
    workflow = db.make_workflow(
        single("a"),
        single("b"),
        map_step("m", "a"),
        map_step("n", "a", "b", over="b", initial_tasks=2),
    )

    assert db.call("fits_maps", workflow.id, 0, [1])
    assert not db.call("fits_maps", workflow.id, 1, [1])


def test_a_map_feeds_a_map_whatever_its_elements_are(db):
    """
    The output of a map is always an array.
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n", "m")), [1])

    db.complete(db.claim_one(), "text")

    assert [task.item for task in run.tasks("n")] == ["text"]


def test_it_asks_every_map_over_the_step(db):
    """
    One that cannot take the output is enough.
    """
    workflow = db.make_workflow(
        single("a"),
        map_step("free", "a"),
        map_step("fixed", "a", initial_tasks=2),
    )

    fits = [
        db.call("fits_maps", workflow.id, 0, output)
        for output in ([1, 2], [1], "text", None)
    ]

    assert fits == [True, False, False, False]
