"""What attempts and further plans use together, and what they cannot change."""

from __future__ import annotations

import asyncio

import pytest
from engine.support import unique

from singularity_workflow import DecompositionFailed, RunFailed
from singularity_workflow.orchestrator import (
    Limits,
    NeedsReplan,
    Orchestrator,
    WorkflowComposer,
)

ONCE = {"max_attempts": 1}


def fail(input):
    """Fail."""
    raise ValueError("it is broken")


def see(input):
    """Return what there is."""
    return input


FUNCTIONS = {"fail": fail, "see": see, "list": lambda: {"found": [1]}}


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


def codes_of(caught):
    """Return the codes of the issues of an error."""
    return [issue.code for issue in caught.value.issues]


class Spending:
    """
    A decomposer that counts a call each time.

    Args:
        fails: Whether it raises then.
    """

    def __init__(self, *, fails):
        self.seen = []
        self._fails = fails

    def decompose(self, goal, ctx):
        self.seen.append(ctx.budget.calls)
        ctx.budget.spend(calls=1)
        if self._fails:
            raise ValueError("the model is away")
        if ctx.depth == 1:
            return [{"id": "part", "goal": {"n": len(self.seen)}}]
        return [{"id": "see"}]


def test_attempts_that_fail_use_up_the_budget(composer):
    """
    An attempt begins with what those before it have left.
    """
    planner = Spending(fails=True)

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal(
            "goal", planner, FUNCTIONS, limits=Limits(max_calls=2), retry_attempts=9
        )

    assert planner.seen == [0, 1]
    assert codes_of(caught) == ["budget_exhausted"]


def test_attempts_of_a_preview_use_up_the_budget(engine):
    """
    As those of a goal that is run; another preview begins anew.
    """
    planner = Spending(fails=True)

    for _ in range(2):
        with pytest.raises(DecompositionFailed) as caught:
            Orchestrator(engine).decompose_goal(
                "goal", planner, FUNCTIONS, limits=Limits(max_calls=2), retry_attempts=9
            )
        assert codes_of(caught) == ["budget_exhausted"]

    assert planner.seen == [0, 1, 0, 1]


def test_nested_goals_without_a_plan_use_up_the_budget(composer):
    """
    However often the goal around them is planned anew.
    """
    seen = []

    def planner(goal, ctx):
        seen.append(ctx.budget.calls)
        ctx.budget.spend(calls=1)
        if ctx.depth == 1:
            return [{"id": f"p{len(seen)}", "goal": len(seen), "on_failure": "replan"}]
        raise ValueError("the model is away")

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal(
            "goal", planner, FUNCTIONS, expansion="lazy", retry_attempts=1,
            max_replans=50, limits=Limits(max_calls=5),
        )  # fmt: skip

    assert seen == [0, 1, 2, 3, 4]
    assert codes_of(caught) == ["budget_exhausted"]


def test_a_decomposer_that_hangs_ends_with_the_time(composer):
    """
    `Limits.timeout` is for the whole decomposition, and needs no other option.
    """

    async def hang(goal):
        await asyncio.Event().wait()

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal(
            "goal", hang, FUNCTIONS, limits=Limits(timeout=0.2), timeout=60
        )

    assert codes_of(caught) == ["budget_exhausted"]


class Replanning:
    """
    A decomposer with a plan, and what makes the next one.

    Args:
        plan: The plan.
        replan: Takes the context.
    """

    def __init__(self, plan, replan):
        self._plan = plan
        self.replan = replan

    def decompose(self, goal):
        return self._plan


BROKEN = [
    {"id": "list"},
    {"id": "fail", "depends_on": ["list"], "on_failure": "replan", "retry": ONCE},
]


def test_a_planner_that_hangs_ends_with_the_time(composer):
    """
    The time is for all plans of the goal.
    """

    async def hang(ctx):
        await asyncio.Event().wait()

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal(
            "goal", Replanning(BROKEN, hang), FUNCTIONS, limits=Limits(timeout=0.3),
            timeout=60,
        )  # fmt: skip

    assert codes_of(caught) == ["budget_exhausted"]


def test_a_planner_cannot_change_what_has_completed(composer):
    """
    It gets outputs and plan to look at: those that are kept are not the same objects.
    """

    def meddle(ctx):
        ctx.completed["list"]["found"].append("not found")
        ctx.completed["other"] = 1
        ctx.inputs["goal"] = "another"
        ctx.graph.tasks[0].args["x"] = 1
        return [{"id": "see", "depends_on": ["list"]}]

    found = composer.compose_from_goal("goal", Replanning(BROKEN, meddle), FUNCTIONS)

    assert found.result == {
        "see": {"goal": "goal", "found": [1], "list": {"found": [1]}}
    }


def test_what_was_given_up_is_told_at_the_end(composer):
    """
    With running="finish" the run of the plan completes; the error is the task's.
    """
    with pytest.raises(RunFailed, match="ValueError: it is broken; the"):
        composer.compose_from_goal(
            "goal", Replanning(BROKEN, lambda ctx: BROKEN), FUNCTIONS,
            running="finish", max_replans=1,
        )  # fmt: skip


@pytest.mark.parametrize(
    "tree",
    [
        '{"graph": {"goal": "another", "tasks": [{"id": "list"}]}}',
        '{"graph": {"goal": "goal", "tasks": [{"id": "see", "args": {"input": 1e400}}]}}',  # noqa: E501
        "[" * 5_000 + "]" * 5_000,
        '{"graph": {"goal": 1e400, "tasks": [{"id": "see"}]}}',
    ],
)
def test_a_cached_plan_that_is_damaged_is_asked_for_anew(composer, sql, tree):
    """
    A plan of another goal, of what is no JSON, or what nobody can read.
    """

    def plan(goal):
        return [{"id": "see"}]

    plan.version, plan.__name__ = "1", unique()
    composer.compose_from_goal("goal", plan, FUNCTIONS, cache=True)
    sql.rows(
        "update singularity_workflow.goal_plans set tree = %s::json "
        "where decomposer = %s",
        tree,
        plan.__name__,
    )

    found = composer.compose_from_goal(
        "goal", plan, FUNCTIONS, cache=True, retry_attempts=1
    )

    assert found.result == {"see": {"goal": "goal"}}
    assert not found.stats["cached"]


def test_a_task_that_asks_for_a_plan_is_told_at_the_end(composer):
    """
    With its reason, when there were enough plans.
    """

    def ask(input):
        raise NeedsReplan("no road")

    with pytest.raises(RunFailed, match="NeedsReplan: no road"):
        composer.compose_from_goal(
            "goal", lambda goal: [{"id": "ask"}], {"ask": ask}, max_replans=0
        )


def test_wide_goals_can_be_child_runs(composer):
    """
    What would be too many edges in one run is none where each goal is its own.
    """

    def plan(goal):
        if goal == "goal":
            return [
                {"id": "a", "goal": "A"},
                {"id": "b", "goal": "B", "depends_on": ["a"]},
            ]
        return [{"id": f"t{n}", "handler": "one"} for n in range(500)]

    functions = {"one": lambda: 1}
    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal("goal", plan, functions)
    assert codes_of(caught) == ["fan_out_limit"]

    found = composer.compose_from_goal("goal", plan, functions, preserve_structure=True)

    assert len(found.result["b"]) == 500
