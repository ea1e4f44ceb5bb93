"""singularity_workflow.refuse_isolation: READ COMMITTED, or nothing."""

from __future__ import annotations

import psycopg
import pytest

LEVELS = [
    psycopg.IsolationLevel.REPEATABLE_READ,
    psycopg.IsolationLevel.SERIALIZABLE,
]
CALLS = {
    "start_runs": ([],),
    "start_run": ("etl",),
    "claim_tasks": ("0191b5e0-0000-7000-8000-000000000000", ["default"], 1),
    "report_tasks": ("0191b5e0-0000-7000-8000-000000000000", []),
    "release_tasks": ([],),
    "cancel_runs": ([],),
    "adopt_runs": (None, []),
    "fire_timers": (),
    "register_workflow": ({"name": "a", "steps": [{"name": "a"}]},),
}


@pytest.fixture(params=LEVELS, ids=lambda level: level.name)
def strict_db(request, shared_db):
    """A session in which every transaction is above READ COMMITTED."""
    shared_db.connection.isolation_level = request.param
    yield shared_db
    shared_db.connection.isolation_level = None


@pytest.mark.parametrize("function", CALLS)
def test_a_higher_isolation_level_is_refused(strict_db, function):
    """
    One snapshot for the transaction would hide what the lock protects (decision 13).
    """
    with strict_db.raises("SW410") as caught:
        strict_db.call(function, *CALLS[function])

    assert "READ COMMITTED" in caught.value.diag.message_primary
