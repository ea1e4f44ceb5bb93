"""singularity_workflow.create_map_tasks: large maps in chunks."""

from __future__ import annotations

from fixtures.definitions import map_step, single
from fixtures.workbench import completed


def test_above_a_thousand_tasks_a_timer_goes_on(db):
    """
    The first thousand at once, the next from a timer that is due now (S13).
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(2_500)))
    assert run.reply.raw["timers"] == 0
    assert len(run.tasks()) == 1_000
    db.check()

    chunks = []
    while run.timers("fan_out"):
        db.fire()
        db.check()
        chunks.append(len(run.tasks()))

    assert chunks == [2_000, 2_500]
    assert [t.item for t in run.tasks()] == list(range(2_500))
    assert len(run.messages()) == 2_500


def test_a_thousand_are_one_chunk(db):
    """
    No timer for nothing.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_000)))

    assert run.timers() == []
    assert len(run.tasks()) == 1_000


def test_the_step_does_not_complete_before_its_last_chunk(db):
    """
    Though all tasks that exist have.
    """
    run = db.start(
        db.make_workflow(map_step("m"), single("end", "m")), list(range(1_001))
    )
    db.report(*(completed(task, task.item) for task in db.claim(1_000)))
    assert run.steps == {"m": "started", "end": "created"}

    db.fire()
    db.work()

    assert run.status == "completed"
    assert len(run.step("m").output) == 1_001
    db.check()


def test_a_twentieth_of_a_large_map_at_a_time(db):
    """
    So that the number of chunks, each of which splits the array, stays small.
    """
    workflow = db.make_workflow(map_step("m", initial_tasks=60_000))

    run = db.start(workflow)

    assert len(run.tasks()) == 3_000
    assert [t.task_index for t in run.timers("fan_out")] == [3_000]


def test_a_fixed_map_goes_on_with_its_indices(db):
    """
    Chunks of a map without an array count on.
    """
    run = db.start(db.make_workflow(map_step("m", initial_tasks=1_002)))

    db.fire()

    assert [t.item for t in run.tasks()][-2:] == [1_000, 1_001]
    db.check()


def test_a_dependent_map_is_made_in_chunks_too(db):
    """
    The report hands over what fits and tells when the rest is due.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a")))

    reply = db.complete(db.claim_one(), list(range(1_500)), slots=2, queues=["default"])

    assert len(reply.tasks) == 2
    assert reply.raw["timers"] == 0
    assert len(run.tasks("m")) == 1_000
    db.fire()
    assert len(run.messages()) == 1_498
    db.check()


def test_the_chunks_of_a_delayed_map(db):
    """
    One timer queues them a thousand at a time when the delay is over (E 59).
    """
    run = db.start(db.make_workflow(map_step("m", start_delay=60)), list(range(2_100)))
    assert set(run.task_statuses()) == {"waiting"}
    db.advance(minutes=1)

    queued = []
    while run.timers():
        db.fire()
        db.check()
        queued.append(len(run.messages()))

    assert queued == [1_000, 2_000, 2_100]
