"""singularity_workflow.map_elements: the array that a map maps over."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


@pytest.mark.parametrize(
    ("input_", "elements"),
    [
        ([1, [2]], [1, [2]]),
        ([], []),
        ({"items": [1]}, [1]),
        ({"items": {"a": 1}}, None),
        ({"items": None}, None),
        ({}, None),
        ("[1]", None),
        (None, None),
    ],
)
def test_of_a_root_map(db, input_, elements):
    """
    The input if it is an array, else the array in its items (E 60).
    """
    assert db.call("map_elements", db.new_id(), None, input_) == elements


def test_of_a_dependent_map(db):
    """
    The output of the step that it maps over, whatever the input is.
    """
    run = db.start(
        db.make_workflow(single("a"), single("b", "a"), map_step("m", "b")), [1]
    )
    db.work(b=[7])

    assert db.call("map_elements", run.id, 1, [1]) == [7]


def test_of_a_map_over_a_skipped_step(db):
    """
    Nothing: the map completes with the empty array (L 147).
    """
    run = db.start(
        db.make_workflow(
            single("a", max_attempts=1, on_failure="skip"), map_step("m", "a")
        )
    )
    db.fail(db.claim_one())

    assert db.call("map_elements", run.id, 0, None) == []
