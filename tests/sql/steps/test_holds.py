"""singularity_workflow.holds: does a value meet a condition?"""

from __future__ import annotations

import pytest
from psycopg.types.json import Json


def holds_for(db, condition, value):
    """Return what `holds` says of a value, which may be a JSON null."""
    return db.value(
        "select singularity_workflow.holds(%s::jsonb, %s::json)",
        *(Json(condition), Json(value)),
    )


def test_nothing_meets_no_condition(db):
    """
    The answer is false, not unknown, which would let a step run.
    """
    assert db.call("holds", {}, None) is False


@pytest.mark.parametrize(
    ("pattern", "value", "holds"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {}, False),
        ({"a": {"b": [1]}}, {"a": {"b": [2, 1], "c": 0}}, True),
        ({}, {"a": 1}, True),
        ({}, [1], False),
        ({}, None, False),
        ({}, "text", False),
    ],
)
def test_a_pattern_must_be_contained(db, pattern, value, holds):
    """
    As by the operator @>; a value of another type contains no object (M 154).
    """
    assert holds_for(db, pattern, value) is holds


@pytest.mark.parametrize(
    ("path", "value", "holds"),
    [
        ("$.total > 100", {"total": 101}, True),
        ("$.total > 100", {"total": 100}, False),
        ("$.total > 100", {}, False),
        ("$.total > 100", {"total": "many"}, False),
        ("$.total > 100", None, False),
        ("$.items[*] ? (@.total > 100)", {"items": [{"total": 200}]}, True),
        ("$.items[*] ? (@.total > 100)", {"items": [{"total": 1}]}, False),
        ("$.flag", {"flag": False}, True),
        ("$.flag", {}, False),
        ("strict $.flag", [], False),
        ("$.size() == 0", [], True),
        ("$.size() == 2", [1, 2], True),
        ("strict $.size() == 2", [1, 2], True),
        ("lax $[*] > 1", [1, 2], True),
        ("exists($.a)", {"a": None}, True),
        ("!exists($.a)", {}, True),
        ('$ == "text"', "text", True),
        ("$ == null", None, True),
        ("/* why */ strict $.a == 1", {"a": 2}, False),
    ],
)
def test_a_path_must_be_true_or_find_something(db, path, value, holds):
    """
    A predicate by its truth, anything else by being there.
    """
    condition = db.call("condition_to_find", path)

    assert holds_for(db, condition, value) is holds


@pytest.mark.parametrize(
    "path",
    [
        "$.a == $unknown",
        "$.a ? (@ starts with $unknown)",
        '$.a.datetime() < "2020-01-01T00:00:00+00".datetime()',
    ],
)
def test_a_path_that_cannot_be_evaluated_does_not_hold(db, path):
    """
    It fails neither the report nor the step.
    """
    condition = db.call("condition_to_find", path)

    assert db.call("holds", condition, {"a": "2020-01-01"}) is False


def test_a_number_that_is_too_large_holds_nothing(db):
    """
    json takes it, jsonb does not; the report must not fail for it.
    """
    found = db.value(
        "select singularity_workflow.holds('{}', '{\"a\": 1e300000}'::json)"
    )

    assert found is False
