"""singularity_workflow.cancel_tasks: open tasks end, a thousand at a time."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def cancel(db, run, first, last, task=0):
    """Cancel the open tasks of a range of steps."""
    db.execute(
        "select singularity_workflow.cancel_tasks(%s, %s::smallint, %s::smallint, "
        "clock_timestamp(), %s)",
        run.id,
        first,
        last,
        task,
    )


def test_only_the_steps_of_the_range(db):
    """
    With their messages; the others stay as they are.
    """
    run = db.start(db.make_workflow(single("a"), single("b"), single("c")))

    cancel(db, run, 1, 1)

    assert run.task_statuses() == ["queued", "cancelled", "queued"]
    assert [m["step"] for m in run.messages()] == [0, 2]


def test_a_sweep_goes_on_where_it_stopped(db):
    """
    In the first step from the given task on, then through the later steps.
    """
    run = db.start(db.make_workflow(map_step("m"), map_step("n")), [1, 2, 3])

    cancel(db, run, 0, 1, task=2)

    assert run.task_statuses("m") == ["queued", "queued", "cancelled"]
    assert run.task_statuses("n") == ["cancelled"] * 3


def test_a_step_with_more_than_a_thousand_open_tasks(db):
    """
    The skip of a wide map is finished by its sweep; the run goes on meanwhile (S13).
    """
    workflow = db.make_workflow(
        map_step("m", max_attempts=1, on_failure="skip"), single("end", "m")
    )
    run = db.start(workflow, list(range(2_200)))
    while run.timers():
        db.fire()
    db.fail(db.claim(1)[0])
    assert run.steps == {"m": "skipped", "end": "started"}
    assert run.task_statuses("m").count("queued") == 1_199

    while run.timers():
        db.fire()
        db.check()

    assert run.task_statuses("m") == ["failed"] + ["cancelled"] * 2_199
    assert run.task_statuses("end") == ["queued"]
    db.work(queues=["default"])
    assert run.status == "completed"


def test_a_task_that_is_claimed_before_its_sweep_changes_nothing(db):
    """
    The step has ended: what the task returns is kept in it and counted nowhere.
    """
    workflow = db.make_workflow(
        map_step("m", max_attempts=1, on_failure="skip"), single("end", "m")
    )
    run = db.start(workflow, list(range(1_500)))
    db.fire()
    db.fail(db.claim(1)[0])

    db.work(m="late")
    while run.timers():
        db.fire()

    assert run.step("m").status == "skipped"
    assert run.status == "completed"
    db.check()
