"""singularity_workflow.now: the clock of the timers, which tests may turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fixtures.fix_database import migrate_now
from fixtures.workbench import Db

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_a_transaction_may_stop_it(db):
    """
    The setting ends with the transaction.
    """
    with db.rolled_back():
        db.set_now(NOON)
        assert db.now() == NOON

    assert db.now() != NOON


def test_it_runs_on_from_where_it_was_moved_to(committed, clock):
    """
    The shift is seen by every session of the database.
    """
    clock.advance(days=29)
    clock.advance(days=1)

    now, real = committed.row("select singularity_workflow.now(), clock_timestamp()")

    assert timedelta(0) <= real + timedelta(days=30) - now < timedelta(seconds=5)


def test_in_production_there_is_no_way_to_turn_it(empty_database):
    """
    The migrated function is the real clock, whatever anybody sets.
    """
    migrate_now(empty_database)
    with Db.open(empty_database) as db, db.rolled_back():
        db.set_now(NOON)

        assert db.now() != NOON


def test_leases_and_timestamps_use_the_real_clock(db):
    """
    Only timers travel (decision 8).
    """
    db.set_now(NOON)
    db.register_worker()

    times = db.row("select started_at, heartbeat_at from singularity_workflow.workers")

    assert all(abs(time - datetime.now(UTC)) < timedelta(minutes=1) for time in times)
