"""singularity_workflow.run_results: how runs ended, for those who poll."""

from __future__ import annotations

from fixtures.definitions import map_step, single


def test_the_output_is_of_the_final_steps(db):
    """
    All of them, by name, in the order of their numbers (G 89).
    """
    run = db.start(
        db.make_workflow(single("a"), single("z", "a"), single("b", "a"), single("c"))
    )

    db.work(a=0, z=1, b=[2], c={"x": 3})

    assert list(run.output.items()) == [("z", 1), ("b", [2]), ("c", {"x": 3})]


def test_a_final_step_that_was_skipped_is_absent(db):
    """
    Its key is missing, not null.
    """
    run = db.start(
        db.make_workflow(
            single("a"), single("b", max_attempts=1, on_failure="skip"), single("c")
        )
    )
    for task in db.claim():
        db.fail(task) if task.step == "b" else db.complete(task)

    assert run.output == {"a": None, "c": None}


def test_runs_that_have_not_ended_are_not_in_it(db):
    """
    Null means that none has ended.
    """
    workflow = db.make_workflow(map_step("m"))
    open_run, ended = db.start(workflow, [1]), db.start(workflow, [])

    assert open_run.results is None
    (found,) = db.call("run_results", [open_run.id, ended.id])
    assert found[:5] == [str(ended.id), "completed", {"m": []}, None, None]


def test_a_cancelled_run_has_a_reason_and_no_output(db):
    """
    The waiter learns why.
    """
    run = db.start(db.make_workflow(single("a")))
    db.call("cancel_runs", [run.id], "enough")

    (found,) = run.results
    assert found[:5] == [str(run.id), "cancelled", None, None, "enough"]


def test_a_failed_run_has_an_error(db):
    """
    As it stands in the run (U 226).
    """
    run = db.start(db.make_workflow(single("a", max_attempts=1)))
    db.fail(db.claim_one())

    ((_, status, output, error, *_),) = run.results

    assert (status, output) == ("failed", None)
    assert error == run.row.error


def test_an_end_tells_of_which_workflow_and_when(db):
    """
    For whoever measures and traces: the name, two times and the trace of the run.
    """
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    workflow = db.make_workflow(map_step("m"))
    run = db.start(workflow, [], traceparent=trace)

    ((*_, name, started_at, ended_at, traceparent, redacted),) = run.results

    assert (name, traceparent, redacted) == (workflow.name, trace, None)
    assert started_at == run.row.started_at.timestamp()
    assert ended_at == run.row.ended_at.timestamp()


def test_an_unknown_run_is_an_error(db):
    """
    Whoever waits before the start committed learns that it must first (S8).
    """
    with db.raises("SW405") as caught:
        db.call("run_results", [db.new_id()])

    assert "commit" in caught.value.diag.message_hint
