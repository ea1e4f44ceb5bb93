"""singularity_workflow.start_run: a run from SQL, in the caller's transaction."""

from __future__ import annotations

from fixtures.definitions import single


def test_a_name_is_enough(db):
    """
    The id is made by the database, and is of version 7 (S7).
    """
    workflow = db.make_workflow(single("a"), name="etl")

    run = db.run(db.call("start_run", "etl"))

    assert run.id.version == 7
    assert run.row.workflow_id == workflow.id
    assert (run.status, run.row.input) == ("started", None)
    assert len(run.messages()) == 1


def test_input_and_options(db):
    """
    The options are those of a request to start_runs.
    """
    db.make_workflow(single("a"), name="etl")
    options = {"priority": 3, "tags": ["x"], "serial": True, "key": "k", "timeout": 9}

    run = db.run(db.call("start_run", "etl", {"x": 1}, options))

    row = run.row
    assert (row.input, row.priority, row.tags) == ({"x": 1}, 3, ["x"])
    assert (row.serial, row.idempotency_key) == (True, "k")
    assert len(run.timers("deadline")) == 1


def test_an_id_may_be_given(db):
    """
    A repeat of the call then changes nothing.
    """
    db.make_workflow(single("a"), name="etl")
    run_id = db.new_id()

    ids = [db.call("start_run", "etl", None, {"id": str(run_id)}) for _ in range(2)]

    assert ids == [run_id, run_id]
    assert db.count("runs") == 1


def test_it_is_part_of_the_callers_transaction(db):
    """
    When the caller rolls back, there was no run.
    """
    db.make_workflow(single("a"), name="etl")

    with db.rolled_back():
        db.call("start_run", "etl")

    assert db.count("runs") == 0
    assert db.claim() == []


def test_an_unknown_name_is_an_error(db):
    """
    With the code of the same error elsewhere.
    """
    with db.raises("SW404"):
        db.call("start_run", "nope")
