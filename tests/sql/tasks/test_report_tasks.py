"""singularity_workflow.report_tasks: outcomes in, the run goes on."""

from __future__ import annotations

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import by_step, completed, failed, of, skipped


def test_a_completed_task_advances_its_run(db):
    """
    The output is stored, the step ends, the dependent is queued (G 87).
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))

    reply = db.complete(db.claim_one(), {"x": 1})

    step = run.step("a")
    assert (step.status, step.remaining_tasks, step.output) == (
        "completed",
        0,
        {"x": 1},
    )
    assert run.task("a").status == "completed"
    assert (run.step("b").status, run.step("b").remaining_deps) == ("started", 0)
    assert run.task("b").status == "queued"
    assert [m["step"] for m in run.messages()] == [1]
    assert run.row.remaining_steps == 1
    assert (reply.refused, reply.deferred, reply.ended) == ([], [], [])
    db.check()


def test_the_last_step_completes_the_run(db):
    """
    Its output holds all final steps by name, for those who wait (G 89).
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c", "a")))
    a, b = db.claim(2)
    db.report(completed(a), completed(b, "B"))

    reply = db.complete(db.claim_one(), "C", wanted=[run.id])

    assert reply.ended == [[str(run.id), "completed", {"b": "B", "c": "C"}, None, None]]
    assert (run.status, run.row.remaining_steps) == ("completed", 0)
    db.check()


def test_an_output_that_nobody_waits_for_is_not_sent(db):
    """
    The end of the run is told, its result is not read.
    """
    run = db.start(db.make_workflow(single("a")))

    reply = db.complete(db.claim_one(), "big")

    assert reply.ended == [[str(run.id), "completed", None, None, None]]


def test_no_message_of_an_ended_task_is_left(db):
    """
    The claim took it, completing makes none (G 90).
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2, 3])
    task, *_ = db.claim(1)
    assert [m["task"] for m in run.messages()] == [1, 2]

    db.complete(task)

    assert [m["task"] for m in run.messages()] == [1, 2]


def test_the_times_of_a_completion(db):
    """
    Task, step and run end together, after they began (G 96).
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))
    db.complete(db.claim_one())
    db.complete(db.claim_one())

    b = run.step("b")
    assert run.task("b").ended_at == b.ended_at == run.row.ended_at
    assert run.row.ended_at >= run.task("b").started_at >= b.started_at
    assert b.started_at == run.step("a").ended_at >= b.created_at
    assert run.task("b").error is None


def test_a_batch_of_all_outcomes(db):
    """
    Completed, failed and skipped tasks of several runs in one call.
    """
    workflow = db.make_workflow(single("a"), single("b", "a"))
    done, retried, left_out = (db.start(workflow) for _ in range(3))
    tasks = {task.run_id: task for task in db.claim()}

    db.report(
        completed(tasks[done.id]),
        failed(tasks[retried.id]),
        skipped(tasks[left_out.id], "no need"),
    )

    assert done.steps == {"a": "completed", "b": "started"}
    assert retried.task("a").wait_reason == "retry"
    assert left_out.steps == {"a": "skipped", "b": "started"}
    assert left_out.step("a").skip_reason == "no need"
    db.check()


def test_an_empty_batch_does_nothing(db):
    """
    A worker may ask for work without having anything to say.
    """
    run = db.start(db.make_workflow(single("a")))

    reply = db.report(slots=1, queues=["default"], claim=True)

    assert reply.steps == ["a"]
    assert run.task("a").attempt == 1


# late, repeated and stale reports


def test_a_completed_task_keeps_its_output(db):
    """
    A second report is refused (G 92).
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))
    task = db.claim_one()
    db.complete(task, "first")

    replies = [db.complete(task, "second"), db.fail(task)]

    assert [reply.refused for reply in replies] == [[[str(run.id), 0, 0, 1]]] * 2
    assert run.step("a").output == "first"
    assert run.failures() == []
    db.check()


def test_a_failed_task_stays_failed(db):
    """
    With its first error and without an output (G 93, K 134).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))
    task = db.claim_one()
    db.fail(task, "first")

    replies = [db.complete(task, "late"), db.fail(task, "second")]

    assert [len(reply.refused) for reply in replies] == [1, 1]
    assert run.task("a").error["message"] == "first"
    assert run.step("a").output is None
    db.check()


def test_a_stale_attempt_is_refused(db):
    """
    The attempt is the fencing token: the task was claimed again since.
    """
    run = db.start(db.make_workflow(single("a")))
    old = db.claim_one()
    db.call("release_tasks", [old.ref])
    new = db.claim_one()

    reply = db.complete(old, "old")

    assert reply.refused == [[str(run.id), 0, 0, 1]]
    assert (new.attempt, run.task("a").status) == (2, "started")
    assert db.complete(new, "new").refused == []
    assert run.output == {"a": "new"}


@pytest.mark.parametrize("change", [{"attempt": 2}, {"attempt": 0}, {"attempt": None}])
def test_another_attempt_is_refused(db, change):
    """
    Older or newer than the one that is started.
    """
    run = db.start(db.make_workflow(single("a")))

    reply = db.report(completed(db.claim_one()) | change)

    assert len(reply.refused) == 1
    assert run.task("a").status == "started"


def test_a_stale_attempt_beside_the_right_one_is_refused(db):
    """
    One batch may hold both: only the right one counts, and the other is answered.
    """
    run = db.start(db.make_workflow(single("a")))
    old = db.claim_one()
    db.call("release_tasks", [old.ref])
    new = db.claim_one()

    reply = db.report(completed(new, "new"), completed(old, "old"))

    assert reply.refused == [[str(run.id), 0, 0, 1]]
    assert run.output == {"a": "new"}
    db.check()


def test_a_report_that_is_in_its_batch_twice_counts_once(db):
    """
    The step's tasks are not counted down twice.
    """
    run = db.start(db.make_workflow(map_step("m")), [1, 2])
    one, two = db.claim()

    db.report(completed(one, "x"), completed(one, "x"))

    assert run.step("m").remaining_tasks == 1
    db.complete(two, "y")
    assert run.output == {"m": ["x", "y"]}
    db.check()


def test_a_task_that_is_not_started_is_refused(db):
    """
    Nobody reports on what nobody claimed.
    """
    run = db.start(db.make_workflow(single("a")))
    ref = {"run": str(run.id), "step": 0, "task": 0, "attempt": 0}

    reply = db.report({**ref, "outcome": "completed", "output": 1})

    assert len(reply.refused) == 1
    assert run.task("a").status == "queued"


@pytest.mark.parametrize("ref", [{"step": 7}, {"task": 7}, {"run": None}])
def test_what_does_not_exist_is_refused(db, ref):
    """
    An unknown run, step or element; the rest of the batch is recorded.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    ref = {key: value or str(db.new_id()) for key, value in ref.items()}

    reply = db.report(completed(task), completed(task) | ref)

    assert len(reply.refused) == 1
    assert run.status == "completed"


# what more the reply says


def test_the_smallest_new_key_is_announced(db):
    """
    So that sleeping workers can be woken.
    """
    run = db.start(
        db.make_workflow(single("a"), single("b", "a"), single("c", "a", priority=4))
    )

    reply = db.complete(db.claim_one())

    assert reply.raw["announced"] == min(m["k"] for m in run.messages())


def test_a_report_may_fill_its_slots_from_the_queue(db):
    """
    First what its own runs lead to, then what waits.
    """
    own = db.start(db.make_workflow(single("a", priority=9), single("b", "a")))
    others = db.start(db.make_workflow(map_step("m")), [1, 2, 3])
    task = db.claim(1)[0]

    reply = db.complete(task, slots=3, queues=["default"], claim=True)

    assert [t.run_id for t in reply.tasks] == [own.id, others.id, others.id]
    assert reply.raw["last"] == reply.raw["head"] == others.messages()[0]["k"]
    assert reply.inputs == {others.id: [1, 2, 3]}
    db.check()


def test_without_claim_the_queue_is_not_looked_at(db):
    """
    The worker knows that it is empty.
    """
    run = db.start(db.make_workflow(single("a"), single("b")))
    task = by_step(db.claim(1)).popitem()[1]

    reply = db.complete(task, slots=3, queues=["default"])

    assert reply.tasks == []
    assert len(run.messages()) == 1


def test_a_lonely_chain_is_reported_to_its_end(db):
    """
    A hundred steps are a hundred calls, and no message is ever written.
    """
    db.start(db.make_workflow(*chain(100)))
    tasks, calls = db.claim(), 0

    while tasks:
        reply = db.complete(tasks[0], calls, slots=1, queues=["default"])
        tasks, calls = reply.tasks, calls + 1
        assert reply.raw["announced"] is None

    assert calls == 100
    db.check()


def test_batches_cut_across_steps(db):
    """
    A part of one map and the whole of another in one call.
    """
    run = db.start(
        db.make_workflow(map_step("m"), map_step("n"), single("end", "n")), [1, 2]
    )
    tasks = db.claim()

    db.report(
        completed(of(tasks, "m")[0]), *(completed(task) for task in of(tasks, "n"))
    )

    assert run.steps == {"m": "started", "n": "completed", "end": "started"}
    assert run.step("m").remaining_tasks == 1
    db.check()
