"""How a failed run is told to its caller."""

from __future__ import annotations

import pytest

from engine.support import fail, make_workflow, run, single, wait_until
from singularity_workflow import (
    AsyncEngine,
    RetryPolicy,
    RunError,
    RunFailed,
    RunStatus,
    SingularityError,
)


class PaymentRefused(Exception):
    """An application's own error."""


def charge(amount):
    raise PaymentRefused(f"no cover for {amount}")


def buy():
    charge(42)


def test_it_carries_what_happened(engine):
    """
    Step, type, message and attempts, and the run's id.
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0))
    flow.step(name="first")(lambda: 1)
    flow.step(name="pay", depends_on="first")(buy)

    error = fail(engine, flow)

    assert error.step == "pay"
    assert error.error_type == f"{__name__}.PaymentRefused"
    assert error.attempts == 2
    assert "no cover for 42" in error.message
    assert "2 attempts" in error.message
    assert engine.get_run_status(error.run_id)[0] == RunStatus.FAILED


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "thread"])
def test_the_remote_traceback_shows_the_application(engine, is_async, timeout):
    """
    From the step's own frame on: the engine's are left out.
    """

    async def coroutine():
        buy()

    flow = single(coroutine if is_async else buy, max_attempts=1, timeout=timeout)

    error = fail(engine, flow)

    assert error.remote_traceback.startswith("Traceback (most recent call last):")
    assert "charge(42)" in error.remote_traceback
    assert __file__ in error.remote_traceback
    assert "singularity_workflow/" not in error.remote_traceback
    assert error.remote_traceback in f"{error}\n"


def test_causes_are_shown(engine):
    """
    A chain of exceptions is kept as Python shows it.
    """

    def step():
        try:
            buy()
        except PaymentRefused as error:
            raise RuntimeError("cannot buy") from error

    traceback = fail(engine, single(step, max_attempts=1)).remote_traceback

    assert "no cover for 42" in traceback
    assert "direct cause" in traceback
    assert "cannot buy" in traceback


def test_our_own_errors_show_no_frames(engine):
    """
    How the engine found that an output is not JSON helps nobody.
    """
    traceback = fail(engine, single(lambda: b"")).remote_traceback

    assert "InvalidOutput" in traceback
    assert "singularity_workflow/" not in traceback


def test_long_messages_are_cut(engine):
    """
    What is kept is enough to find the cause, and no more.
    """

    def step():
        raise ValueError("x" * 1_000_000)

    error = fail(engine, single(step, max_attempts=1))

    assert 1_000 < len(error.message) < 20_000
    assert len(error.remote_traceback) < 20_000


def test_a_deep_recursion_is_an_error_like_others(engine):
    """
    Its traceback is cut as Python cuts it.
    """

    def step():
        return step()

    error = fail(engine, single(step, max_attempts=1))

    assert error.error_type == "RecursionError"


def test_steps_after_a_failed_one_do_not_run(engine):
    """
    They stay as they were (K 132), and those that had completed keep their outputs.
    """
    flow = make_workflow(max_attempts=1)
    ran = []
    flow.step(name="a")(lambda: ran.append("a"))
    flow.step(name="b", depends_on="a")(buy)
    flow.step(name="c", depends_on="b")(lambda: ran.append("c"))

    error = fail(engine, flow)
    _, figures = engine.get_run_status(error.run_id)

    assert ran == ["a"]
    assert [one["status"] for one in figures["steps"]] == [
        "completed", "failed", "created",
    ]  # fmt: skip
    assert figures["error"]["step"] == "b"


def test_waiting_ends_at_once_when_a_run_fails(engine):
    """
    Although other branches still run: they are stopped (U 226).
    """
    flow = make_workflow(max_attempts=1)
    stopped = []

    @flow.step
    def slow(ctx):
        wait_until(lambda: ctx.cancelled, "ctx.cancelled")
        stopped.append(True)

    flow.step(name="bad")(buy)

    assert fail(engine, flow).step == "bad"
    wait_until(lambda: stopped, "the other branch to be stopped")


def test_all_who_wait_are_told(dsn):
    """
    Several results of one run raise alike, each in its own task.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(buy, max_attempts=1))
            for _ in range(3):
                with pytest.raises(RunFailed, match="no cover for 42"):
                    await handle.result()

    run(main)


def test_errors_of_runs_have_one_base():
    """
    `except RunError` catches whatever happens to a run, `SingularityError` all.
    """
    assert issubclass(RunFailed, RunError)
    assert issubclass(RunError, SingularityError)
