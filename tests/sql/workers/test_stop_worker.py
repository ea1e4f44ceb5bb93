"""singularity_workflow.stop_worker: a process leaves in good order."""

from __future__ import annotations

from uuid import uuid4


def test_the_time_of_the_stop_is_kept(db):
    """
    A second call does not move it (R 189).
    """
    worker = db.register_worker()
    stopped = "select stopped_at from singularity_workflow.workers"

    db.call("stop_worker", worker)
    first = db.value(stopped)
    db.call("stop_worker", worker)

    assert first is not None
    assert db.value(stopped) == first


def test_an_unknown_worker_is_no_error(db):
    """
    Leaving twice, or late, is leaving.
    """
    db.call("stop_worker", uuid4())
