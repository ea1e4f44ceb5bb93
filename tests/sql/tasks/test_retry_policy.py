"""singularity_workflow.retry_policy: whose retry options hold."""

from __future__ import annotations

import pytest

DEFAULTS = {
    "max_attempts": 3,
    "delay": 1,
    "backoff": 2,
    "max_delay": 60,
    "jitter": True,
}


@pytest.mark.parametrize(
    ("workflow", "step", "of_the_run", "changes"),
    [
        ({}, {}, None, {}),
        ({"retry": {"delay": 5}}, {}, None, {"delay": 5}),
        ({"retry": {"delay": 5}}, {"retry": {"delay": 7}}, None, {"delay": 7}),
        ({"max_attempts": 5}, {}, None, {"max_attempts": 5}),
        ({}, {"max_attempts": 6}, None, {"max_attempts": 6}),
        ({"max_attempts": 5}, {"max_attempts": 6}, 7, {"max_attempts": 7}),
        (
            {"max_attempts": 5},
            {"retry": {"max_attempts": 6}},
            None,
            {"max_attempts": 6},
        ),
        ({"retry": None}, {"retry": None, "max_attempts": None}, None, {}),
        ({}, {"retry": {"delay": None, "jitter": False}}, None, {"jitter": False}),
    ],
)
def test_the_nearest_wins_field_by_field(db, workflow, step, of_the_run, changes):
    """
    Defaults, workflow, step, run; what is null was not given (A 5, K 130).
    """
    policy = db.call("retry_policy", workflow, step, of_the_run)

    assert policy == DEFAULTS | changes
