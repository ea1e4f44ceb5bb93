"""Attempts of a task: retries, signals, and what is kept of failures."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest

from engine.support import fail, make_workflow, single
from singularity_workflow import Fail, Retry, RetryPolicy, RunStatus, Skip

AT_ONCE = RetryPolicy(max_attempts=5, delay=0, jitter=False)

FAILURES = """
select f.attempt, f.error->>'type', f.error->>'message'
from singularity_workflow.task_failures f where f.run_id = %s order by f.attempt
"""
TASK = """
select t.status, t.attempt, t.failures, t.losses
from singularity_workflow.tasks t where t.run_id = %s
"""


def failing(times, error=ValueError, **options):
    """Return a workflow whose step raises so many times, and the list of its calls."""
    calls = []

    async def step(ctx):
        calls.append(ctx.attempt)
        if len(calls) <= times:
            raise error(f"attempt {ctx.attempt}")
        return calls

    return single(step, **options), calls


def test_a_failed_task_is_tried_again(engine, sql):
    """
    Any exception retries, and the failures are kept (K 127, K 140).
    """
    flow, _ = failing(2, retry=AT_ONCE)
    handle = engine.start(flow)

    assert handle.result() == {"step": [1, 2, 3]}
    assert sql.rows(TASK, handle.id) == [("completed", 3, 2, 0)]
    assert sql.rows(FAILURES, handle.id) == [
        (1, "ValueError", "attempt 1"),
        (2, "ValueError", "attempt 2"),
    ]


def test_attempts_used_up_fail_the_run(engine):
    """
    `max_attempts` counts the first one (K 128, K 130).
    """
    flow, calls = failing(9, retry=RetryPolicy(max_attempts=3, delay=0))

    error = fail(engine, flow)

    assert calls == [1, 2, 3]
    assert (error.attempts, error.step) == (3, "step")
    assert "attempt 3" in error.message


def test_one_attempt_is_final(engine):
    """
    With `max_attempts=1` the first failure ends the run (K 129).
    """
    flow, calls = failing(9, max_attempts=1)

    fail(engine, flow)

    assert calls == [1]


def test_the_workflow_gives_its_steps_a_default(engine):
    """
    A step's own number goes before its workflow's (K 130).
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0))
    calls = []

    @flow.step
    async def a():
        calls.append("a")
        raise ValueError

    fail(engine, flow)

    assert calls == ["a", "a"]


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (2, 3)])
def test_max_retries_gives_every_step_one_attempt_more(engine, retries, attempts):
    """
    `execute(max_retries=n)` goes before what the steps say.
    """
    flow, calls = failing(9, retry=AT_ONCE)

    error = fail(engine, flow, max_retries=retries)

    assert (len(calls), error.attempts) == (attempts, attempts)


def test_an_error_that_is_not_listed_is_final(engine):
    """
    `retry_on` names the errors that another attempt may mend.
    """
    policy = RetryPolicy(max_attempts=5, delay=0, retry_on=(OSError,))

    listed, _ = failing(1, ConnectionError, retry=policy)
    other, calls = failing(1, ValueError, retry=policy)

    assert engine.execute(listed) == {"step": [1, 2]}
    assert fail(engine, other).error_type == "ValueError"
    assert calls == [1]


def test_giving_up_goes_before_retrying(engine):
    """
    `give_up_on` names the errors of which another attempt makes no sense.
    """
    policy = RetryPolicy(max_attempts=5, delay=0, give_up_on=(KeyError,))
    flow, calls = failing(1, KeyError, retry=policy)

    fail(engine, flow)

    assert calls == [1]


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration]
)
def test_an_odd_exception_of_a_thread_fails_the_task(engine, error):
    """
    Whatever a plain function raises, the task ends; `sys.exit` ends no more than it.
    """

    def step():
        raise error

    found = fail(engine, single(step, max_attempts=1))

    assert found.error_type == error.__name__


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopAsyncIteration])
def test_an_odd_exception_of_a_coroutine_fails_the_task(engine, error, timeout):
    """
    The event loop lives on.
    """

    async def step():
        raise error

    found = fail(engine, single(step, max_attempts=1, timeout=timeout))

    assert found.error_type == error.__name__
    assert engine.execute(single(lambda: 1)) == {"step": 1}


def test_a_step_that_cancels_itself_fails(engine):
    """
    A cancellation that the engine did not ask for is an error like others.
    """
    import asyncio

    async def step():
        raise asyncio.CancelledError

    found = fail(engine, single(step, max_attempts=1))

    assert found.error_type == "asyncio.exceptions.CancelledError"


def test_retry_says_when(engine, sql):
    """
    `Retry(after=…)` goes before the wait of the policy.
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=3600))
    calls = []

    @flow.step
    async def a():
        calls.append(1)
        if len(calls) == 1:
            raise Retry(after=timedelta(milliseconds=20), reason="busy")
        return "done"

    handle = engine.start(flow)

    assert handle.result() == {"a": "done"}
    (failure,) = sql.rows(FAILURES, handle.id)
    assert failure[0] == 1
    assert failure[1].endswith("Retry")
    assert failure[2] == "busy"


def test_retry_uses_up_attempts(engine):
    """
    Also a step that always asks for another attempt comes to an end.
    """

    async def step():
        raise Retry(after=0)

    assert fail(engine, single(step, max_attempts=3)).attempts == 3


def test_fail_is_final(engine):
    """
    `Fail` fails the task whatever attempts are left, with its reason.
    """
    calls = []

    async def step():
        calls.append(1)
        raise Fail("no such customer")

    error = fail(engine, single(step, retry=AT_ONCE))

    assert len(calls) == 1
    assert "no such customer" in error.message


def test_a_skipped_step_has_no_key(engine):
    """
    Neither in the result nor among the inputs of those that depend on it (F 84).
    """
    flow = make_workflow()

    @flow.step
    async def a():
        raise Skip("not needed")

    @flow.step
    async def b():
        return 1

    @flow.step(depends_on=["a", "b"])
    async def c(input):
        return sorted(input)

    @flow.step
    async def d():
        raise Skip

    handle = engine.start(flow, {})

    assert handle.result() == {"c": ["b"]}
    status, figures = handle.status()
    assert status == RunStatus.COMPLETED
    assert (figures["completed_steps"], figures["skipped_steps"]) == (2, 2)
    assert figures["steps"][0]["skip_reason"] == "not needed"


def test_a_parameter_of_a_skipped_dependency_keeps_its_default(engine):
    """
    Without a default it is None.
    """
    flow = make_workflow()

    @flow.step
    async def a():
        raise Skip

    @flow.step
    async def b(a="default"):
        return a

    @flow.step
    async def c(a):
        return a

    assert engine.execute(flow) == {"b": "default", "c": None}


@pytest.mark.parametrize(
    "reason", ["a \ud800 b", "a \x00 b", ValueError("x"), 5, "x" * 100_000]
)
def test_a_reason_that_cannot_be_stored_is_mended(engine, reason):
    """
    A skip with an odd reason is a skip, and holds up nobody else.
    """

    async def step():
        raise Skip(reason)

    handles = [engine.start(single(step)), engine.start(single(lambda: 1))]

    assert [handle.result() for handle in handles] == [{}, {"step": 1}]


class Unspeakable(Exception):
    """Its message raises."""

    def __str__(self):
        raise RuntimeError("unspeakable")


@pytest.mark.parametrize(
    "error",
    [ValueError("a \ud800 b"), ValueError("a \x00 b"), Unspeakable(), ValueError(5)],
    ids=["surrogate", "nul", "unspeakable", "number"],
)
def test_an_error_that_cannot_be_stored_is_mended(engine, error):
    """
    No error is lost for its words.
    """

    async def step():
        raise error

    found = fail(engine, single(step, max_attempts=1))

    assert (
        found.error_type
        == f"{type(error).__module__}.".replace("builtins.", "")
        + type(error).__qualname__
    )
    assert found.remote_traceback


def test_a_failed_attempt_is_logged(engine, caplog):
    """
    With the ids of the run and the step, and whether it is tried again.
    """
    flow, _ = failing(1, retry=AT_ONCE)
    with caplog.at_level(logging.INFO, logger="singularity_workflow"):
        handle = engine.start(flow)
        handle.result()

    (record,) = [one for one in caplog.records if "ValueError" in one.getMessage()]
    assert record.run_id == str(handle.id)
    assert (record.step, record.attempt, record.levelname) == ("step", 1, "WARNING")
    assert "is repeated" in record.getMessage()


def test_the_wait_grows_between_attempts(engine, sql):
    """
    The second wait is twice the first, by the timers that were set (K 131).
    """
    flow, _ = failing(
        2, retry=RetryPolicy(max_attempts=3, delay=0.02, backoff=3, jitter=False)
    )
    handle = engine.start(flow)
    handle.result()

    first, second = sql.rows(
        "select f.failed_at from singularity_workflow.task_failures f "
        "where f.run_id = %s order by f.attempt",
        handle.id,
    )
    started = sql.value(
        "select t.started_at from singularity_workflow.tasks t where t.run_id = %s",
        handle.id,
    )
    assert second - first >= timedelta(seconds=0.02)
    assert started - second >= timedelta(seconds=0.06)


def test_siblings_go_on_while_a_task_waits_for_its_retry(engine):
    """
    A retry of one element does not hold up the others.
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0.05, jitter=False))
    others = threading.Barrier(4, timeout=20)

    @flow.map
    def each(item, ctx):
        if item == 0 and ctx.attempt == 1:
            raise ValueError
        others.wait()
        return ctx.attempt

    # the barrier opens only when the second attempt of element 0 is there too
    assert engine.execute(flow, [0, 1, 2, 3]) == {"each": [2, 1, 1, 1]}
