"""singularity_workflow.register_worker: a process joins."""

from __future__ import annotations

from datetime import timedelta


def test_a_worker_has_a_row_and_a_heartbeat(db):
    """
    Its lease begins with it (R 189).
    """
    worker = db.register_worker(
        host="box", pid=42, version="0.1", queues=["a", "b"], concurrency=8, lease=15
    )

    row = db.row("select * from singularity_workflow.workers")
    assert (row.worker_id, row.host, row.pid, row.version) == (worker, "box", 42, "0.1")
    assert (row.queues, row.concurrency, row.lease) == (
        ["a", "b"],
        8,
        timedelta(seconds=15),
    )
    assert row.heartbeat_at is not None
    assert (row.stopped_at, row.lost_at) == (None, None)


def test_an_id_is_used_once(db):
    """
    A comeback after a loss takes a fresh one (S2).
    """
    worker = db.register_worker()

    with db.raises("SW403"):
        db.register_worker(worker)
