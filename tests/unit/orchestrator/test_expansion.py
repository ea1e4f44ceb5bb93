"""expand: level by level, within limits, with every issue in its place."""

from __future__ import annotations

import asyncio
import threading

import pytest

from singularity_workflow.orchestrator import Budget, Limits
from unit.orchestrator.running import decompose

FUNCTIONS = {"work": lambda input: input}


def table(**goals):
    """Return a decomposer that answers from a table."""
    return lambda goal: goals[goal]


def codes_of(found):
    """Return each issue's code and pointer."""
    return [(issue.code, issue.pointer) for issue in found.issues]


def test_goals_among_the_tasks_are_decomposed_breadth_first():
    """
    All goals of one level are decomposed before any of the next.
    """
    asked = []
    plans = {
        "goal": [{"id": "a", "goal": "A"}, {"id": "b", "goal": "B"}],
        "A": [{"id": "c", "goal": "C"}],
        "B": [{"id": "work"}],
        "C": [{"id": "work"}],
    }

    def answer(goal, ctx):
        asked.append((goal, ctx.depth, ctx.path))
        return plans[goal]

    found = decompose(answer, functions=FUNCTIONS)

    assert asked == [
        ("goal", 1, ()), ("A", 2, ("a",)), ("B", 2, ("b",)), ("C", 3, ("a", "c")),
    ]  # fmt: skip
    assert found.tree.nested["a"].nested["c"].graph.goal == "C"
    assert found.expansions == 4


def test_the_context_tells_where_a_goal_stands():
    """
    A decomposer learns the functions, what its tasks will see, and its siblings.
    """
    seen = {}
    plans = {
        "goal": [{"id": "work"}, {"id": "a", "goal": {"size": 2}, "args": {"x": 1}}],
    }

    def answer(goal, ctx):
        seen[ctx.depth] = ctx
        return plans["goal"] if goal == "goal" else [{"id": "work"}]

    decompose(answer, functions=FUNCTIONS)

    assert seen[1].catalog.names == ("work",)
    assert seen[2].inputs == {"goal": "goal", "size": 2, "x": 1}
    assert [task.id for task in seen[2].siblings] == ["work", "a"]
    assert seen[2].seed == int(seen[2].goal_hash[:8], 16)


def test_issues_of_an_inner_plan_say_where_it_is():
    """
    The pointer leads through the task whose goal was decomposed.
    """
    plans = {
        "goal": [{"id": "work"}, {"id": "a", "goal": "A"}],
        "A": [{"id": "x", "handler": "wrok"}],
    }

    found = decompose(lambda goal: plans[goal], functions=FUNCTIONS)

    (issue,) = found.issues
    assert codes_of(found) == [("unknown_handler", "/tasks/1/tasks/0/handler")]
    assert issue.message.startswith("in a: ")
    assert issue.hint == "Did you mean 'work'?"


@pytest.mark.parametrize("goal", ["goal", "A"])
def test_a_goal_within_itself_is_a_loop(goal):
    """
    The same goal further down is told at once, not at the depth limit.
    """
    plans = {
        "goal": [{"id": "a", "goal": "A"}],
        "A": [{"id": "b", "goal": goal}],
    }

    found = decompose(lambda goal: plans[goal], functions=FUNCTIONS)

    assert codes_of(found) == [("recursion_loop", "/tasks/0/tasks/0/goal")]


def test_the_same_goal_side_by_side_is_no_loop():
    """
    Only ancestors count.
    """
    plans = {
        "goal": [{"id": "a", "goal": "A"}, {"id": "b", "goal": "A"}],
        "A": [{"id": "work"}],
    }

    assert decompose(lambda goal: plans[goal], functions=FUNCTIONS).issues == ()


def test_the_order_of_members_makes_no_other_goal():
    """
    A goal is known by its canonical JSON.
    """
    first, again = {"a": 1, "b": [2]}, {"b": [2], "a": 1}

    found = decompose(lambda goal: [{"id": "x", "goal": again}], first)

    assert codes_of(found) == [("recursion_loop", "/tasks/0/goal")]


def test_lazy_expansion_stops_after_the_first_level():
    """
    What is decomposed when it is ready is not decomposed before.
    """
    found = decompose(
        lambda goal: [{"id": "a", "goal": "A"}], functions=FUNCTIONS, mode="lazy"
    )

    assert found.tree.nested == {}
    assert found.expansions == 1


def test_an_empty_inner_plan_is_an_issue():
    """
    A goal of nothing is told, and not dropped.
    """
    found = decompose(table(goal=[{"id": "a", "goal": "A"}], A=[]))

    assert codes_of(found) == [("empty", "/tasks/0/tasks")]


def test_a_path_to_what_an_inner_plan_does_not_give_is_an_issue():
    """
    It can only be known when the goal was decomposed.
    """
    found = decompose(
        table(
            goal=[
                {"id": "a", "goal": "A"},
                {
                    "id": "b",
                    "handler": "take",
                    "args": {"x": {"task": "a", "path": "/y"}},
                },
            ],
            A=[{"id": "work"}],
        ),
        functions={**FUNCTIONS, "take": lambda x: x},
    )

    assert codes_of(found) == [("bad_ref_path", "/tasks/1/args/x/path")]
    assert "'work'" in found.issues[0].hint


@pytest.mark.parametrize(
    ("limits", "spent"),
    [
        (Limits(max_calls=2), {"calls": 2}),
        (Limits(max_tokens=100), {"tokens": 100}),
        (Limits(max_expansions=1), {}),
    ],
)
def test_a_budget_that_is_used_up_ends_it(limits, spent):
    """
    Nothing is asked that there is no budget for.
    """

    def answer(goal, ctx):
        ctx.budget.spend(**spent)
        return [{"id": "a", "goal": [goal]}]

    found = decompose(answer, limits=limits)

    assert codes_of(found) == [("budget_exhausted", "/tasks/0/goal")]


def test_time_is_a_budget():
    """
    The limit holds for the whole decomposition, by a clock that never goes back.
    """
    now = [0.0]
    limits = Limits(timeout=5)

    def answer(goal):
        now[0] += 4
        return [{"id": "a", "goal": [goal]}]

    found = decompose(
        answer, limits=limits, budget=Budget(limits, clock=lambda: now[0])
    )

    assert codes_of(found) == [("budget_exhausted", "/tasks/0/tasks/0/goal")]


def test_the_plan_cannot_change_the_goal():
    """
    Whatever an answer says, its goal is the one that was asked for.
    """
    found = decompose(
        lambda goal: {"goal": "take over the world", "tasks": [{"id": "work"}]},
        functions=FUNCTIONS,
    )

    assert found.tree.graph.goal == "goal"


def test_an_error_of_the_decomposer_comes_through():
    """
    What is no plan but a bug is not hidden among issues.
    """

    def broken(goal):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decompose(broken)


def in_two_ways(goal):
    """Answer with two goals of which each waits for the other, then with work."""
    if goal == "goal":
        return [{"id": "a", "goal": "A"}, {"id": "b", "goal": "B"}]
    return [{"id": "work"}]


def test_goals_of_one_level_may_be_decomposed_at_once():
    """
    Each answers only when the other was asked too, and the tree is the same.
    """
    together = threading.Barrier(2, timeout=20)

    def answer(goal):
        if goal != "goal":
            together.wait()
        return in_two_ways(goal)

    found = decompose(answer, functions=FUNCTIONS, concurrency=2)

    assert found.tree == decompose(in_two_ways, functions=FUNCTIONS).tree


def test_no_more_goals_are_decomposed_at_once_than_may_be():
    """
    By default it is one after the other.
    """
    asked, most = [], []

    async def answer(goal):
        asked.append(goal)
        most.append(len(asked))
        await asyncio.sleep(0)
        asked.remove(goal)
        return in_two_ways(goal)

    decompose(answer, functions=FUNCTIONS)

    assert max(most) == 1


def test_when_one_of_several_at_once_raises_the_others_are_stopped():
    """
    Nothing of a decomposition goes on behind the back of its caller.
    """
    ended = []

    async def answer(goal):
        if goal == "A":
            raise ValueError("no")
        if goal == "B":
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(goal)
        return in_two_ways(goal)

    with pytest.raises(ValueError, match="no"):
        decompose(answer, functions=FUNCTIONS, concurrency=2)

    assert ended == ["B"]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_decomposer_that_does_not_answer_in_time_is_an_issue(depth):
    """
    The time is for all levels together, and one that hangs does not pass it.
    """

    async def answer(goal, ctx):
        if ctx.depth == depth:
            await asyncio.Event().wait()
        return [{"id": "a", "goal": "A"}]

    found = decompose(answer, functions=FUNCTIONS, limits=Limits(timeout=0.05))

    pointer = "/goal" if depth == 1 else "/tasks/0/goal"
    assert codes_of(found) == [("budget_exhausted", pointer)]
    assert "Raise timeout" in found.issues[0].hint


def test_a_timeout_of_a_decomposers_own_is_its_failure():
    """
    It is not taken for the end of the time that there is.
    """

    async def answer(goal):
        raise TimeoutError("the model is slow")

    with pytest.raises(TimeoutError, match="the model is slow"):
        decompose(answer, functions=FUNCTIONS, limits=Limits(timeout=60))


def test_a_decomposer_gets_a_goal_of_its_own():
    """
    What it does to the goal and the inputs is not in the plan.
    """

    def answer(goal, ctx):
        goal["size"] = 99
        ctx.inputs["list"].append("more")
        if ctx.depth == 1:
            return [{"id": "a", "goal": {"list": [1], "size": 1}}]
        return [{"id": "work"}]

    goal = {"list": [], "size": 0}
    found = decompose(answer, goal, functions=FUNCTIONS)

    assert goal == {"list": [], "size": 0}
    assert found.tree.graph.goal == goal
    assert found.tree.nested["a"].graph.goal == {"list": [1], "size": 1}
