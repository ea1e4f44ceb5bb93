"""singularity_workflow.claim_tasks: the next tasks of some queues, for one worker."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fixtures.definitions import map_step, single
from fixtures.workbench import completed, of
from psycopg.types.json import Jsonb


def test_a_claim_starts_the_task_and_takes_its_message(db):
    """
    Status, time, attempt and worker are the claim's; nobody gets it twice (F 71).
    """
    run = db.start(db.make_workflow(single("a")), {"x": 1})

    reply = db.claim_reply()

    (task,) = reply.tasks
    row = run.task("a")
    assert (task.run_id, task.step, task.index, task.attempt) == (run.id, "a", 0, 1)
    assert (row.status, row.attempt, row.worker_id) == ("started", 1, db.worker)
    assert row.started_at is not None
    assert reply.inputs == {run.id: {"x": 1}}
    assert run.messages() == []
    assert db.claim() == []
    db.check()


def test_the_smallest_keys_come_first(db):
    """
    Across runs and steps, whatever was queued when (F 71).
    """
    workflow = db.make_workflow(single("a"), single("b", priority=1))
    low, high = db.start(workflow), db.start(workflow, priority=9)

    tasks = [db.claim_one() for _ in range(4)]

    assert [(t.run_id, t.step) for t in tasks] == [
        (high.id, "b"),
        (high.id, "a"),
        (low.id, "b"),
        (low.id, "a"),
    ]


def test_the_reply_is_in_the_order_of_the_keys(db):
    """
    The most urgent task of a batch is its first.
    """
    workflow = db.make_workflow(single("a"))
    runs = [db.start(workflow, priority=p) for p in (1, 3, 2)]

    tasks = db.claim()

    assert [t.run_id for t in tasks] == [runs[1].id, runs[2].id, runs[0].id]


@pytest.mark.parametrize("n", [0, -1])
def test_who_wants_nothing_gets_nothing(db, n):
    """
    Not even a locked message (F 72).
    """
    run = db.start(db.make_workflow(single("a")))

    assert db.claim(n) == []
    assert run.task("a").status == "queued"


def test_an_empty_queue_has_nothing(db):
    """
    The answer is empty, and says so (F 72).
    """
    reply = db.claim_reply()

    assert reply.tasks == []
    assert (reply.raw["last"], reply.raw["head"]) == (None, None)


def test_only_served_queues_are_looked_at(db):
    """
    Each queue has an order of its own, all are merged by key.
    """
    workflow = db.make_workflow(
        single("a", queue="one"),
        single("b", queue="two", priority=2),
        single("c", queue="three", priority=1),
    )
    run = db.start(workflow)

    tasks = db.claim(queues=["three", "one", "unknown"])

    assert [task.step for task in tasks] == ["c", "a"]
    assert run.task("b").status == "queued"
    assert db.claim(queues=[]) == []


def test_the_limit_holds_over_all_queues(db):
    """
    What is left over stays queued, its message untouched.
    """
    workflow = db.make_workflow(
        *(single(f"s{i}", queue=f"q{i % 3}", priority=i) for i in range(9))
    )
    run = db.start(workflow)

    tasks = db.claim(4, ["q0", "q1", "q2"])

    assert [task.step for task in tasks] == ["s8", "s7", "s6", "s5"]
    assert len(run.messages()) == 5
    db.check()


def test_only_queued_tasks_are_claimed(db):
    """
    Waiting, started, completed and failed ones are left as they are (F 73).
    """
    workflow = db.make_workflow(
        single("waiting", start_delay=9),
        single("started", priority=5),
        single("completed", priority=4),
        single("failed", priority=3, max_attempts=1, on_failure="skip"),
        single("queued"),
    )
    run = db.start(workflow)
    _, done, bad = db.claim(3)
    db.complete(done)
    db.fail(bad)

    tasks = db.claim()

    assert [task.step for task in tasks] == ["queued"]
    assert run.task_statuses() == [
        "waiting",
        "started",
        "completed",
        "failed",
        "started",
    ]


def test_each_task_belongs_to_the_worker_that_claimed_it(db):
    """
    All of a batch to one, the next to another (F 74, U 214).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2, 3])
    other = uuid4()

    mine, theirs = db.claim(2), db.claim(2, worker=other)

    assert [row.worker_id for row in run.tasks()] == [db.worker, db.worker, other]
    assert {t.index for t in mine} | {t.index for t in theirs} == {0, 1, 2}


def test_a_task_of_a_failed_run_is_not_claimed(db):
    """
    Nothing of an ended run is handed out (F 75).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1), single("b")))
    db.fail(db.claim(1)[0])

    assert db.claim() == []
    assert run.status == "failed"


def test_a_root_map_gives_its_bare_elements(db):
    """
    With their indices (F 77, F 86).
    """
    db.start(db.make_workflow(map_step("m")), {"items": ["x", "y", "z"]})

    tasks = db.claim()

    assert [(t.index, t.item) for t in tasks] == [(0, "x"), (1, "y"), (2, "z")]


def test_a_dependent_map_gives_the_elements_of_its_producer(db):
    """
    By index (F 78).
    """
    db.start(db.make_workflow(single("a"), map_step("m", "a")))
    db.complete(db.claim_one(), [10, 20])

    assert [(t.index, t.item) for t in db.claim()] == [(0, 10), (1, 20)]


def test_elements_of_any_type_arrive_unchanged(db):
    """
    Null, empty arrays and objects with null members too (F 80).
    """
    elements = [1, "x", None, [], [[]], {"a": None, "b": {"c": [None]}}, False, 0, ""]
    db.start(db.make_workflow(single("a"), map_step("m", "a")))
    db.complete(db.claim_one(), elements)

    assert [task.item for task in db.claim()] == elements


def test_a_map_over_a_map_gets_its_outputs_by_index(db):
    """
    In whatever order they came (F 81, F 86).
    """
    db.start(db.make_workflow(map_step("m"), map_step("n", "m")), [1, 2, 3])
    for task in reversed(db.claim()):
        db.complete(task, task.item * 10)

    assert [(t.index, t.item) for t in db.claim()] == [(0, 10), (1, 20), (2, 30)]


def test_a_skipped_dependency_is_absent(db):
    """
    Not null: the key is missing (F 84).
    """
    run = db.start(
        db.make_workflow(
            single("a", max_attempts=1, on_failure="skip"),
            single("b"),
            single("c", "a", "b"),
        )
    )
    for task in db.claim():
        db.fail(task) if task.step == "a" else db.complete(task, "kept")

    assert db.claim_reply().outputs == [(run.id, 1, "kept")]


def test_the_index_of_a_single_task_is_zero(db):
    """
    Also after a map (F 86).
    """
    db.start(db.make_workflow(map_step("m"), single("end", "m")), [1, 2])
    db.report(*(completed(task) for task in db.claim()))

    assert [(t.step, t.index) for t in db.claim()] == [("end", 0)]


def test_a_stale_second_message_is_dropped(db):
    """
    A task answers to its own message only: no retry is skipped by another (S1).
    """
    run = db.start(db.make_workflow(single("a")))
    body = run.messages()[0]
    db.fail(db.claim_one())

    send(db, body)

    assert db.claim() == []
    assert run.task("a").wait_reason == "retry"
    db.check()


def test_a_stale_message_does_not_start_a_queued_task(db):
    """
    Nor does it take the place of the right one, which may come later (S1).
    """
    run = db.start(db.make_workflow(single("a")))
    body = run.messages()[0]

    send(db, body | {"k": body["k"] - 1})

    assert db.claim(1) == []
    assert len(db.claim(1)) == 1
    db.check()


def test_a_message_of_nothing_is_dropped(db):
    """
    Its run may have been deleted since.
    """
    body = {
        "queue": "default",
        "k": 1,
        "run": str(uuid4()),
        "step": 0,
        "task": 0,
    }
    send(db, body)

    assert db.claim() == []
    db.check()


def test_last_is_the_largest_key_taken(db):
    """
    The next claim begins there; a full batch says that there may be more (F7).
    """
    workflow = db.make_workflow(*(single(f"s{i}", priority=-i) for i in range(3)))
    run = db.start(workflow)
    keys = [message["k"] for message in run.messages()]

    first, second = db.claim_reply(2), db.claim_reply(2)

    assert (first.raw["last"], first.raw["head"]) == (keys[1], keys[1])
    assert (second.raw["last"], second.raw["head"]) == (keys[2], None)


def test_a_claim_from_a_key_on_passes_over_what_is_below(db):
    """
    It includes the key itself: others may have the same (F7).
    """
    workflow = db.make_workflow(*(single(f"s{i}", priority=-i) for i in range(3)))
    run = db.start(workflow)
    low = run.messages()[1]["k"]

    assert [t.step for t in db.claim(low=low)] == ["s1", "s2"]
    assert [t.step for t in db.claim()] == ["s0"]


def test_the_time_of_the_next_timer_is_told(db):
    """
    A worker that has just come learns when it will be needed.
    """
    db.start(db.make_workflow(single("a", start_delay=60)))

    assert 59 < db.claim_reply().raw["timers"] <= 60


def test_tasks_of_several_runs_in_one_batch(db):
    """
    Each with its run, each input once.
    """
    workflow = db.make_workflow(map_step("m"))
    runs = [db.start(workflow, {"items": [1, 2], "no": no}) for no in range(3)]

    reply = db.claim_reply()

    assert len(reply.tasks) == 6
    assert reply.inputs == {run.id: run.row.input for run in runs}
    assert all(len(of(reply.tasks, "m")) == 6 for _ in runs)


def send(db, body):
    """Put a message into the queue that no function of ours has written."""
    db.execute(
        "insert into pgmq.q_swf_tasks (vt, message) values (now(), %s)", Jsonb(body)
    )
