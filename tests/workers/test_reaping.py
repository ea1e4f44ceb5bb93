"""The SQL core, when workers fall silent: who is dead, and who gets its tasks."""

from __future__ import annotations

from uuid import UUID

import pytest
from fixtures.definitions import chain, map_step, single

SILENT = """
update singularity_workflow.workers set heartbeat_at = heartbeat_at - interval '1 hour'
where worker_id = %s
"""
EARLIER = """
update singularity_workflow.workers
set lost_at = lost_at - %s::interval, stopped_at = stopped_at - %s::interval,
    reaped_at = reaped_at - %s::interval
"""


pytestmark = pytest.mark.usefixtures("grown_server")


@pytest.fixture
def reaper(db):
    """A worker that looks after the others."""
    return db.register_worker(lease=1)


@pytest.fixture
def worker(db):
    """The worker of the test, with a lease of one second."""
    return db.register_worker(db.worker, lease=1)


def dies(db, worker):
    """Let a worker's lease have ended long ago."""
    db.execute(SILENT, worker)


def reap(db, reaper):
    """Look once, and return what was found."""
    return db.call("reap_workers", reaper)


def facts(run):
    """Return status, attempt, failures and losses of its tasks."""
    return [(t.status, t.attempt, t.failures, t.losses) for t in run.tasks()]


def test_the_tasks_of_a_silent_worker_are_queued_again(db, worker, reaper):
    """
    With a loss each, and no failure (P 183).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    db.claim()
    dies(db, worker)

    found = reap(db, reaper)

    assert found["lost"] == [str(worker)]
    assert found["queued"] == 2
    assert facts(run) == [("queued", 1, 0, 1)] * 2
    assert len(run.messages()) == 2
    db.check()


def test_a_worker_whose_heartbeat_is_young_keeps_its_tasks(db, worker, reaper):
    """
    However long ago they were started (P 182).
    """
    run = db.start(db.make_workflow(single("a")))
    db.claim()
    db.execute(
        "update singularity_workflow.tasks "
        "set started_at = started_at - interval '1 day'"
    )

    assert reap(db, reaper)["lost"] is None

    assert run.task_statuses() == ["started"]


def test_nobody_is_dead_within_a_lease_of_a_server_start(db, reaper):
    """
    No heartbeat could have arrived (S2).
    """
    worker = db.register_worker(lease=1_000_000_000)
    db.execute(
        "update singularity_workflow.workers "
        "set heartbeat_at = heartbeat_at - interval '100 years' where worker_id = %s",
        worker,
    )

    assert reap(db, reaper)["lost"] is None


def test_the_late_report_of_the_lost_is_refused(db, worker, reaper):
    """
    Whether its task waits or somebody else has it (P 183, decision 5).
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    dies(db, worker)
    reap(db, reaper)

    assert len(db.complete(task, 1).refused) == 1
    again = db.claim_one(worker=reaper)
    assert len(db.complete(task, 1).refused) == 1

    assert db.complete(again, 2).refused == []
    assert run.output == {"a": 2}


def test_what_was_lost_too_often_is_given_to_the_caller_to_fail(db, worker, reaper):
    """
    So that the policy of its step decides, as for any failure (P 184).
    """
    run = db.start(db.make_workflow(single("a"), max_lost=1))
    db.claim()
    dies(db, worker)

    found = reap(db, reaper)

    ((run_id, step, task, attempt, lost, losses),) = found["given_up"]
    assert (UUID(run_id), step, task, attempt) == (run.id, 0, 0, 2)
    assert (UUID(lost), losses) == (worker, 1)
    assert run.task("a").worker_id == reaper
    db.check()


@pytest.mark.parametrize(
    ("of_step", "of_workflow", "limit"), [({}, {}, 3), ({}, {"max_lost": 2}, 2),
                                          ({"max_lost": 1}, {"max_lost": 2}, 1)]
)  # fmt: skip
def test_how_often_is_too_often(db, reaper, of_step, of_workflow, limit):
    """
    As the step says, else the workflow, else three times.
    """
    db.start(db.make_workflow(single("a", **of_step), **of_workflow))
    losses = 0

    for _ in range(limit):
        worker = db.register_worker(lease=1)
        assert db.claim(worker=worker)
        dies(db, worker)
        found = reap(db, reaper)
        losses += 1

    assert [row[5] for row in found["given_up"]] == [losses] == [limit]


def test_what_a_stopped_worker_left_behind_counts_no_loss(db, worker, reaper):
    """
    It had ended in good order, and could not give it back.
    """
    run = db.start(db.make_workflow(single("a")))
    db.claim()
    db.call("stop_worker", worker)

    assert reap(db, reaper)["queued"] == 1

    assert facts(run) == [("queued", 1, 0, 0)]


def test_of_those_that_were_lost_a_claim_brings_one(db, worker, reaper):
    """
    The one that kills its worker takes no other with it (S3).
    """
    db.start(db.make_workflow(map_step("m")), [0, 1, 2])
    db.claim()
    dies(db, worker)
    reap(db, reaper)
    db.start(db.make_workflow(map_step("m")), [3, 4])

    tasks = db.claim(worker=reaper)
    more = db.claim(worker=reaper, lost=False)

    assert [task.item for task in tasks] == [0, 3, 4]
    assert more == []


def test_no_more_than_the_limit_at_once(db, worker, reaper):
    """
    Then the caller calls again, until nothing is left.
    """
    run = db.start(db.make_workflow(map_step("m")), [0, 1, 2])
    db.claim()
    dies(db, worker)

    first = db.call("reap_workers", reaper, 2)
    second = db.call("reap_workers", reaper, 2)
    third = db.call("reap_workers", reaper, 2)

    assert [found["queued"] for found in (first, second)] == [2, 1]
    assert [found["has_more"] for found in (first, second, third)] == [
        True,
        True,
        False,
    ]
    assert run.task_statuses() == ["queued"] * 3


def test_it_says_when_the_next_lease_ends(db, reaper):
    """
    So that nobody has to ask before.
    """
    assert reap(db, reaper)["next"] is None

    db.register_worker(lease=100)

    assert 99 < reap(db, reaper)["next"] <= 100


@pytest.fixture
def sleeper(db, worker, reaper):
    """A worker that was declared lost and reaped, and does not know it."""
    dies(db, worker)
    reap(db, reaper)
    reap(db, reaper)
    return worker


def test_a_sleeper_claims_nothing(db, sleeper, reaper):
    """
    Nobody would ask for it again.
    """
    run = db.start(db.make_workflow(single("a")))

    assert db.claim(worker=sleeper) == []

    assert run.task_statuses() == ["queued"]
    assert db.claim(worker=reaper)


def test_a_sleeper_is_handed_nothing_over(db, reaper):
    """
    What follows from a report that came in time goes to the queue.
    """
    run = db.start(db.make_workflow(*chain(2)))
    task = db.claim_one(worker=db.register_worker(db.worker, lease=1))
    db.execute(
        "update singularity_workflow.workers set lost_at = now() where worker_id = %s",
        db.worker,
    )

    reply = db.report(
        {**task.ref, "outcome": "completed", "output": 1},
        slots=5, queues=["default"], claim=True,
    )  # fmt: skip

    assert (reply.tasks, reply.refused) == ([], [])
    assert run.task_statuses() == ["completed", "queued"]


def test_a_sleeper_does_nobody_elses_work(db, sleeper, reaper):
    """
    It neither reaps nor fires timers: what it were given to fail would be lost.
    """
    other = db.register_worker(lease=1)
    run = db.start(db.make_workflow(single("a", queue_timeout=1), max_lost=1))
    db.advance(seconds=5)

    fired = db.call("fire_timers", 500, sleeper)
    assert fired.get("overdue") is None
    db.claim(worker=other)
    dies(db, other)

    assert reap(db, sleeper).get("given_up") is None
    assert run.task_statuses() == ["started"]
    assert len(reap(db, reaper)["given_up"]) == 1


def lose_to_the_dead(db, worker):
    """Let a call of a dead worker's have started a task just now; return its run."""
    run = db.start(db.make_workflow(single("a")))
    db.claim(worker=db.register_worker(lease=100))
    db.execute(
        "update singularity_workflow.tasks set worker_id = %s where run_id = %s",
        worker,
        run.id,
    )
    return run


def test_what_a_late_call_brought_is_found_a_minute_later(db, sleeper, reaper):
    """
    It had begun before the worker was declared lost, and was committed after that.
    """
    run = lose_to_the_dead(db, sleeper)
    reap(db, reaper)
    before = facts(run)

    db.execute(EARLIER, "61 s", "61 s", "61 s")
    reap(db, reaper)

    assert before == [("started", 1, 0, 0)]
    assert facts(run) == [("queued", 1, 0, 1)]


def test_after_that_nobody_looks_again(db, sleeper, reaper):
    """
    The open runs are not walked over for each of the dead for ever.
    """
    db.execute(EARLIER, "61 s", "61 s", "61 s")
    reap(db, reaper)
    reaped_at = (
        "select reaped_at from singularity_workflow.workers where worker_id = %s"
    )
    seen = db.value(reaped_at, sleeper)

    reap(db, reaper)

    assert db.value(reaped_at, sleeper) == seen


def test_two_reapers_give_a_task_back_once(sessions):
    """
    One does it, the other passes (S5).
    """
    first, second = sessions.open(), sessions.open()
    worker, reaper = first.register_worker(lease=1), first.register_worker(lease=100)
    run = first.start(first.make_workflow(single("a")))
    first.claim(worker=worker)
    dies(first, worker)

    with first.connection.transaction():
        assert reap(first, reaper)["queued"] == 1
        beside = reap(second, reaper)

    assert beside.get("lost") is None
    assert not reap(second, reaper)["queued"]
    assert facts(run) == [("queued", 1, 0, 1)]
    first.check()


def test_a_run_that_is_being_reported_is_left_for_the_next_time(sessions):
    """
    Whoever reports it has won, if the report is of that attempt.
    """
    holder, other = sessions.open(), sessions.open()
    worker, reaper = other.register_worker(lease=1), other.register_worker(lease=100)
    run = other.start(other.make_workflow(single("a")))
    task = other.claim_one(worker=worker)
    dies(other, worker)

    with holder.connection.transaction():
        holder.complete(task, 1)
        found = reap(other, reaper)

    assert (found["lost"], found["queued"]) == ([str(worker)], 0)
    assert found["has_more"]
    assert reap(other, reaper)["has_more"] is False
    assert facts(run) == [("completed", 1, 0, 0)]


def test_a_heartbeat_and_a_reaper_at_once(sessions):
    """
    Who comes second sees what the first has done: either the worker lives, or it
    learns that it does not.
    """
    first, second = sessions.open(), sessions.open()
    worker, reaper = first.register_worker(lease=1), first.register_worker(lease=100)
    dies(first, worker)

    with first.connection.transaction():
        assert first.call("heartbeat", worker, [])["alive"]
        reaping = sessions.start(second, reap, second, reaper)
        sessions.wait_until_blocked(second)
    assert reaping.result()["lost"] is None

    dies(first, worker)
    with first.connection.transaction():
        assert reap(first, reaper)["lost"] == [str(worker)]
        beating = sessions.start(second, second.call, "heartbeat", worker, [])
        sessions.wait_until_blocked(second)
    assert beating.result()["alive"] is False
