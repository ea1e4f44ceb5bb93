"""Conditions: patterns, SQL/JSON paths and predicates."""

from __future__ import annotations

from functools import partial

import pytest

from singularity_workflow.model.conditions import (
    Predicate,
    condition_to_json,
    to_condition,
)


class Check:
    """A callable object, and a class with a method."""

    def __call__(self, total):
        return total > 1

    def method(self, total):
        return total > 1


def is_large(total):
    """Return whether a total is large."""
    return total > 100


@pytest.mark.parametrize(
    "pattern", [{}, {"a": 1}, {"a": {"b": [1, None]}}, {"a": (1, 2)}, {"$path": 1}]
)
def test_a_mapping_is_a_pattern(pattern):
    """
    An object is a containment pattern; it is copied as JSON.
    """
    condition = to_condition(pattern)

    assert condition is not pattern
    assert condition == {
        key: list(v) if isinstance(v, tuple) else v for key, v in pattern.items()
    }


def test_a_pattern_does_not_change_with_what_it_was_made_of():
    """
    A definition is fixed once it is made.
    """
    pattern = {"a": [1]}
    condition = to_condition(pattern)

    pattern["a"].append(2)

    assert condition == {"a": [1]}


def test_a_string_is_a_path():
    """
    The database reads the path; here it is only kept.
    """
    assert to_condition("$.total > 100") == "$.total > 100"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (is_large, f"{__name__}.is_large"),
        (Check.method, f"{__name__}.Check.method"),
        (Check().method, f"{__name__}.Check.method"),
        (Check(), f"{__name__}.Check"),
        (partial(partial(is_large), 5), f"{__name__}.is_large"),
        (len, "builtins.len"),
    ],
)
def test_a_callable_is_a_predicate_with_its_qualified_name(function, name):
    """
    The shape of a definition holds the qualified name of its predicates.
    """
    condition = to_condition(function)

    assert condition == Predicate(name)
    assert condition.function is function


def test_a_predicate_may_be_given_as_such():
    """
    A condition that was read before is read again as itself.
    """
    predicate = Predicate("app.check", len)

    assert to_condition(predicate) is predicate
    assert repr(predicate) == "Predicate(name='app.check')"


def test_predicates_of_one_name_are_equal():
    """
    Two processes with the same code have the same definition.
    """
    assert Predicate("app.check", len) == Predicate("app.check")
    assert Predicate("app.check", len) != Predicate("app.other", len)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([1], r"must be a mapping .* got \[1\]"),
        (5, "must be a mapping"),
        (True, "must be a mapping"),
        (None, "must be a mapping"),
        ("", "must not be an empty SQL/JSON path"),
        (" \n", "must not be an empty SQL/JSON path"),
        ("$.a\x00", "is a path that contains the NUL character"),
        ("$.a\ud800", "is a path that contains a lone surrogate"),
        ({"a": {1, 2}}, r"is a pattern that is not JSON: \$\.a: set is not JSON"),
        ({1: 2}, r"is a pattern that is not JSON: \$: has the key 1"),
        ({"a": float("nan")}, r"is a pattern that is not JSON: \$\.a: nan"),
        ({"$predicate": 5}, "must not use '\\$predicate'"),
        ({"$predicate": "a", "b": 1}, "must not use '\\$predicate'"),
    ],
)
def test_all_else_is_refused(value, problem):
    """
    Arrays, numbers and booleans are no conditions, nor is what JSON lacks. (B 26)
    """
    with pytest.raises(ValueError, match=problem):
        to_condition(value)


@pytest.mark.parametrize("value", [{"a": 1}, {}, "$.a", is_large])
def test_a_condition_survives_json(value):
    """
    A stored condition is read back as the same one; of a predicate the name is left.
    """
    condition = to_condition(value)

    assert to_condition(condition_to_json(condition)) == condition


def test_what_is_stored_is_a_copy():
    """
    A definition does not change with what is done to its JSON.
    """
    condition = to_condition({"a": 1})

    condition_to_json(condition)["b"] = 2

    assert condition == {"a": 1}


def test_a_predicate_is_stored_by_name():
    """
    The function itself never leaves Python.
    """
    stored = condition_to_json(to_condition(is_large))

    assert stored == {"$predicate": f"{__name__}.is_large"}
    assert to_condition(stored).function is None
