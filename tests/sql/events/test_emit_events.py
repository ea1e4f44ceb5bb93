"""singularity_workflow.emit_events: store what running tasks have to tell."""

from __future__ import annotations

from fixtures.definitions import map_step, single
from fixtures.workbench import completed

NEWS = [{"type": "invoice_sent", "at": "2030-01-01T12:00:00Z", "data": {"no": 7}}]


def test_a_running_task_is_heard(db):
    """
    What it tells has its own time, and says which task it is of.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()

    reply = db.call("emit_events", [task.ref | {"events": NEWS}])

    event = run.events()[-1]
    assert reply["refused"] is None
    assert reply["events"] > 0
    assert (event["type"], event["data"]) == ("invoice_sent", {"no": 7})
    assert event["at"] == "2030-01-01T12:00:00Z"
    assert (event["task_id"], event["attempt"]) == (f"{run.id}/a/0", 1)


def test_progress_has_its_figures_at_hand(db):
    """
    They stand beside the task, as the fields of the engine's other events do.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    progress = {"type": "task_progress", "data": {"done": 1, "total": 3, "note": "x"}}

    db.call("emit_events", [task.ref | {"events": [progress]}])

    event = run.events()[-1]
    assert (event["done"], event["total"], event["note"]) == (1, 3, "x")


def test_an_attempt_that_is_not_in_charge_is_refused(db):
    """
    It has been given to somebody else meanwhile.
    """
    run = db.start(db.make_workflow(single("a", retry={"max_attempts": 2, "delay": 0})))
    old = db.claim_one()
    db.fail(old)
    db.fire()
    new = db.claim_one()
    before = len(run.events())

    reply = db.call(
        "emit_events", [old.ref | {"events": NEWS}, new.ref | {"events": NEWS}]
    )

    assert reply["refused"] == [[str(run.id), 0, 0, 1]]
    (event,) = run.events()[before:]
    assert event["attempt"] == 2


def test_a_task_that_has_ended_is_refused(db):
    """
    Its end is the last that is heard of it.
    """
    run = db.start(db.make_workflow(single("a"), single("b")))
    task, _ = db.claim()
    db.complete(task)

    reply = db.call("emit_events", [task.ref | {"events": NEWS}])

    assert len(reply["refused"]) == 1
    assert reply["events"] is None
    assert run.events()[-1]["type"] == "step_completed"


def test_a_task_whose_run_has_ended_is_refused(db):
    """
    Also while the sweep of a wide run has not come to it.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1001)))
    db.settle()
    tasks = sorted(db.claim(1001), key=lambda task: task.ref["task"])
    assert len(tasks) == 1001
    db.cancel(run)
    assert run.events()[-1]["type"] == "workflow_cancelled"

    reply = db.call("emit_events", [tasks[-1].ref | {"events": NEWS}])

    assert len(reply["refused"]) == 1
    assert run.events()[-1]["type"] == "workflow_cancelled"


def test_a_run_without_such_events_stores_none(db):
    """
    The attempt is in charge all the same.
    """
    run = db.start(db.make_workflow(single("a")), events="run")
    task = db.claim_one()

    reply = db.call("emit_events", [task.ref | {"events": NEWS}])

    assert (reply["refused"], reply["events"]) == (None, None)
    assert [event["type"] for event in run.events()] == ["workflow_started"]


def test_an_outcome_brings_what_was_told_before_it(db):
    """
    In the same commit, and in front of the end of the task.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()

    db.report(completed(task, 1) | {"events": NEWS})

    assert [event["type"] for event in run.events()][-4:] == [
        "invoice_sent",
        "task_completed",
        "step_completed",
        "workflow_completed",
    ]


def test_a_repeated_outcome_tells_nothing_again(db):
    """
    It is refused with all that it brings.
    """
    run = db.start(db.make_workflow(single("a"), single("b")))
    task, _ = db.claim()
    outcome = completed(task, 1) | {"events": NEWS}
    db.report(outcome)
    before = run.events()

    db.report(outcome)

    assert run.events() == before


GOAL = {"goal": "a house", "goal_hash": "ab", "parent": None, "depth": 1}
OF_A_GOAL = [
    {"type": "goal_decomposition_started", "at": "2030-01-01T12:00:00Z", "data": GOAL},
    {"type": "plan_revised", "at": "2030-01-01T12:00:01Z", "data": {"revision": 1}},
]


def test_what_is_told_of_goals_is_of_the_run(db):
    """
    It is stored without steps and tasks too, with its members beside the others.
    """
    run = db.start(db.make_workflow(single("a")), events="run")
    task = db.claim_one()

    db.call("emit_events", [task.ref | {"events": NEWS + OF_A_GOAL}])

    started, revised = run.events()[1:]
    assert started == {**started, **GOAL, "type": "goal_decomposition_started"}
    assert started["task_id"] == f"{run.id}/a/0"
    assert (revised["type"], revised["revision"]) == ("plan_revised", 1)


def test_an_outcome_brings_what_is_told_of_goals(db):
    """
    At the level of the run, in the commit of the outcome.
    """
    run = db.start(db.make_workflow(single("a"), single("b")), events="run")
    task, _ = db.claim()

    db.report(completed(task, 1) | {"events": OF_A_GOAL[:1]})

    assert [event["type"] for event in run.events()] == [
        "workflow_started",
        "goal_decomposition_started",
    ]


def test_members_that_are_none_are_told_as_they_are(db):
    """
    Whatever calls the function by itself: no event is worth an error.
    """
    run = db.start(db.make_workflow(single("a")), events="run")
    task = db.claim_one()
    odd = [{"type": "goal_x", "data": [1]}, {"type": "goal_y"}]

    db.call("emit_events", [task.ref | {"events": odd}])

    assert [event.get("data") for event in run.events()[1:]] == [[1], None]


def test_a_run_without_events_stores_none_of_goals(db):
    """
    It stores nothing at all.
    """
    run = db.start(db.make_workflow(single("a")), events="none")
    task = db.claim_one()

    db.call("emit_events", [task.ref | {"events": OF_A_GOAL}])

    assert run.events() == []
