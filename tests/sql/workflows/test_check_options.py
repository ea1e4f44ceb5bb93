"""singularity_workflow.check_options: what is wrong with options."""

from __future__ import annotations

import json

import pytest


def problems(db, **options):
    """Return the pointers of what is wrong."""
    rows = db.rows(
        "select pointer from singularity_workflow.check_options(%s::jsonb, '/o')",
        json.dumps(options),
    )
    return [row.pointer for row in rows]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"when": {"a": None}, "when_not": "$.a > 1"},
        {"when": None, "max_concurrency": None, "on_error": None},
        {"max_concurrency": 1, "on_error": "collect", "deadline": 0.5},
        {"on_unmet": "fail", "on_failure": "skip_cascade"},
        {"when": {"$predicate": "module.function"}},
    ],
)
def test_what_is_possible(db, options):
    """
    Null is an option that was not given (M 154).
    """
    assert problems(db, **options) == []


@pytest.mark.parametrize("value", [[], 1, True, [{"a": 1}]])
@pytest.mark.parametrize("name", ["when", "when_not"])
def test_a_condition_is_an_object_or_a_path(db, name, value):
    """
    Any other type is refused (B 26).
    """
    assert problems(db, **{name: value}) == [f"/o/{name}"]


@pytest.mark.parametrize("path", ["", "no path", "$.a >", "$ ? (@.a"])
def test_a_bad_path_is_refused(db, path):
    """
    When it is registered, not when it is needed (B 26).
    """
    assert problems(db, when=path) == ["/o/when"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", 1.5),
        ("max_concurrency", "2"),
        ("on_error", "ignore"),
        ("on_error", 1),
        ("on_unmet", "collect"),
        ("on_failure", "never"),
        ("deadline", 0),
    ],
)
def test_values_that_are_not_possible(db, name, value):
    """
    Each with its pointer (B 27).
    """
    assert problems(db, **{name: value}) == [f"/o/{name}"]
