"""singularity_workflow.adopt_runs: local runs whose owner is gone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import failed


def register(db, lease=60, **changes):
    """Register a worker; *changes* are columns to set afterwards."""
    worker = db.register_worker(lease=lease)
    for column, expression in changes.items():
        db.execute(
            f"update singularity_workflow.workers set {column} = {expression} "
            "where worker_id = %s",
            worker,
        )
    return worker


def silent(db):
    """Register a worker whose lease ended, on a server that ran all the time."""
    started = "pg_postmaster_start_time() - interval '1 h'"
    return register(db, lease=0.000_001, heartbeat_at=started)


@pytest.fixture
def workflow(db):
    """A map of which some tasks are handed over and some are queued."""
    return db.make_workflow(map_step("m", queue="own"), single("after", "m"))


def test_the_runs_of_a_silent_owner_are_adopted(db, workflow):
    """
    Its queued tasks move to the new owner's queue, its started ones are queued again.
    """
    old, new = silent(db), register(db)
    run = db.start(workflow, [1, 2, 3], owner=old, slots=1)

    reply = db.call("adopt_runs", new, [workflow.id])

    assert reply["adopted"] == [[str(run.id), workflow.id]]
    assert run.row.owner == new
    assert [m["queue"] for m in run.messages()] == [
        f"local:{new}!",
        f"local:{new}",
        f"local:{new}",
    ]
    assert reply["announced"] == min(m["k"] for m in run.messages())
    db.check()


def test_a_loss_is_counted_against_what_was_started(db, workflow):
    """
    The task that ran is one that a worker was lost with; the others are not (P 183).
    """
    old = silent(db)
    run = db.start(workflow, [1, 2], owner=old, slots=1)

    db.call("adopt_runs", register(db), [workflow.id])

    assert [(t.losses, t.failures) for t in run.tasks("m")] == [(1, 0), (0, 0)]


def test_the_old_owners_late_report_is_refused(db, workflow):
    """
    The task was claimed again since, so that its attempt is another (P 183).
    """
    old, new = silent(db), register(db)
    run = db.start(workflow, [1], owner=old, slots=1)
    db.call("adopt_runs", new, [workflow.id])
    task = db.claim_one([f"local:{new}"], worker=new)

    reply = db.complete(run.reply.tasks[0], "late", worker=old)

    assert len(reply.refused) == 1
    assert task.attempt == 2
    assert run.task("m").status == "started"


def test_a_lost_owner_must_take_a_new_id(db, workflow):
    """
    Its next heartbeat tells it so (S2).
    """
    old = silent(db)
    db.start(workflow, [1], owner=old)

    db.call("adopt_runs", register(db), [workflow.id])

    assert db.call("heartbeat", old, [])["alive"] is False


def test_an_owner_that_lives_keeps_its_runs(db, workflow):
    """
    The answer says how long until it is known to live or not (decision 7).
    """
    run = db.start(workflow, [1], owner=register(db, lease=60))

    reply = db.call("adopt_runs", register(db), [workflow.id])

    assert reply["adopted"] is None
    assert 0 < reply["waiting"] <= 60
    assert run.messages()[0]["queue"] == f"local:{run.row.owner}"


def test_nobody_is_dead_within_a_lease_of_a_server_start(db, workflow):
    """
    While the server was down no heartbeat could arrive (S2).
    """
    uptime = "clock_timestamp() - pg_postmaster_start_time() + interval '1 h'"
    old = register(
        db, lease=uptime_lease(db), heartbeat_at=f"clock_timestamp() - ({uptime}) * 2"
    )
    run = db.start(workflow, [1], owner=old)

    reply = db.call("adopt_runs", register(db), [workflow.id])

    assert reply["adopted"] is None
    assert run.row.owner == old


def uptime_lease(db):
    """Return a lease, in seconds, that has not passed since the server started."""
    return db.value(
        "select extract(epoch from clock_timestamp() - pg_postmaster_start_time() "
        "+ interval '1 h')::float8"
    )


def test_a_stopped_owners_runs_are_adopted_at_once_and_without_a_loss(db, workflow):
    """
    It left in good order: nothing went wrong with its tasks.
    """
    old = register(db)
    run = db.start(workflow, [1], owner=old, slots=1)
    db.call("stop_worker", old)

    reply = db.call("adopt_runs", register(db), [workflow.id])

    assert reply["adopted"] == [[str(run.id), workflow.id]]
    assert run.task("m").losses == 0
    assert run.task("m").status == "queued"


def test_an_owner_that_was_deleted_is_gone(db, workflow):
    """
    A run whose owner nobody knows is not lost with it.
    """
    run = db.start(workflow, [1], owner=uuid4(), slots=1)

    db.call("adopt_runs", register(db), [workflow.id])

    assert run.task("m").status == "queued"
    db.check()


def test_without_a_new_owner_any_worker_may_go_on(db, workflow):
    """
    The run becomes distributed: its tasks move to the steps' own queues.
    """
    run = db.start(workflow, [1, 2], owner=silent(db), slots=1)

    db.call("adopt_runs", None, [workflow.id])

    assert run.row.owner is None
    assert [m["queue"] for m in run.messages()] == ["own!", "own"]
    assert len(db.claim(queues=["own"])) == 2
    db.check()


def test_only_versions_that_can_be_run_are_adopted(db, workflow):
    """
    Others wait for somebody who has their functions.
    """
    run = db.start(workflow, [1], owner=silent(db))
    other = db.make_workflow(single("a"))

    reply = db.call("adopt_runs", register(db), [other.id])

    assert reply["adopted"] is None
    assert run.messages()[0]["queue"].startswith("local:")


def test_ended_runs_stay_with_their_owner(db, workflow):
    """
    There is nothing to carry on.
    """
    old = silent(db)
    run = db.start(workflow, [], owner=old)
    db.work(queues=[f"local:{old}"])

    reply = db.call("adopt_runs", register(db), [workflow.id])

    assert reply["adopted"] is None
    assert run.row.owner == old


def test_no_more_than_the_limit_at_once(db, workflow):
    """
    The caller comes back for the others.
    """
    old, new = silent(db), register(db)
    for _ in range(3):
        db.start(workflow, [1], owner=old)

    counts = [
        len(db.call("adopt_runs", new, [workflow.id], 2)["adopted"]) for _ in range(2)
    ]

    assert counts == [2, 1]
    db.check()


def test_a_waiting_task_comes_back_in_the_new_owners_queue(db, workflow):
    """
    A retry that was set before the adoption is queued after it for the new owner.
    """
    old, new = silent(db), register(db)
    run = db.start(workflow, [1], owner=old, slots=1)
    db.report(failed(run.reply.tasks[0]), worker=old)

    db.call("adopt_runs", new, [workflow.id])
    db.advance(hours=1)
    db.fire()

    assert [m["queue"] for m in run.messages()] == [f"local:{new}"]
    db.check()


def test_the_owner_itself_adopts_nothing_of_its_own(db, workflow):
    """
    Its own runs are where they belong.
    """
    old = silent(db)
    db.start(workflow, [1], owner=old)

    assert db.call("adopt_runs", old, [workflow.id])["adopted"] is None


def test_the_tasks_of_the_run_go_on(db, workflow):
    """
    The adopted run completes like any other.
    """
    new = register(db)
    run = db.start(workflow, [1, 2], owner=silent(db), slots=2)
    db.call("adopt_runs", new, [workflow.id])

    db.work(queues=[f"local:{new}"], m=lambda item: item * 2, after="done")

    assert run.output == {"after": "done"}
    assert isinstance(new, UUID)
    db.check()
