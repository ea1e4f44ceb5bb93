"""singularity_workflow.fire_timers: what is due is done, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fixtures.definitions import map_step, single, undo_step

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
WAIT_10 = {"delay": 10, "jitter": False}


@pytest.fixture(autouse=True)
def noon(db):
    """Every test begins at noon."""
    db.set_now(NOON)


def set_status(db, run, status):
    """Change the status of a run as pausing and resuming will."""
    db.execute(
        "update singularity_workflow.runs set status = %s where run_id = %s",
        status,
        run.id,
    )


def failing(db, **request):
    """Start a run whose only task has failed once and waits ten seconds."""
    run = db.start(db.make_workflow(single("a", retry=WAIT_10)), **request)
    db.fail(db.claim_one())
    return run


def test_a_retry_is_queued_when_it_is_due(db):
    """
    Under a new message, which is announced; its timer is gone (K 127).
    """
    run = failing(db)
    assert db.fire() == {"fired": 0, "next": 10}
    db.advance(seconds=10)

    reply = db.fire()

    assert run.task("a").status == "queued"
    assert reply["fired"] == 1
    assert reply["announced"] == run.messages()[0]["k"]
    assert (reply["next"], run.timers()) == (None, [])
    db.check()


def test_the_next_due_time_is_told(db):
    """
    In seconds, so that the caller knows when to come back.
    """
    workflow = db.make_workflow(
        single("a", start_delay=10), single("b", start_delay=25)
    )
    db.start(workflow)
    db.advance(seconds=10)

    assert db.fire()["next"] == 15


def test_a_timer_of_an_earlier_attempt_is_void(db):
    """
    The task has moved on: another claim, another failure, another timer (S1).
    """
    run = failing(db)
    db.execute(
        "update singularity_workflow.timers set attempt = 0 where run_id = %s", run.id
    )
    db.advance(seconds=10)

    db.fire()

    assert run.task("a").status == "waiting"
    assert run.timers() == []


def test_no_more_than_the_limit_and_the_oldest_first(db):
    """
    The others are due now, and the answer says so (S5).
    """
    workflow = db.make_workflow(
        *(single(f"s{i}", start_delay=10 - i) for i in range(3))
    )
    run = db.start(workflow)
    db.advance(seconds=10)

    reply = db.fire(2)

    assert (reply["fired"], reply["next"]) == (2, 0)
    assert run.task_statuses() == ["waiting", "queued", "queued"]
    db.check()


def test_timers_of_runs_that_ended_are_dropped(db):
    """
    A deadline of a completed run does nothing.
    """
    run = db.start(db.make_workflow(single("a")), timeout=60)
    db.work()
    db.advance(minutes=1)

    reply = db.fire()

    assert (run.status, run.timers(), reply["ended"]) == ("completed", [], None)


def test_timers_of_runs_that_are_gone_are_dropped(db):
    """
    Retention may have deleted the run before.
    """
    db.execute(
        "insert into singularity_workflow.timers (kind, run_id, due_at) "
        "values ('deadline', %s, %s)",
        db.new_id(),
        NOON,
    )

    db.fire()

    assert db.count("timers") == 0


def test_a_deadline_cancels_the_run(db):
    """
    With its reason, and the end is told.
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")), timeout=60)
    db.advance(minutes=1)

    reply = db.fire()

    assert (run.status, run.row.reason) == ("cancelled", "deadline")
    assert run.task_statuses() == ["cancelled"]
    (ended,) = reply["ended"]
    assert ended[:5] == [str(run.id), "cancelled", None, None, "deadline"]
    db.check()


def test_a_retry_and_the_deadline_due_at_once(db):
    """
    The run is cancelled, and no message of the retry is left.
    """
    run = failing(db, timeout=10)
    db.advance(seconds=10)

    db.fire()

    assert run.status == "cancelled"
    assert run.messages() == []
    db.check()


def test_many_kinds_for_many_runs_in_one_call(db):
    """
    Each gets what is due to it.
    """
    retried = failing(db)
    delayed = db.start(db.make_workflow(map_step("m", start_delay=5)), [1, 2])
    dated = db.start(db.make_workflow(single("a")), timeout=7)
    wide = db.start(db.make_workflow(map_step("m")), list(range(1_001)))
    db.advance(seconds=10)

    assert db.fire()["fired"] == 4

    assert retried.task_statuses() == ["queued"]
    assert delayed.task_statuses() == ["queued"] * 2
    assert dated.status == "cancelled"
    assert len(wide.messages()) == 1_001
    db.check()


def test_what_is_due_in_a_paused_run_waits_for_its_resumption(db):
    """
    The timer has done its part, and the task is not lost (decision 3).
    """
    retried = failing(db)
    delayed = db.start(db.make_workflow(map_step("m", start_delay=5)), [1, 2])
    for run in (retried, delayed):
        set_status(db, run, "paused")
    db.advance(seconds=10)

    reply = db.fire()

    waiting = [t.wait_reason for run in (retried, delayed) for t in run.tasks()]
    assert waiting == ["paused"] * 3
    assert reply["announced"] is None
    db.check()


def test_a_chunk_of_a_map_in_a_paused_run_is_parked(db):
    """
    Its tasks exist and wait with the others.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_001)))
    set_status(db, run, "paused")

    db.fire()

    assert run.task("m", 1_000).wait_reason == "paused"
    db.claim()
    db.check()


def test_a_delayed_map_with_a_skipped_step_is_left_alone(db):
    """
    The step has ended meanwhile; its timer finds nothing to queue.
    """
    run = db.start(
        db.make_workflow(
            single("a", max_attempts=1, on_failure="skip_cascade"),
            single("b"),
            map_step("m", start_delay=5),
        ),
        [1],
    )
    db.execute(
        "select singularity_workflow.cancel_tasks(%s, 2::smallint, 2::smallint, now())",
        run.id,
    )
    db.advance(seconds=5)

    db.fire()

    assert run.task_statuses("m") == ["cancelled"]


def test_only_what_is_due_is_looked_at(db):
    """
    Ten thousand timers of the far future cost nothing (F6).
    """
    db.execute(
        "insert into singularity_workflow.timers (kind, run_id, due_at) "
        "select 'deadline', gen_random_uuid(), %s + i * interval '1 s' "
        "from generate_series(1, 10000) i",
        NOON + timedelta(days=1),
    )
    run = failing(db)
    db.advance(seconds=10)
    before = touched(db)

    db.fire()

    assert run.task("a").status == "queued"
    assert touched(db) - before < 50


def test_that_holds_when_timers_were_many_and_are_believed_to_be_few(committed):
    """
    After an analysis of what a rollback has left, a plan may begin with any table (F6).
    """
    db = committed
    add = (
        "insert into singularity_workflow.timers (kind, run_id, due_at) "
        "select 'deadline', gen_random_uuid(), %s + i * interval '1 s' "
        "from generate_series(1, 10000) i"
    )
    with db.connection.transaction(force_rollback=True):
        db.execute(add, NOON + timedelta(days=1))
    db.execute("analyze singularity_workflow.timers")

    with db.connection.transaction():
        db.set_now(NOON)
        db.execute(add, NOON + timedelta(days=1))
        run = failing(db)
        db.advance(seconds=10)
        before = touched(db)
        db.fire()

        assert run.task("a").status == "queued"
        assert touched(db) - before < 50


def touched(db):
    """Return how many rows of timers this transaction has read."""
    return db.value(
        "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables "
        "where relname = 'timers'"
    )


@pytest.fixture
def poison(db):
    """A delayed run whose task nobody can queue: whoever tries gets an error."""
    run = db.start(db.make_workflow(single("a", start_delay=5)))
    db.execute(
        "create function testing.poison() returns trigger language plpgsql as $$ "
        "begin raise exception 'poison'; end $$"
    )
    db.execute(
        "create trigger poison before update on singularity_workflow.tasks for each row"
        " "
        f"when (new.run_id = '{run.id}') execute function testing.poison()"
    )
    return run


@pytest.mark.parametrize("others", [0, 1, 30])
def test_a_timer_that_raises_an_error_stops_no_other(db, poison, others):
    """
    It is put off, again and again; all that are due with it are fired (S5).
    """
    workflow = db.make_workflow(single("b", start_delay=5))
    runs = [db.start(workflow) for _ in range(others)]
    db.advance(seconds=5)

    reply = db.fire()

    assert reply["fired"] == others + 1
    assert {run.task("b").status for run in runs} <= {"queued"}
    (timer,) = poison.timers("delay")
    assert (timer.due_at - db.now()).total_seconds() == 60
    db.check()
    assert db.fire()["fired"] == 0


def test_a_timer_that_was_put_off_is_fired_when_its_trouble_is_over(db, poison):
    """
    Nothing is lost.
    """
    db.advance(seconds=5)
    db.fire()
    db.execute("drop trigger poison on singularity_workflow.tasks")

    db.advance(minutes=1)
    db.fire()

    assert poison.task("a").status == "queued"
    db.check()


def test_an_undoing_that_cannot_begin_stops_no_other(db):
    """
    Nor does a child whose parent cannot take its result.
    """
    db.make_workflow(undo_step("a"), name="undo", undoes="do")
    run = db.start(
        db.make_workflow(single("a"), single("b"), name="do", compensation="undo"),
        tags=["t"],
    )
    db.complete(db.claim(1)[0])
    db.cancel(run)
    other = db.start(db.make_workflow(single("b", start_delay=5)))
    db.execute(
        "alter table singularity_workflow.runs add constraint none_of_these "
        "check (origin_kind is null)"
    )
    db.advance(seconds=5)

    db.fire()

    assert other.task("b").status == "queued"
    assert len(run.timers("compensate")) == 1
    db.check()
