"""What a user, a decomposer or a plan gets wrong ends as an error of ours, and soon."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from singularity_workflow import (
    DecompositionFailed,
    DefinitionError,
    InvalidInput,
    InvalidSetting,
    RunFailed,
)
from singularity_workflow.orchestrator import (
    NeedsReplan,
    Orchestrator,
    WorkflowComposer,
)

FORGED = [4, {"kept": {}, "options": {"allow": None}}]


def see(run_input):
    """Return the input that the run has."""
    return run_input


def plan(_goal):
    """Answer with one task."""
    return [{"id": "see"}]


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


@pytest.mark.parametrize("value", FORGED)
def test_a_goal_has_a_member_named_as_what_is_carried(composer, value):
    """Its tasks see it, as any other member."""
    found = composer.compose_from_goal({"_plan": value}, plan, {"see": see})

    assert found.result == {"see": {"_plan": value}}


@pytest.mark.parametrize("options", [
    {}, {"preserve_structure": True}, {"expansion": "lazy"},
])  # fmt: skip
@pytest.mark.parametrize("value", FORGED)
def test_a_plan_cannot_forge_what_is_carried(composer, options, value):
    """A member of that name in a nested goal is data, flat and nested alike."""

    def nest(goal):
        if goal == "outer":
            return [{"id": "inner", "goal": {"_plan": value}}]
        return [{"id": "see"}]

    found = composer.compose_from_goal("outer", nest, {"see": see}, **options)

    assert found.result == {"inner": {"see": {"goal": "outer", "_plan": value}}}


def test_a_decomposer_that_is_cancelled_has_failed(composer):
    """It is asked as often as `retry_attempts` says, and no more."""
    asked = []

    async def cancelled(_goal):
        asked.append(1)
        raise asyncio.CancelledError

    with pytest.raises(DecompositionFailed, match="cancelled, and not by us"):
        composer.compose_from_goal("goal", cancelled, {"see": see}, retry_attempts=1)

    assert len(asked) == 1


def test_decompose_goal_tries_again(engine):
    """What a decomposer raises is tried again, and in the end an error of ours."""
    asked = []

    def fail(_goal):
        asked.append(1)
        raise ValueError("no model")

    with pytest.raises(DecompositionFailed, match=r"failed 2 times.*no model"):
        Orchestrator(engine).decompose_goal(
            "goal", fail, {"see": see}, retry_attempts=2
        )

    assert len(asked) == 2


def test_decompose_goal_takes_too_long(engine):
    """`decompose_timeout` holds without a run too."""

    async def think(_goal):
        await asyncio.Event().wait()

    with pytest.raises(DecompositionFailed, match="took too long"):
        Orchestrator(engine).decompose_goal(
            "goal", think, {"see": see}, retry_attempts=1, decompose_timeout=0.01
        )


@pytest.mark.parametrize("functions", [None, [see], see])
def test_functions_that_are_no_mapping_are_refused(composer, functions):
    """They have no names."""
    with pytest.raises(DefinitionError, match="mapping of names to functions"):
        composer.compose_from_goal("goal", plan, functions)


def test_limits_that_are_no_limits_are_refused(composer):
    """A mapping in their place would be read by nobody."""
    with pytest.raises(InvalidSetting, match="limits must be Limits"):
        composer.compose_from_goal("goal", plan, {"see": see}, limits={"max_depth": 2})


@pytest.mark.parametrize("goals", [None, "words", {"goal": "words"}, 5])
def test_one_goal_is_no_list_of_goals(composer, goals):
    """Words are not run letter by letter."""
    with pytest.raises(InvalidInput, match="must be a list of goals"):
        composer.compose_multiple_workflows(goals, plan, {"see": see})


def test_the_error_of_a_goal_names_the_task(composer):
    """Which task it was, and what it raised, is in the message."""

    def broken():
        raise ZeroDivisionError("no such number")

    told = r"task 'broken' of run \S+ failed after 1 attempt: ZeroDivisionError: no"
    with pytest.raises(RunFailed, match=told):
        composer.compose_from_goal(
            "goal", lambda _: [{"id": "broken"}], {"broken": broken}, retry_attempts=1
        )


class Odd(BaseException):
    """Raised by those who want not to be caught."""


def thread(error):
    """Return a decomposer that runs in a thread."""

    def decompose(_goal):
        raise error

    return decompose


def coroutine(error):
    """Return a decomposer that runs on the event loop."""

    async def decompose(_goal):
        raise error

    return decompose


def awaitable(error):
    """Return a decomposer whose answer is awaited, though it is a plain function."""

    def decompose(goal):
        return coroutine(error)(goal)

    return decompose


ODD = [
    (make, error)
    for make in (thread, coroutine, awaitable)
    for error in (SystemExit(3), KeyboardInterrupt(), Odd("no"))
] + [(thread, GeneratorExit())]


@pytest.mark.parametrize(("make", "error"), ODD)
def test_a_decomposer_ends_no_more_than_its_attempt(composer, engine, make, error):
    """
    What would end a process is an error of ours, not tried again; the engine lives on.
    """
    name = type(error).__name__

    for ask in (
        composer.compose_from_goal,
        Orchestrator(engine).decompose_goal,
    ):
        with pytest.raises(DecompositionFailed, match=f"raised {name}"):
            ask("goal", make(error), {"see": see}, retry_attempts=3)

    assert composer.compose_from_goal("goal", plan, {"see": see}).result


def test_a_planner_ends_no_more_than_its_replan(composer):
    """The goal fails, with what was raised."""

    class Planner:
        decompose = staticmethod(lambda _goal: [{"id": "stop"}])

        def replan(self, _ctx):
            raise SystemExit(3)

    def stop():
        raise NeedsReplan("no way")

    with pytest.raises(DecompositionFailed, match="raised SystemExit: 3"):
        composer.compose_from_goal("goal", Planner(), {"stop": stop})


def test_no_graph_is_refused(composer, engine):
    """Nothing is no plan, and asks no decomposer."""
    for ask in (
        lambda: composer.compose_from_task_graph(None, {"see": see}),
        lambda: composer.compose_from_task_graph(
            None, {"see": see}, goal="goal", decomposer=plan
        ),
        lambda: Orchestrator(engine).create_workflow(None, {"see": see}),
    ):
        with pytest.raises(InvalidInput, match="task_graph must be a plan") as caught:
            ask()
        assert "compose_from_goal" in caught.value.hint


def test_nobody_decomposes(composer):
    """A goal without a decomposer is refused before it has a run."""
    with pytest.raises(DefinitionError, match="must be a function of the goal"):
        composer.compose_from_goal("goal", None, {"see": see})


def test_the_wrong_one_of_several_goals_is_named(composer):
    """By its place in the list."""
    with pytest.raises(InvalidInput, match=r"goals\[1\]: the goal is empty"):
        composer.compose_multiple_workflows(["a", None], plan, {"see": see})


def test_one_text_is_no_list_of_tags(composer):
    """It would be a tag for each letter."""
    with pytest.raises(InvalidSetting, match="tags must be a list"):
        composer.compose_from_goal("goal", plan, {"see": see}, tags="abc")


def test_the_traceback_of_a_decomposer_reaches_who_waits(composer):
    """With the frame in which it has failed."""

    def fails_here(goal):
        return goal["nothing"]

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal({"a": 1}, fails_here, {"see": see}, retry_attempts=1)

    failed = caught.value.__cause__
    assert isinstance(failed, RunFailed)
    assert "in fails_here" in failed.remote_traceback
    assert "KeyError: 'nothing'" in failed.remote_traceback


PROGRAM = """
import sys, threading
from singularity_workflow import Engine, RunTimeout
from singularity_workflow.orchestrator import Orchestrator

def hang(goal):
    threading.Event().wait()

with Engine(sys.argv[1]) as engine:
    try:
        Orchestrator(engine).execute_goal("goal", hang, {}, timeout=0.2)
    except RunTimeout:
        print("timeout")
"""


def test_a_decomposer_that_hangs_does_not_hold_up_the_end(dsn):
    """The program ends, though a thread of it cannot."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, dsn],
        capture_output=True, timeout=60, check=True, text=True,
    )  # fmt: skip

    assert ended.stdout == "timeout\n"


FAILING = """
import sys
from singularity_workflow import DecompositionFailed, Engine
from singularity_workflow.orchestrator import Orchestrator

with Engine(sys.argv[1]) as engine:
    try:
        Orchestrator(engine).execute_goal("goal", lambda goal: None, {})
    except DecompositionFailed:
        print("failed")
"""


def test_a_failure_is_for_who_waits_and_not_for_standard_error(dsn):
    """As with any run, in a program that sets up no logging."""
    ended = subprocess.run(
        [sys.executable, "-c", FAILING, dsn],
        capture_output=True, timeout=60, check=True, text=True,
    )  # fmt: skip

    assert (ended.stdout, ended.stderr) == ("failed\n", "")


def test_a_decomposer_may_raise_our_error_with_anything(engine):
    """
    The goal ends with it, whatever its issues are.
    """

    def decompose(goal):
        raise DecompositionFailed("no", hint=3, issues=["the oven is cold"])

    with pytest.raises(DecompositionFailed) as caught:
        WorkflowComposer(engine).compose_from_goal("bake", decompose, {"see": see})

    assert caught.value.hint == "3"
    assert [one.message for one in caught.value.issues] == ["the oven is cold"]
