"""Children and compensations whose worker is killed go on with another one."""

from __future__ import annotations

from workers import flows


def undoing(engine, handle):
    """Return the run that undoes another one, None if there is none yet."""
    found = engine.list_workflow_runs(origin=handle.id).items
    return engine.get_handle(found[0].id) if found else None


def test_a_compensation_whose_worker_is_killed(engine, start_worker, stage):
    """
    Another worker undoes the rest, and what was under way once more.
    """
    first = start_worker()
    handle = engine.start(flows.saga, stage.input, execution="distributed")
    stage.await_note("undoing-first")
    first.kill()

    start_worker()
    stage.await_note("undoing-first", 2)
    stage.open("undo")

    stage.await_note("undid-first")
    assert undoing(engine, handle).result() == {"first": [None]}
    assert stage.notes == [
        "last", "undid-second", "undoing-first", "undoing-first", "undid-first",
    ]  # fmt: skip


def test_a_run_that_ends_with_its_worker_is_undone(engine, start_worker, stage):
    """
    Nobody is alive when it is cancelled; who comes later undoes it.
    """
    worker = start_worker()
    handle = engine.start(flows.saga, stage.input, execution="distributed")
    stage.await_note("undoing-first")
    worker.kill()
    run = undoing(engine, handle)

    run.cancel("start again")
    again = run.retry()
    stage.open("undo")
    start_worker()

    assert again.result() == {"first": [None]}
    assert stage.notes.count("undid-second") == 1


def test_a_child_whose_worker_is_killed(engine, start_worker, stage):
    """
    It is taken up by another worker, and its parent goes on.
    """
    first = start_worker()
    handle = engine.start(flows.nesting, stage.input, execution="distributed")
    stage.await_note("attempt-1")
    first.kill()

    start_worker()
    stage.await_note("attempt-2")
    stage.open("gate")

    assert handle.result() == {"inner": {"gate": "passed"}}
