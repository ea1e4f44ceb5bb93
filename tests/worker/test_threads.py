"""The threads of blocking steps: as many as needed, and no program waits for them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from singularity_workflow.worker.threads import DaemonThreads


@pytest.fixture
def threads():
    found = DaemonThreads("test-thread")
    yield found
    found.shutdown()


def test_a_result_and_an_error_come_back(threads):
    """
    As of any executor.
    """
    assert threads.submit(pow, 2, 5).result(10) == 32
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 1, 0).result(10)


def test_an_idle_thread_is_used_again(threads):
    """
    Calls one after another share one.
    """
    idents = set()
    for _ in range(20):
        idents.add(threads.submit(threading.get_ident).result(10))
        # the thread is idle a moment after its result is there
        assert threads._idle.acquire(timeout=10)
        threads._idle.release()

    assert len(idents) == 1


def test_threads_are_made_while_all_are_busy(threads):
    """
    Ten calls that wait for one another all run.
    """
    barrier = threading.Barrier(10)
    futures = [threads.submit(barrier.wait, 10) for _ in range(10)]

    assert sorted(future.result(10) for future in futures) == list(range(10))


def test_a_hanging_call_does_not_hold_up_the_next(threads):
    """
    A thread that was abandoned is replaced.
    """
    release = threading.Event()
    hanging = threads.submit(release.wait, 10)

    assert threads.submit(lambda: "next").result(10) == "next"
    assert not hanging.done()
    release.set()


def test_a_cancelled_call_is_never_made(threads):
    """
    If it had not begun.
    """
    calls = []
    hold, begun = threading.Event(), threading.Event()
    threads._idle.release()  # as if a thread were idle, so that none is made

    future = threads.submit(calls.append, 1)
    assert future.cancel()
    threads.submit(lambda: (begun.set(), hold.wait(10)))
    assert begun.wait(10)
    hold.set()

    assert calls == []


def test_after_the_shutdown_nothing_is_taken(threads):
    """
    And the threads end.
    """
    thread = threads.submit(threading.current_thread).result(10)
    threads.shutdown()
    thread.join(10)

    assert not thread.is_alive()
    with pytest.raises(RuntimeError):
        threads.submit(print)


def test_a_program_ends_although_a_call_hangs():
    """
    The threads of the standard library would keep it.
    """
    program = (
        "import threading\n"
        "from singularity_workflow.worker.threads import DaemonThreads\n"
        "DaemonThreads().submit(threading.Event().wait)\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
