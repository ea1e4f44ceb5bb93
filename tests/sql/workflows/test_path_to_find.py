"""singularity_workflow.path_to_find: a path that finds something if it holds."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["", "a b", "$.", "$ ? (", "$.a) || ($.b", "@.a == 1"])
def test_what_is_no_path_is_null(db, path):
    """
    The caller says so.
    """
    assert db.call("path_to_find", path) is None


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.a == 1", '$.type()?($."a" == 1)'),
        ("strict $.a == 1", 'strict $.type()?($."a" == 1)'),
        ("  lax  $.a == 1", '$.type()?($."a" == 1)'),
        ("$.a == 1 && $.b == 2", '$.type()?($."a" == 1 && $."b" == 2)'),
        ("$.a", '$."a"'),
        ("strict $.a", 'strict $."a"'),
    ],
)
def test_predicates_become_filters(db, path, found):
    """
    And paths to something stay as they are; the mode stays in front.
    """
    assert db.call("path_to_find", path).replace(" ?", "?").replace("? ", "?") == found


def test_a_second_pass_changes_nothing(db):
    """
    What was found is a path that finds.
    """
    once = db.call("path_to_find", "$.a == 1")

    assert db.call("path_to_find", once) == once
