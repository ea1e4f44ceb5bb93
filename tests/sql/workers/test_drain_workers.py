"""singularity_workflow.drain_workers: ask workers to finish what they have."""

from __future__ import annotations

from uuid import uuid4

import pytest


def asked_at(db, worker):
    """Return when a worker was asked."""
    return db.value(
        "select draining_at from singularity_workflow.workers where worker_id = %s",
        worker,
    )


def test_only_those_that_are_named_are_asked(db):
    """
    They are returned; the others go on (R 194).
    """
    first, second, other = sorted(db.register_worker() for _ in range(3))

    assert db.call("drain_workers", [second, first]) == [first, second]

    assert asked_at(db, first) is not None
    assert asked_at(db, second) is not None
    assert asked_at(db, other) is None


def test_a_second_call_asks_nobody_again(db):
    """
    The time of the first one is kept.
    """
    worker = db.register_worker()
    db.call("drain_workers", [worker])
    first = asked_at(db, worker)

    assert db.call("drain_workers", [worker]) == []

    assert asked_at(db, worker) == first


@pytest.mark.parametrize("column", ["stopped_at", "lost_at"])
def test_who_has_ended_is_passed_over(db, column):
    """
    There is nothing left to be asked for.
    """
    worker = db.register_worker()
    db.execute(f"update singularity_workflow.workers set {column} = now()")

    assert db.call("drain_workers", [worker, uuid4()]) == []

    assert asked_at(db, worker) is None
