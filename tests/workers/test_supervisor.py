"""`worker --processes N`: a number of processes is kept running, and ended together."""

from __future__ import annotations

import os
import signal

import pytest

from workers import flows
from workers.support import eventually

PAIR = ("WORKFLOWS", "--processes", "2")


@pytest.fixture
def pair(start_command, look):
    """A supervisor whose two processes serve."""
    supervisor = start_command(*PAIR)
    eventually(lambda: len(look.workers()) == 2, "two workers")
    return supervisor


def test_each_process_is_a_worker(pair, look, engine, stage):
    """
    They share the queue, and the supervisor itself runs nothing.
    """
    value = {"items": list(range(4)), "stage": stage.input}
    stage.open()

    result = engine.execute(flows.wide, value, execution="distributed")

    assert result == {"element": [0, 1, 2, 3]}
    pids = {pid for _, pid, _, _ in look.workers()}
    assert len(pids) == 2
    assert pair.pid not in pids
    assert set(stage.pids) <= pids


def test_a_process_that_dies_is_replaced(pair, look):
    """
    The other one is left alone.
    """
    (_, first, _, _), (_, second, _, _) = look.workers()

    os.kill(first, signal.SIGKILL)

    eventually(lambda: len(look.workers()) == 3, "a third worker")
    third = look.workers()[2][1]
    assert third not in {first, second}
    pair.await_log("ended with -9")
    os.kill(second, 0)


def test_sigterm_ends_all_in_good_order(pair, look, engine, stage):
    """
    Each waits for its tasks, and the command ends with the last of them.
    """
    value = {"items": [1, 2], "stage": stage.input}
    handle = engine.start(flows.wide, value, execution="distributed")
    stage.await_note("began", 2)

    pair.send(signal.SIGTERM)
    stage.open()

    assert pair.ended() == 0
    assert handle.result(timeout=10) == {"element": [1, 2]}
    assert all(stopped_at for _, _, stopped_at, _ in look.workers())


def test_a_second_signal_ends_all_at_once(start_command, look, engine, stage):
    """
    What they ran goes back to the queue.
    """
    supervisor = start_command(*PAIR, "--grace", "600")
    eventually(lambda: len(look.workers()) == 2, "two workers")
    value = {"items": [1, 2], "stage": stage.input}
    handle = engine.start(flows.wide, value, execution="distributed")
    stage.await_note("began", 2)

    supervisor.send(signal.SIGTERM)
    supervisor.send(signal.SIGINT)

    assert supervisor.ended() == 0
    assert look.tasks(handle.id) == [("queued", 1, 0, 0)] * 2


def test_a_process_that_dies_at_once_is_replaced_ever_more_slowly(start_command, dsn):
    """
    A server that is not there must not cost all of the machine's time.
    """
    supervisor = start_command(*PAIR, is_awaited=False, dsn="host=127.0.0.1 port=1")

    supervisor.await_log("another one comes in 2.0 s", 2)
    supervisor.await_log("another one comes in 4.0 s", 2)

    assert supervisor.terminate() == 0


def test_its_processes_end_with_it(pair, look, engine, stage):
    """
    In good order, though nobody could send them a signal: it was killed.
    """
    value = {"items": [1, 2], "stage": stage.input}
    handle = engine.start(flows.wide, value, execution="distributed")
    stage.await_note("began", 2)

    pair.kill()
    eventually(
        lambda: pair.log.count("the supervisor is gone") == 2, "both to notice it"
    )
    late = engine.start(flows.quick, stage.input, execution="distributed")
    stage.open()

    eventually(lambda: all(stopped for _, _, stopped, _ in look.workers()), "the end")
    assert handle.result(timeout=10) == {"element": [1, 2]}
    assert look.tasks(late.id) == [("queued", 0, 0, 0)]


def test_processes_that_come_after_its_end_see_it_too(start_command, look):
    """
    It may be killed while they still start.
    """
    supervisor = start_command(*PAIR, is_awaited=False)
    supervisor.await_log("process 2 of 2 is")

    supervisor.kill()

    eventually(
        lambda: supervisor.log.count("the supervisor is gone") == 2, "both to notice it"
    )
    eventually(lambda: all(stopped for _, _, stopped, _ in look.workers()), "the end")


def test_a_mistake_is_told_once(start_command):
    """
    By the supervisor, and not by each process again and again.
    """
    supervisor = start_command("nothing", *PAIR[1:], is_awaited=False)

    assert supervisor.ended() == 1
    assert supervisor.log.count("no workflow is in") == 1
