"""A goal that fails says which task it was, however deep that is."""

from __future__ import annotations

from uuid import UUID

import pytest

from singularity_workflow import RunFailed
from singularity_workflow.orchestrator import (
    NeedsReplan,
    Orchestrator,
    WorkflowComposer,
)

ONCE = {"max_attempts": 1}
MODES = [{}, {"preserve_structure": True}, {"expansion": "lazy"}]
NAMES = ["flat", "kept", "lazy"]


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


@pytest.fixture
def fail(engine, composer):
    """Run a goal that fails; return its error, after a look at its status."""

    def run(decomposer, functions, **options):
        with pytest.raises(RunFailed) as caught:
            composer.compose_from_goal("goal", decomposer, functions, **options)
        error = caught.value
        _, told = composer.get_execution_status(error.run_id)
        assert told["error"]["run_id"] == str(error.failed_run_id)
        assert told["error"]["step"] == error.step
        assert told["error"]["attempts"] == error.attempts
        assert told["error"]["error"]["type"] == error.error_type
        return error

    return run


def broken():
    """Fail."""
    raise ZeroDivisionError("no such number")


def never():
    """Ask for another plan."""
    raise NeedsReplan("not so")


@pytest.mark.parametrize("options", MODES, ids=NAMES)
def test_a_nested_task_is_named(fail, engine, options):
    """With its error, its attempts and its run, as if the goal had been one run."""

    def decompose(goal):
        if goal == "goal":
            return [{"id": "outer", "goal": "middle"}]
        if goal == "middle":
            return [{"id": "inner", "goal": "last"}]
        retry = {"max_attempts": 2, "delay": 0}
        return [{"id": "broken", "retry": retry}]

    error = fail(decompose, {"broken": broken}, **options)

    name = "broken" if options else "outer__inner__broken"
    assert (error.step, error.attempts) == (name, 2)
    assert error.error_type == "ZeroDivisionError"
    assert "in broken" in error.remote_traceback
    assert f"task {name!r} of run {error.failed_run_id} failed after 2" in str(error)
    assert str(error.run_id) in str(error)
    _, told = engine.get_run_status(error.failed_run_id)
    assert told["error"]["step"] == name


class Replanner:
    """
    A decomposer whose plans all fail.

    Args:
        plans: They.
    """

    def __init__(self, *plans):
        self._plans = iter(plans)

    def decompose(self, goal):
        """Return the first plan."""
        return next(self._plans)

    def replan(self, ctx):
        """Return the next one."""
        return next(self._plans)


@pytest.mark.parametrize("running", ["cancel", "finish"])
@pytest.mark.parametrize("replans", [0, 1])
def test_after_a_replan_it_is_the_last_plans_failure(fail, running, replans):
    """Whether the others were cancelled or not, and whether it gave up or not."""
    retry = {"max_attempts": 2, "delay": 0}
    error = fail(
        Replanner(
            [{"id": "first", "on_failure": "replan", "retry": retry}],
            [{"id": "second", "on_failure": "replan", "retry": retry}],
        ),
        {"first": never if replans else broken, "second": broken},
        max_replans=replans,
        running=running,
    )

    assert error.step == ("second" if replans else "first")
    assert (error.error_type, error.attempts) == ("ZeroDivisionError", 2)
    assert f"max_replans is {replans}" in error.message


def test_a_goal_in_place_of_a_function_is_named(fail):
    """Its own task has failed last."""

    def decompose(goal):
        if goal == "another way":
            return [{"id": "broken", "retry": ONCE}]
        task = {"id": "make", "handler": "never", "goal": "another way", "retry": ONCE}
        return [task]

    def never(input):
        raise OSError("no current")

    error = fail(decompose, {"broken": broken, "never": never})

    assert (error.step, error.error_type) == ("broken", "ZeroDivisionError")


def test_a_function_that_was_tried_is_named_as_its_task(fail):
    """The step of the run in which it was tried is ours."""
    task = {"id": "make", "handler": "never", "goal": "another way", "retry": ONCE}

    error = fail(lambda _: [task], {"never": never}, max_replans=0)

    assert (error.step, error.message.count("not so")) == ("make", 1)
    assert error.error_type.endswith("NeedsReplan")


def test_the_task_of_an_element_is_named(fail):
    """A goal for each element of a list fails with the one that failed."""

    def decompose(goal):
        if goal == "visit":
            return [{"id": "pick", "retry": ONCE}]
        return [
            {"id": "cities"},
            {"id": "go", "goal": "visit", "map_over": {"task": "cities"}},
        ]

    def pick(input):
        if input["item"] == "bonn":
            raise ZeroDivisionError("no train")

    error = fail(decompose, {"cities": lambda: ["ulm", "bonn"], "pick": pick})

    assert (error.step, error.error_type) == ("pick", "ZeroDivisionError")


@pytest.mark.parametrize("policy", ["best_effort", "fail_fast"])
def test_several_goals_tell_the_same(composer, policy):
    """An error in the place of a result is that of the task."""
    (error,) = composer.compose_multiple_workflows(
        ["goal"], lambda _: [{"id": "broken", "retry": ONCE}], {"broken": broken},
        policy=policy,
    )  # fmt: skip

    assert (error.step, error.attempts) == ("broken", 1)
    assert error.error_type == "ZeroDivisionError"


def test_a_plan_run_that_somebody_cancels_fails_the_goal(engine):
    """There is no task then: it is the step that waited for the run."""
    orchestrator = Orchestrator(engine)

    def stop(ctx):
        engine.cancel_workflow_run(ctx.run_id, reason="enough")

    handle = orchestrator.start_goal("goal", lambda _: [{"id": "stop"}], {"stop": stop})
    with pytest.raises(RunFailed, match="enough") as caught:
        handle.result(timeout=25)

    assert caught.value.step == "_execute"
    assert caught.value.failed_run_id == handle.id


def test_the_error_of_a_run_names_itself(engine):
    """Of a run that is no goal's the run of the step is the run."""
    from singularity_workflow import Workflow

    flow = Workflow("plain_failure")
    flow.step(name="broken", max_attempts=1)(broken)

    with pytest.raises(RunFailed) as caught:
        engine.execute(flow)

    assert isinstance(caught.value.run_id, UUID)
    assert caught.value.failed_run_id == caught.value.run_id
