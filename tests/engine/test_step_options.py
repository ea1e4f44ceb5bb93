"""Options of steps at run time: delays, and what a failed step means for its run."""

from __future__ import annotations

import pytest

from engine.support import fail, make_workflow, single, wait_until
from singularity_workflow import RunStatus

DELAY = 0.2


def boom():
    raise ValueError("boom")


def test_a_delayed_step_waits(engine):
    """
    Its task is there at once and waits for a timer (D 55).
    """
    handle = engine.start(single(lambda: 1, start_delay=3600))

    _, figures = handle.status()

    assert (figures["total_tasks"], figures["waiting_tasks"]) == (1, 1)
    handle.cancel()


def test_a_delay_comes_to_an_end(engine, sql):
    """
    Of root steps, of dependents and of maps (D 55, D 56, E 59).
    """
    flow = make_workflow()
    flow.step(name="a", start_delay=DELAY)(lambda: [1, 2])
    flow.map(name="b", over="a", start_delay=DELAY)(lambda item: item * 10)
    handle = engine.start(flow)

    assert handle.result() == {"b": [10, 20]}
    assert handle.status()[1]["duration"] >= 2 * DELAY


def test_a_failed_step_may_be_skipped(engine):
    """
    The run goes on without it (L 142, L 143, L 145).
    """
    flow = make_workflow(max_attempts=1)
    flow.step(name="a", on_failure="skip")(boom)
    flow.step(name="b")(lambda: "b")

    @flow.step(depends_on=["a", "b"])
    async def c(input):
        return sorted(input)

    @flow.step
    async def d(a):
        return a

    handle = engine.start(flow, {})

    assert handle.result() == {"c": ["b"], "d": None}
    status, figures = handle.status()
    assert status == RunStatus.COMPLETED
    assert [one["status"] for one in figures["steps"]] == [
        "skipped", "completed", "completed", "completed",
    ]  # fmt: skip


def test_a_failed_step_may_skip_what_depends_on_it(engine):
    """
    Step by step, and nothing else (L 153).
    """
    flow = make_workflow(max_attempts=1)
    ran = []
    flow.step(name="a", on_failure="skip_cascade")(boom)
    flow.step(name="b", depends_on="a")(lambda: ran.append("b"))
    flow.step(name="c", depends_on="b")(lambda: ran.append("c"))
    flow.step(name="d")(lambda: "d")

    assert engine.execute(flow) == {"d": "d"}
    assert ran == []


def test_the_only_step_may_be_skipped(engine):
    """
    The run completes, with an empty result (L 146).
    """
    assert engine.execute(single(boom, max_attempts=1, on_failure="skip")) == {}


def test_a_map_over_a_skipped_step_is_empty(engine):
    """
    It completes without tasks (L 147).
    """
    flow = make_workflow(max_attempts=1)
    flow.step(name="a", on_failure="skip")(boom)
    flow.map(name="b", over="a")(lambda item: item)

    assert engine.execute(flow) == {"b": []}


def test_attempts_are_used_up_before_a_step_is_skipped(engine):
    """
    The mode says what happens after the last one.
    """
    calls = []

    def step():
        calls.append(1)
        raise ValueError

    flow = single(step, on_failure="skip", retry={"max_attempts": 3, "delay": 0})

    assert engine.execute(flow) == {}
    assert len(calls) == 3


def test_a_failing_step_fails_the_run_by_default(engine):
    """
    The steps beside it are stopped, whatever their own mode is (L 141).
    """
    flow = make_workflow(max_attempts=1)
    stopped = []

    @flow.step(on_failure="skip")
    def beside(ctx):
        wait_until(lambda: ctx.cancelled, "ctx.cancelled")
        stopped.append(1)

    flow.step(name="bad")(boom)

    assert fail(engine, flow).step == "bad"
    wait_until(lambda: stopped, "the step beside to be stopped")


@pytest.mark.parametrize("priority", [-1000, 0, 1000])
def test_any_priority_runs(engine, priority):
    """
    From the lowest to the highest.
    """
    assert engine.execute(single(lambda: 1), priority=priority) == {"step": 1}
