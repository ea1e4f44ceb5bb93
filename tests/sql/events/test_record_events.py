"""singularity_workflow.record_events: store what a call has done."""

from __future__ import annotations

import json

import pytest
from fixtures.definitions import chain, map_step, single
from fixtures.workbench import by_step, completed, failed, of


def types(run) -> list[str]:
    return [event["type"] for event in run.events()]


def test_a_start_is_told_once_with_its_input(db):
    """
    Of a queued run that is all but its first steps (O 174).
    """
    run = db.start(db.make_workflow(single("a"), name="billing"), {"amount": 3})

    first, second = run.events()

    assert (first["type"], first["input"]) == ("workflow_started", {"amount": 3})
    assert first["workflow_id"] == "billing"
    assert first["run_id"] == str(run.id)
    assert first["at"].endswith("Z")
    assert (second["type"], second["step_name"]) == ("step_started", "a")


def test_a_claim_tells_the_start_of_its_tasks(db):
    """
    With the attempt and the worker.
    """
    run = db.start(db.make_workflow(single("a")))

    task = db.claim_one()

    event = run.events()[-1]
    assert event["type"] == "task_started"
    assert event["task_id"] == f"{run.id}/a/0"
    assert (event["attempt"], event["worker_id"]) == (1, str(db.worker))
    assert task.attempt == 1


def test_a_task_that_is_not_the_last_completes_alone(db):
    """
    The step's end is told with its last task only, with the stored output (O 176).
    """
    run = db.start(db.make_workflow(map_step("m"), single("z", "m")), [1, 2])
    first, second = db.claim()
    before = len(run.events())

    db.complete(first, "one")
    assert types(run)[before:] == ["task_completed"]
    db.complete(second, "two")

    told = run.events()[before:]
    assert [event["type"] for event in told] == [
        "task_completed",
        "task_completed",
        "step_completed",
        "step_started",
    ]
    assert told[0]["result"] == "one"
    assert told[0]["duration_ms"] >= 0
    assert told[2]["output"] == ["one", "two"]


def test_the_last_task_completes_the_run_once(db):
    """
    With the run's result, and no failure (O 177).
    """
    run = db.start(db.make_workflow(single("a"), name="w"))

    db.complete(db.claim_one(), {"x": 1})

    assert types(run).count("workflow_completed") == 1
    assert "workflow_failed" not in types(run)
    last = run.events()[-1]
    assert (last["type"], last["final_result"]) == (
        "workflow_completed",
        {"a": {"x": 1}},
    )
    assert last["workflow_id"] == "w"


def test_a_diamond_tells_one_event_for_each_transition(db):
    """
    None is missing, none is extra (O 179).
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", "a"), single("c", "a"), single("d", "b", "c")
        )
    )

    db.work()

    told = [(event["type"], event.get("step_name")) for event in run.events()]
    assert len(told) == len(set(told)) == 2 + 4 * 4
    for step in "abcd":
        places = [
            told.index((kind, step))
            for kind in (
                "step_started",
                "task_started",
                "task_completed",
                "step_completed",
            )
        ]
        assert places == sorted(places)
    assert told.index(("step_started", "d")) > told.index(("step_completed", "c"))


def test_a_cascade_is_told_in_order(db):
    """
    A chain of five empty maps gives five events, each after its parent's (O 180).
    """
    steps = [map_step("m0")] + [map_step(f"m{i}", f"m{i - 1}") for i in range(1, 5)]
    run = db.start(db.make_workflow(*reversed(steps)), [])

    told = [(event["type"], event.get("step_name")) for event in run.events()]

    assert told[1:-1] == [("step_completed", f"m{i}") for i in range(5)]
    assert told[-1] == ("workflow_completed", None)


def test_skipped_descendants_are_told_after_what_they_depend_on(db):
    """
    Whatever the order of definition.
    """
    run = db.start(
        db.make_workflow(
            single("c", "b"),
            single("b", "a"),
            single("a", on_failure="skip_cascade", retry={"max_attempts": 1}),
            single("z"),
        )
    )

    db.report(failed(by_step(db.claim())["a"], "boom"))

    skipped = [event for event in run.events() if event["type"] == "step_skipped"]
    assert [event["step_name"] for event in skipped] == ["a", "b", "c"]
    assert [event["reason"] for event in skipped] == [
        "handler failed",
        "dependency skipped",
        "dependency skipped",
    ]


def test_a_retry_and_a_failure_are_told_with_their_count(db):
    """
    `retry_count` is how often the task has failed so far.
    """
    run = db.start(db.make_workflow(single("a", retry={"max_attempts": 2, "delay": 0})))

    db.fail(db.claim_one(), "first")
    db.fire()
    db.fail(db.claim_one(), "second")

    told = {event["type"]: event for event in run.events()}
    assert told["task_retried"]["retry_count"] == 1
    assert told["task_retried"]["error"]["message"] == "first"
    assert told["task_failed"]["retry_count"] == 2
    assert told["step_failed"]["error"]["message"] == "second"
    assert told["workflow_failed"]["failed_task"] == f"{run.id}/a/0"
    assert types(run)[-3:] == ["task_failed", "step_failed", "workflow_failed"]


def test_what_completed_beside_a_failure_is_told_too(db):
    """
    One batch completes a step and fails the run.
    """
    run = db.start(
        db.make_workflow(single("a", retry={"max_attempts": 1}), single("b"))
    )
    tasks = by_step(db.claim())

    db.report(completed(tasks["b"], 1), failed(tasks["a"], "boom"))

    assert types(run)[-5:] == [
        "task_completed",
        "step_completed",
        "task_failed",
        "step_failed",
        "workflow_failed",
    ]
    db.check()


def test_a_skipped_task_says_why(db):
    """
    Its step is skipped with it.
    """
    run = db.start(db.make_workflow(single("a"), single("b")))

    db.skip(of(db.claim(), "a")[0], 'not "today" \\ {1}')

    told = {event["type"]: event for event in run.events()}
    assert told["task_skipped"]["reason"] == 'not "today" \\ {1}'
    assert told["step_skipped"]["step_name"] == "a"


def test_only_the_run_itself_is_told_if_so_asked(db):
    """
    `events` of the request is "run".
    """
    run = db.start(db.make_workflow(*chain(2)), events="run")

    db.pause(run)
    db.resume(run)
    db.work()

    assert types(run) == [
        "workflow_started",
        "workflow_paused",
        "workflow_resumed",
        "workflow_completed",
    ]


def test_nothing_is_stored_if_nobody_wants_it(db):
    """
    `events` of the request is "none": no row, and no position in any reply.
    """
    run = db.start(db.make_workflow(*chain(2)), events="none")
    db.pause(run)
    db.resume(run)

    reply = db.complete(db.claim_one())
    db.cancel(run)

    assert run.events() == []
    assert reply.raw["events"] is None
    assert run.reply.raw["events"] is None


def test_another_word_for_events_is_refused(db):
    """
    No run is started.
    """
    with db.raises("SW403"):
        db.start(db.make_workflow(single("a")), events="some")


def test_a_call_stores_one_row_for_each_run(db):
    """
    However many events of it.
    """
    workflow = db.make_workflow(single("a"), single("b"))
    runs = [db.start(workflow) for _ in range(3)]
    tasks = db.claim()
    before = db.value("select count(*) from pgmq.q_workflow_events")

    db.report(*(completed(task, 1) for task in tasks))

    assert db.value("select count(*) from pgmq.q_workflow_events") == before + 3
    assert all(run.status == "completed" for run in runs)


def test_a_large_value_is_told_by_its_place(db):
    """
    8,000 bytes are not stored a second time.
    """
    run = db.start(db.make_workflow(single("a")), "x" * 9_000)
    db.complete(db.claim_one(), "y" * 9_000)

    told = {event["type"]: event for event in run.events()}

    assert told["workflow_started"]["input"] == {"$ref": str(run.id), "bytes": 9_002}
    assert told["task_completed"]["result"]["$ref"] == f"{run.id}/a/0"
    assert told["step_completed"]["output"]["$ref"] == f"{run.id}/a/0"
    assert told["workflow_completed"]["final_result"]["bytes"] == 9_012


@pytest.mark.parametrize(
    "output",
    [
        "[1e131072]",
        '{"x": [1, 1e-20000]}',
        "0." + "0" * 7_000 + "1e-9999",
        '{"x":\n\t 1e131072}',
    ],
    ids=["large number", "small number", "small by its digits", "on its own line"],
)
def test_what_jsonb_cannot_hold_fails_no_task(db, output):
    """
    The event goes without the value, and what is told beside it stays as it is.
    """
    run = db.start(db.make_workflow(single("a"), single("b")))
    a, b = db.claim()
    batch = json.dumps([a.ref | {"outcome": "completed"}])
    batch = batch[:-2] + f', "output": {output}}}, ' + json.dumps(completed(b, 7)) + "]"

    db.execute(
        "select singularity_workflow.report_tasks(%s, %s::json)", db.worker, batch
    )

    assert run.status == "completed"
    told = [e for e in run.events() if e["type"] == "task_completed"]
    assert ["result" in event for event in told] == [False, True]
    assert told[0]["$ref"] == f"{run.id}/a/0"
    db.check()


def test_a_copy_says_where_it_comes_from(db):
    """
    Steps that it takes over are not told again.
    """
    run = db.start(
        db.make_workflow(single("a"), single("b", "a", retry={"max_attempts": 1}))
    )
    db.complete(db.claim_one())
    db.fail(db.claim_one())

    again = db.copy(run)
    db.work()

    first, *others = again.events()
    assert (first["origin_run_id"], first["origin"]) == (str(run.id), "retry")
    assert {event.get("step_name") for event in others} == {"b", None}
    assert others[-1]["type"] == "workflow_completed"


def test_a_child_names_its_parent_and_tells_as_much(db):
    """
    Its level is that of the parent.
    """
    child = db.make_workflow(single("c"))
    parent = db.start(db.make_workflow(single("a")), events="run")

    run = db.call_child(db.claim_one(), child)

    (event,) = run.events()
    assert event["parent_run_id"] == str(parent.id)


def test_a_lost_task_is_told_as_retried(committed):
    """
    The dead worker is named, and no failure counted.
    """
    db = committed
    worker = db.register_worker(lease=60)
    run = db.start(db.make_workflow(single("a")))
    db.claim(worker=worker)
    db.execute(
        "update singularity_workflow.workers set lease = interval '1 microsecond'"
    )

    db.call("reap_workers", db.worker)

    event = run.events()[-1]
    assert (event["type"], event["retry_count"]) == ("task_retried", 0)
    assert str(worker) in event["error"]["message"]
    db.check()


def test_a_condition_that_fails_its_run_is_no_failure_of_a_task(db):
    """
    The step has had none.
    """
    flow = db.make_workflow(
        single("a"), single("b", "a", when={"a": 1}, on_unmet="fail")
    )
    run = db.start(flow)

    db.complete(db.claim_one(), 2)

    *_, step, last = run.events()
    assert (step["type"], step["step_name"]) == ("step_failed", "b")
    assert (last["type"], last["failed_task"]) == ("workflow_failed", None)
    assert last["error"]["step"] == "b"
