"""singularity_workflow.outcome_error: the error that is stored for an outcome."""

from __future__ import annotations

import pytest


def test_the_handlers_error_is_stored_as_it_is(db):
    """
    With whatever members it has.
    """
    error = {"type": "x", "message": "y", "traceback": "z"}

    assert db.call("outcome_error", "failed", None, error) == error


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("text", "string"),
        ({}, "object"),
        (5, "number"),
        ([1, 2], "an array of 2"),
        (None, "missing"),
    ],
)
def test_a_violation_says_what_came_instead(db, output, said):
    """
    Behind the marker by which it is known (J 123).
    """
    error = db.call("outcome_error", "violation", output, {"type": "ignored"})

    assert error["type"] == "type_violation"
    assert error["message"].startswith("[type_violation]")
    assert error["message"].endswith(said)
