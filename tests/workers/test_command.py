"""The command `worker`: it serves, and it ends as it is told."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from singularity_workflow.orchestrator import Orchestrator
from workers import flows


def test_it_runs_what_others_start(engine, start_command, stage):
    """
    A run that was started elsewhere gets its result from this process.
    """
    worker = start_command()

    result = engine.execute(flows.chain, stage.input, execution="distributed")

    assert result == {"three": 3}
    assert set(stage.pids) == {worker.pid}


def test_it_registers_and_says_that_it_stops(start_command, look):
    """
    A worker has a row with its heartbeat, and at its end the time (R 189).
    """
    worker = start_command()
    ((worker_id, pid, stopped_at, _),) = look.workers()

    code = worker.terminate()

    assert (worker_id, pid, stopped_at) == (worker.worker_ids[0], worker.pid, None)
    assert code == 0
    ((_, _, stopped_at, lost_at),) = look.workers()
    assert stopped_at is not None
    assert lost_at is None


def test_sigterm_waits_for_what_runs(engine, start_command, stage, look):
    """
    The task ends within the grace period, and its result counts.
    """
    worker = start_command()
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    worker.send(signal.SIGTERM)
    stage.open()

    assert worker.ended() == 0
    assert handle.result(timeout=10) == {"gate": "passed"}
    assert look.tasks(handle.id) == [("completed", 1, 0, 0)]


def test_from_sigterm_on_it_takes_nothing(engine, start_command, stage, look):
    """
    What follows from its last task, and what is queued, is left to others.
    """
    worker = start_command()
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    worker.send(signal.SIGTERM)
    late = engine.start(flows.quick, stage.input, execution="distributed")
    stage.open()
    worker.ended()

    assert look.status(handle.id) == "completed"
    assert look.tasks(late.id) == [("queued", 0, 0, 0)]


def test_after_the_grace_period_tasks_go_back_without_a_loss(
    engine, start_command, stage, look
):
    """
    Another worker gets them: nothing went wrong.
    """
    worker = start_command("WORKFLOWS", "--grace", "0.2")
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    code = worker.terminate()

    assert code == 0
    assert look.tasks(handle.id) == [("queued", 1, 0, 0)]
    assert "stopped" in stage.notes
    stage.open()
    start_command()
    assert handle.result(timeout=20) == {"gate": "passed"}


def test_a_second_signal_does_not_wait(engine, start_command, stage, look):
    """
    The grace period ends at once.
    """
    worker = start_command("WORKFLOWS", "--grace", "600")
    handle = engine.start(flows.gated, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    worker.send(signal.SIGTERM)
    late = engine.start(flows.quick, stage.input, execution="distributed")
    worker.send(signal.SIGINT)

    assert worker.ended() == 0
    assert look.tasks(handle.id) == [("queued", 1, 0, 0)]
    assert look.tasks(late.id)[0][1:] == (0, 0, 0)


def test_no_more_tasks_at_once_than_its_concurrency(engine, start_command, stage):
    """
    However many messages wait (R 195).
    """
    start_command("WORKFLOWS", "--concurrency", "2")
    value = {"items": list(range(6)), "stage": stage.input}
    handle = engine.start(flows.wide, value, execution="distributed")
    stage.await_note("began", 2)

    stage.open()

    assert handle.result(timeout=20) == {"element": list(range(6))}
    at_once, most = 0, 0
    for what in stage.notes:
        at_once += 1 if what == "began" else -1
        most = max(most, at_once)
    assert most == 2
    assert Counter(stage.notes) == {"began": 6, "ended": 6}


def test_resources_by_name(engine, start_command):
    """
    `--resources` names a mapping, or a function that returns one.
    """
    start_command("resourceful", "--resources", "workers.flows:make_resources")

    result = engine.execute(flows.resourceful, execution="distributed")

    assert result == {"use": "a client"}


def test_a_function_makes_workflows_of_the_engine(engine, start_command):
    """
    Those of goals need one; who has started the goal only waits for it.
    """
    worker = start_command("goals")

    found = Orchestrator(engine).execute_goal(
        "goal", flows.decompose, flows.GOAL_FUNCTIONS,
        workflow_name="served", execution="distributed", timeout=40,
    )  # fmt: skip

    assert found.result == {"see": worker.pid}


def test_a_plain_function_makes_several(engine, start_command, stage):
    """
    A list of them is served like one.
    """
    start_command("make_two")

    assert engine.execute(flows.quick, stage.input, execution="distributed")


@pytest.mark.parametrize(
    ("target", "arguments", "said"),
    [
        ("make_none", (), "'workers.flows:make_none' returns no workflow"),
        ("nothing", (), "no workflow is in 'workers.flows:nothing'"),
        ("WORKFLOWS", ("--queues", "a,,b"), "queue ''"),
        ("WORKFLOWS", ("--concurrency", "0"), "concurrency must be an integer >= 1"),
        ("WORKFLOWS", ("--processes", "0"), "--processes must be >= 1"),
        ("WORKFLOWS", ("--lease", "0.1"), "lease must be at least 1 second"),
    ],
)
def test_a_mistake_is_told(start_command, target, arguments, said):
    """
    With one line that says what is wrong, and exit code 1.
    """
    worker = start_command(target, *arguments, is_awaited=False)

    assert worker.ended() == 1
    assert said in worker.log
    assert "Traceback" not in worker.log


def test_a_server_that_is_not_there_is_told(start_command):
    """
    The worker does not wait for it: whoever started it may try again.
    """
    worker = start_command(is_awaited=False, dsn="host=127.0.0.1 port=1 dbname=a")

    assert worker.ended() == 1
    assert "error: PostgreSQL cannot be reached" in worker.log


def test_a_thread_does_not_keep_it_from_ending(engine, start_command, stage, look):
    """
    A step that cannot be stopped is left behind, and its task given back.
    """
    worker = start_command("WORKFLOWS", "--grace", "0.1")
    handle = engine.start(flows.threaded, stage.input, execution="distributed")
    stage.await_note("attempt-1")

    assert worker.terminate() == 0
    assert look.tasks(handle.id) == [("queued", 1, 0, 0)]
