"""singularity_workflow.check_acyclic: steps must not wait for each other."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, definition, map_step, single


@pytest.mark.parametrize(
    "steps",
    [
        [single("a", "b"), single("b", "a")],
        [single("a", "c"), single("b", "a"), single("c", "b")],
        [single("first"), single("a", "first", "b"), map_step("b", "a")],
    ],
)
def test_a_circle_is_refused(db, steps):
    """
    The answer names the steps that wait for each other.
    """
    with db.raises("SW400") as caught:
        db.call("check_acyclic", definition(*steps))

    assert "a, b" in caught.value.diag.message_primary
    assert "first" not in caught.value.diag.message_primary


def test_a_dependency_may_stand_further_down(db):
    """
    The order of the steps in the definition does not matter.
    """
    db.call("check_acyclic", definition(single("b", "a"), single("a")))


def test_a_long_chain_is_welcome(db):
    """
    There is no recursion that a chain of 2,000 steps could exhaust.
    """
    db.call("check_acyclic", definition(*chain(2_000)))


def test_a_wide_fan_is_welcome(db):
    """
    A thousand steps between one and one are checked like any others.
    """
    middle = [single(f"m{i}", "first") for i in range(1_000)]
    last = single("last", *(step["name"] for step in middle))

    db.call("check_acyclic", definition(single("first"), *middle, last))
