"""singularity_workflow.store_steps: what the hot path reads, resolved once."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


def steps(db, workflow):
    """Return the steps of a version by name."""
    rows = db.rows(
        "select * from singularity_workflow.workflow_steps where workflow_id = %s",
        workflow.id,
    )
    return {row.name: row for row in rows}


def edges(db, workflow):
    """Return the edges of a version by number."""
    return db.rows(
        "select depends_on_no, step_no "
        "from singularity_workflow.workflow_step_dependencies "
        "where workflow_id = %s order by 1, 2",
        workflow.id,
    )


def test_a_step_alone(db):
    """
    A step without dependencies has none, and is final (B 11, B 23).
    """
    workflow = db.make_workflow(single("a"))

    row = steps(db, workflow)["a"]
    assert (row.kind, row.dependency_count, row.dependent_count) == ("single", 0, 0)
    assert edges(db, workflow) == []


def test_steps_are_numbered_from_zero_in_each_workflow(db):
    """
    A number means a step within its workflow only (B 14, B 20).
    """
    one = db.make_workflow(single("a"), single("b", "a"))
    two = db.make_workflow(single("b"), single("a", "b"))

    assert sorted((r.name, r.step_no) for r in steps(db, one).values()) == [
        ("a", 0),
        ("b", 1),
    ]
    assert steps(db, two)["b"].step_no == 0
    assert edges(db, one) == edges(db, two) == [(0, 1)]


def test_dependencies_and_dependents_are_counted_once(db):
    """
    A dependency that is listed twice is one (B 12, B 24, U 218).
    """
    workflow = db.make_workflow(
        single("a"), single("b"), single("c"), single("d", "c", "a", "b", "a")
    )

    found = steps(db, workflow)
    assert found["d"].dependency_count == 3
    assert found["a"].dependent_count == 1
    assert edges(db, workflow) == [(0, 3), (1, 3), (2, 3)]


def test_options_are_kept_as_given(db):
    """
    What a step does not say, it inherits later, not now (B 21).
    """
    workflow = db.make_workflow(single("a", timeout=5), max_attempts=9)

    assert steps(db, workflow)["a"].options == {"timeout": 5}


@pytest.mark.parametrize(
    ("own", "shared", "queue"),
    [
        ({}, {}, "default"),
        ({}, {"queue": "Shared"}, "shared"),
        ({"queue": "Own"}, {"queue": "Shared"}, "own"),
    ],
)
def test_the_queue_of_a_step(db, own, shared, queue):
    """
    The step's own queue, else the workflow's, else `default`; in lower case.
    """
    workflow = db.make_workflow(single("a", **own), **shared)

    assert steps(db, workflow)["a"].queue == queue


@pytest.mark.parametrize(
    ("own", "shared", "mode"),
    [
        ({}, {}, "fail"),
        ({}, {"on_failure": "skip"}, "skip"),
        ({"on_failure": "fail"}, {"on_failure": "skip"}, "fail"),
    ],
)
def test_what_follows_a_failure(db, own, shared, mode):
    """
    The step's own mode, else the workflow's, else `fail` (B 27).
    """
    workflow = db.make_workflow(single("a", **own), **shared)

    assert steps(db, workflow)["a"].on_failure == mode


def test_no_delay_is_no_delay(db):
    """
    A delay of zero is stored as none: nothing waits for a timer (B 22).
    """
    workflow = db.make_workflow(
        single("a", start_delay=0), single("b", start_delay=1.5)
    )

    found = steps(db, workflow)
    assert found["a"].start_delay is None
    assert found["b"].start_delay.total_seconds() == 1.5


def test_what_a_map_maps_over(db):
    """
    The dependency that it names, or its only one; a root map has none (B 24).
    """
    workflow = db.make_workflow(
        single("a"),
        single("b"),
        map_step("named", "a", "b", over="b"),
        map_step("only", "a"),
        map_step("root", initial_tasks=4),
    )

    found = steps(db, workflow)
    assert found["named"].over_step_no == 1
    assert found["only"].over_step_no == 0
    assert (found["root"].over_step_no, found["root"].initial_tasks) == (None, 4)


def test_which_steps_feed_a_map(db):
    """
    Only the step that is mapped over must return an array.
    """
    workflow = db.make_workflow(
        single("a"), single("b"), map_step("m", "a", "b", over="b")
    )

    found = steps(db, workflow)
    assert (found["a"].feeds_map, found["b"].feeds_map) == (False, True)
