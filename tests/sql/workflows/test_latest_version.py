"""singularity_workflow.latest_version: what a start by name means."""

from __future__ import annotations

from fixtures.definitions import definition, single

OLD = definition(single("a"), name="etl")
NEW = definition(single("a"), single("b"), name="etl")


def test_the_version_that_was_registered_last(db):
    """
    A new shape is what starts by name get from now on.
    """
    db.register(OLD)
    new = db.register(NEW)

    assert db.call("latest_version", "etl") == new.id


def test_an_old_build_that_registers_again_changes_nothing(db):
    """
    In a rolling deployment both builds register; the new one stays the latest (S17).
    """
    db.register(OLD)
    new = db.register(NEW)

    db.register(OLD)

    assert db.call("latest_version", "etl") == new.id


def test_force_makes_an_old_version_the_latest(db):
    """
    That is how a deployment is rolled back (S17).
    """
    old = db.register(OLD)
    db.register(NEW)

    db.register(OLD, force=True)

    assert db.call("latest_version", "etl") == old.id


def test_an_unknown_name_has_none(db):
    """
    The answer is null, the caller says what that means.
    """
    assert db.call("latest_version", "nope") is None
