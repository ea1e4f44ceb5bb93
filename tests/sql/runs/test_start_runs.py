"""singularity_workflow.start_runs: runs begin, all of them or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from fixtures.definitions import map_step, single

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
DIAMOND = (single("a"), single("b", "a"), single("c", "a"), single("d", "b", "c"))


def test_a_run_is_stored(db):
    """
    A run is started, with its input and the count of its steps (D 46).
    """
    workflow = db.make_workflow(*DIAMOND)

    run = db.start(workflow, {"order": 7}, tags=["x"], priority=2)

    row = run.row
    assert (row.status, row.remaining_steps, row.input) == ("started", 4, {"order": 7})
    assert (row.tags, row.priority, row.owner) == (["x"], 2, None)
    db.check()


def test_each_step_of_the_workflow_has_a_row(db):
    """
    Steps of other workflows have none (D 47).
    """
    db.make_workflow(single("other"))

    run = db.start(db.make_workflow(*DIAMOND))

    assert run.steps == {
        "a": "started",
        "b": "created",
        "c": "created",
        "d": "created",
    }
    assert [row.remaining_deps for row in run.step_rows()] == [0, 1, 1, 2]


def test_a_workflow_with_two_roots_is_one_run(db):
    """
    The answer holds the run once, with one message per root task (D 48, D 50).
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c", "a", "b")))

    assert run.reply.raw["runs"] == [[str(run.id), str(run.id), True]]
    assert [(m["step"], m["task"]) for m in run.messages()] == [(0, 0), (1, 0)]
    assert {m["run"] for m in run.messages()} == {str(run.id)}


def test_by_name_the_latest_version_is_started(db):
    """
    A request may name a workflow instead of a version.
    """
    db.make_workflow(single("a"), name="etl")
    latest = db.make_workflow(single("b"), name="etl")

    run = db.start("etl")

    assert run.row.workflow_id == latest.id


def test_the_run_has_the_id_that_was_asked_for(db):
    """
    Ids are made by the client, so that it may repeat the request (D 51, S7).
    """
    wanted = db.new_id()

    run = db.start(db.make_workflow(single("a")), id=wanted)

    assert run.id == wanted
    assert run.is_new


def test_an_id_that_exists_is_that_run(db):
    """
    A repeated request changes nothing, whatever it says (D 51, S7).
    """
    workflow = db.make_workflow(single("a"))
    first = db.start(workflow, 1)

    second = db.start(workflow, 2, id=first.id, tags=["late"])

    assert (second.id, second.is_new) == (first.id, False)
    assert (first.row.input, first.row.tags) == (1, [])
    assert len(first.messages()) == 1
    db.check()


@pytest.mark.parametrize("run_id", [uuid4(), UUID(int=0), None])
def test_only_ids_of_version_7_are_taken(db, run_id):
    """
    Another version, or no id at all, is an error with a code (D 51, S7).
    """
    workflow = db.make_workflow(single("a"))
    request = {"id": run_id and str(run_id), "workflow_id": workflow.id}

    with db.raises("SW403"):
        db.call("start_runs", [request])

    assert db.count("runs") == 0


@pytest.mark.parametrize("request_", [{"workflow": "nope"}, {"workflow_id": -1}, {}])
def test_an_unknown_workflow_is_an_error(db, request_):
    """
    Whether it was named or numbered.
    """
    request_["id"] = str(db.new_id())

    with db.raises("SW404"):
        db.call("start_runs", [request_])


def test_all_are_started_or_none(db):
    """
    One bad request of a batch undoes the others.
    """
    good = db.request(db.make_workflow(single("a")))
    bad = db.request("nope")

    with db.raises("SW404"):
        db.call("start_runs", [good, bad])

    assert db.count("runs") == 0


def test_a_batch_is_answered_in_its_order(db):
    """
    Each request gets its own run, in the order of the requests.
    """
    one, two = db.make_workflow(single("a")), db.make_workflow(single("b"))
    requests = [db.request(w, input=i) for i, w in enumerate([two, one, two])]

    runs = db.start_many(requests)

    assert [str(run.id) for run in runs] == [r["id"] for r in requests]
    assert [run.row.input for run in runs] == [0, 1, 2]
    db.check()


def test_no_requests_start_nothing(db):
    """
    An empty batch is possible and empty.
    """
    reply = db.call("start_runs", [])

    assert reply["runs"] is None
    assert db.count("runs") == 0


def test_the_state_of_a_new_run_can_be_read(db):
    """
    The run with an array of all its steps (D 53).
    """
    run = db.start(db.make_workflow(*DIAMOND, name="etl"), tags=["x"])

    status = db.call("run_status", run.id)

    assert (status["workflow"], status["status"]) == ("etl", "started")
    assert [step["name"] for step in status["steps"]] == ["a", "b", "c", "d"]
    assert (status["total_steps"], status["completed_steps"]) == (4, 0)
    assert (status["total_tasks"], status["queued_tasks"]) == (1, 1)


def test_what_has_begun_has_a_time(db):
    """
    Runs and root steps have begun, dependents have not, nothing has ended (D 54).
    """
    run = db.start(db.make_workflow(single("a"), single("b", "a")))

    a, b = run.step("a"), run.step("b")
    assert run.row.started_at == run.row.created_at == a.started_at == b.created_at
    assert b.started_at is None
    assert (run.row.ended_at, a.ended_at, b.ended_at) == (None, None, None)


def test_delayed_roots_wait_for_their_timers(db):
    """
    Their tasks exist, due after the delay, and have no message (D 55).
    """
    db.set_now(NOON)
    workflow = db.make_workflow(
        single("now", start_delay=0),
        single("soon", start_delay=300),
        single("later", start_delay=3600),
        single("after", "now"),
    )

    run = db.start(workflow)

    assert run.task_statuses() == ["queued", "waiting", "waiting"]
    assert [t.wait_reason for t in run.tasks()] == [None, "delay", "delay"]
    assert [t.due_at - NOON for t in run.timers("delay")] == [
        timedelta(minutes=5),
        timedelta(hours=1),
    ]
    assert [m["step"] for m in run.messages()] == [workflow.no("now")]
    db.check()


def test_a_delayed_root_is_queued_when_it_is_due(db):
    """
    Not before, and then with a message like any other (D 55).
    """
    db.set_now(NOON)
    run = db.start(db.make_workflow(single("a", start_delay=300)))
    db.advance(seconds=299)
    db.fire()
    assert run.task("a").status == "waiting"

    db.advance(seconds=1)
    db.fire()

    assert run.task("a").status == "queued"
    assert len(run.messages()) == 1
    db.check()


def test_delayed_dependents_wait_from_the_end_of_their_parent(db):
    """
    When the parent completes their tasks exist, each with its timer (D 56).
    """
    workflow = db.make_workflow(
        single("a"),
        single("now", "a", start_delay=0),
        single("soon", "a", start_delay=900),
        single("later", "a", start_delay=7200),
    )
    run = db.start(workflow)
    db.set_now(NOON)

    reply = db.complete(db.claim_one())

    assert run.task_statuses() == ["completed", "queued", "waiting", "waiting"]
    assert [t.due_at - NOON for t in run.timers("delay")] == [
        timedelta(minutes=15),
        timedelta(hours=2),
    ]
    assert reply.raw["timers"] == 900
    db.check()


def test_the_order_key_is_the_time_shifted_by_priority(db):
    """
    One priority is worth ten minutes, of the run and of the step (decision 9).
    """
    workflow = db.make_workflow(single("a"), single("b", priority=3))

    run = db.start(workflow, priority=2)

    created = int(run.row.created_at.timestamp() * 1000)
    assert abs(run.row.order_key - (created - 2 * 600_000)) <= 1
    a, b = run.messages()
    assert a["k"] == run.row.order_key
    assert b["k"] == a["k"] - 3 * 600_000


def test_the_priority_of_the_workflow_is_the_default(db):
    """
    A request's own priority wins, also when it is 0.
    """
    workflow = db.make_workflow(single("a"), priority=5)

    assert db.start(workflow).row.priority == 5
    assert db.start(workflow, priority=0).row.priority == 0


def test_a_deadline_has_a_timer(db):
    """
    The run's own time-out, else the workflow's deadline, else none.
    """
    db.set_now(NOON)
    plain, dated = (
        db.make_workflow(single("a")),
        db.make_workflow(single("a"), deadline=60),
    )

    runs = [db.start(plain), db.start(plain, timeout=5), db.start(dated)]

    waits = [[(t.due_at - NOON).total_seconds() for t in r.timers()] for r in runs]
    assert waits == [[], [5], [60]]
    assert runs[1].reply.raw["timers"] == 5


def test_the_real_clock_sets_the_deadline_that_is_shown(db):
    """
    The clock that tests turn serves timers only (decision 8).
    """
    db.set_now(NOON)

    run = db.start(db.make_workflow(single("a")), timeout=5)

    assert run.row.deadline_at - run.row.created_at == timedelta(seconds=5)


def test_a_fixed_map_needs_no_array(db):
    """
    With initial_tasks, and no array, there are so many tasks (E 60).
    """
    run = db.start(db.make_workflow(map_step("m", initial_tasks=3)), {"x": 1})

    assert [task.item for task in db.claim()] == [0, 1, 2]
    assert run.step("m").initial_tasks == 3
