"""singularity_workflow.keep_goal_plan and find_goal_plan: plans to be used again."""

from __future__ import annotations

from datetime import timedelta

HOUR = timedelta(hours=1)


def keep(db, key, tree=(), kept_for=HOUR):
    """Keep a plan."""
    db.call("keep_goal_plan", key, "ab", "rules", "1", list(tree), kept_for)


def test_a_kept_plan_is_found(db):
    """
    As it was given, by its key alone.
    """
    keep(db, "k", [1, {"a": 2}])

    assert db.call("find_goal_plan", "k") == [1, {"a": 2}]
    assert db.call("find_goal_plan", "other") is None


def test_the_latest_plan_counts(db):
    """
    Its time begins anew.
    """
    keep(db, "k", [1], timedelta(seconds=0))
    keep(db, "k", [2])

    assert db.call("find_goal_plan", "k") == [2]


def test_a_plan_whose_time_is_over_is_not_found(db):
    """
    And is removed when another one is kept.
    """
    keep(db, "old", [1], timedelta(seconds=0))
    assert db.call("find_goal_plan", "old") is None

    keep(db, "new", [2])

    assert db.count("goal_plans") == 1
    assert db.call("find_goal_plan", "new") == [2]
