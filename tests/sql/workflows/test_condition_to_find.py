"""singularity_workflow.condition_to_find: a condition as `holds` takes it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("condition", [None, {"$predicate": "module.name"}])
def test_what_the_database_does_not_evaluate(db, condition):
    """
    No condition, and a predicate, which is the worker's.
    """
    found = db.value(
        "select singularity_workflow.condition_to_find(%s::text::jsonb)",
        None if condition is None else '{"$predicate": "module.name"}',
    )

    assert found is None
    assert db.value("select singularity_workflow.condition_to_find('null')") is None


@pytest.mark.parametrize("pattern", [{"a": 1}, {}, {"a": {"$b": None}}])
def test_a_pattern_stays(db, pattern):
    """
    Its nulls too.
    """
    assert db.call("condition_to_find", pattern) == pattern


def test_a_path_finds(db):
    """
    See path_to_find.
    """
    assert db.call("condition_to_find", "$.a == 1").startswith("$.type()")
