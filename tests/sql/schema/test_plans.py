"""Plans that were made for empty tables must still be good for full ones (F6)."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import completed, failed

TABLES = ("runs", "step_states", "tasks", "timers", "q_swf_tasks")
_READS = (
    "select relname, seq_scan, coalesce(idx_tup_fetch, 0) + seq_tup_read as reads "
    "from pg_stat_xact_user_tables where relname = any (%s)"
)


@pytest.fixture
def warm(committed):
    """A session whose plans were cached while all tables were empty and vacuumed."""
    committed.execute("vacuum analyze")
    for _ in range(7):
        with committed.rolled_back():
            workflow = committed.make_workflow(single("a"), single("b", "a"))
            committed.start(workflow, timeout=60)
            tasks = committed.claim()
            committed.fail(tasks[0])
            committed.advance(hours=1)
            committed.fire()
            committed.work()
            committed.call("heartbeat", committed.worker, [])
            committed.call("metrics")
    return committed


@pytest.fixture
def full(warm):
    """The same session after twenty thousand tasks of two thousand runs came in."""
    workflow = warm.make_workflow(map_step("m"), *chain(3))
    for _ in range(20):
        warm.start_many(
            [warm.request(workflow, input=list(range(10))) for _ in range(100)]
        )
    return warm


@contextmanager
def reads(db):
    """Collect what the block reads: rows by table, and tables that were scanned."""
    found = {}
    with db.connection.transaction():
        before = {row.relname: row for row in db.rows(_READS, list(TABLES))}
        yield found
        for row in db.rows(_READS, list(TABLES)):
            old = before.get(row.relname)
            found[row.relname] = row.reads - (old.reads if old else 0)
            assert row.seq_scan == (old.seq_scan if old else 0), row.relname


def test_the_hot_path_reads_what_it_changes_and_little_more(full):
    """
    A claim, a report and a start touch a few rows for each task, and scan no table.
    """
    with reads(full) as claimed:
        tasks = full.claim(100)
    with reads(full) as reported:
        full.report(*(completed(t) for t in tasks), slots=100, queues=["default"])
    workflow = full.make_workflow(*chain(3))
    with reads(full) as started:
        full.start(workflow)

    assert len(tasks) == 100
    assert max(claimed.values()) < 800
    assert max(reported.values()) < 1_400
    assert max(started.values()) < 25


def test_failures_and_timers_do_not_scan_either(full):
    """
    Nor do the parts that run only when something goes wrong.
    """
    tasks = full.claim(50)
    with reads(full) as missed:
        full.report(*(failed(task) for task in tasks))
    with reads(full) as fired:
        full.advance(hours=1)
        full.fire()
    with reads(full) as cancelled:
        full.call("cancel_runs", list({task.run_id for task in tasks})[:5])

    assert max(missed.values()) < 400
    assert max(fired.values()) < 3_000
    assert max(cancelled.values()) < 300


def test_metrics_read_what_they_count(full):
    """
    However much is open: each count stops at its limit.
    """
    with reads(full) as found:
        metrics = full.call("metrics", 100)

    assert metrics["runs"] == {"started": 100}
    assert metrics["are_tasks_capped"] is True
    assert found["runs"] <= 110
    assert found["step_states"] <= 110
    assert found["tasks"] <= 210
    assert found["q_swf_tasks"] <= 110
