"""singularity_workflow.finish_tasks: tasks complete, and steps with their last."""

from __future__ import annotations

from fixtures.definitions import map_step, single
from fixtures.workbench import completed


def test_an_output_is_stored_once(db):
    """
    A single step's in its step, a map element's in its task (decision 1).
    """
    run = db.start(db.make_workflow(single("a"), map_step("m")), [1])

    db.work(a="A", m="M")

    assert (run.step("a").output, run.task("a").output) == ("A", None)
    assert (run.step("m").output, run.task("m").output) == (["M"], "M")


def test_a_part_of_a_map_is_counted_down(db):
    """
    By as many as the batch holds.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(5)))
    tasks = db.claim()

    db.report(*(completed(task) for task in tasks[:3]))

    step = run.step("m")
    assert (step.status, step.remaining_tasks, step.initial_tasks) == ("started", 2, 5)
    db.check()


def test_a_missing_output_is_null(db):
    """
    A task that returned nothing has completed like any other.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m")), [1])

    db.report(*({**t.ref, "outcome": "completed"} for t in db.claim()))

    assert run.output == {"a": None, "m": [None]}
    db.check()


def test_several_runs_complete_in_one_batch(db):
    """
    Each with its own output.
    """
    workflow = db.make_workflow(single("a"))
    runs = [db.start(workflow) for _ in range(3)]

    reply = db.report(
        *(completed(t, str(t.run_id)) for t in db.claim()),
        wanted=[run.id for run in runs],
    )

    assert {end[0]: end[2] for end in reply.ended} == {
        str(run.id): {"a": str(run.id)} for run in runs
    }


def test_a_paused_run_completes_with_its_last_task(db):
    """
    Tasks that run finish, and nothing was left to resume.
    """
    run = db.start(db.make_workflow(single("a")))
    task = db.claim_one()
    db.execute(
        "update singularity_workflow.runs set status = 'paused' where run_id = %s",
        run.id,
    )

    db.complete(task, 1)

    assert run.output == {"a": 1}
    db.check()
