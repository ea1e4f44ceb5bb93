"""Goals whose plan is made anew, on a real database."""

from __future__ import annotations

import asyncio
import threading

import pytest
from engine.support import run, unique

from singularity_workflow import AsyncEngine, DecompositionFailed, RunFailed, Worker
from singularity_workflow.orchestrator import (
    Limits,
    NeedsReplan,
    Orchestrator,
    WorkflowComposer,
)

NO_RETRY = {"max_attempts": 1}


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


class Log:
    """
    Functions that write down that they ran.

    Args:
        broken: Those that fail.
    """

    def __init__(self, *broken):
        self.ran = []
        self._broken = broken

    def function(self, name):
        def work(input):
            self.ran.append(name)
            if name in self._broken:
                raise ValueError(f"{name} is broken")
            return {"by": name, "saw": sorted(input)}

        return work

    def catalog(self, names):
        return {name: self.function(name) for name in names}


class Planner:
    """
    A decomposer that replans.

    Args:
        plan: Its first answer.
        remainders: Its answers after that.
    """

    def __init__(self, plan, *remainders):
        self.plan = plan
        self.remainders = list(remainders)
        self.asked = []

    def decompose(self, goal):
        return self.plan

    def replan(self, ctx):
        self.asked.append(ctx)
        return self.remainders[len(self.asked) - 1]


def step(name, *needs, **members):
    """Return a task."""
    return {"id": name, "depends_on": list(needs), **members}


FRAGILE = step("b", "a", on_failure="replan", retry=NO_RETRY)


def test_the_remainder_comes_instead_of_what_has_not_completed(composer, engine):
    """
    What was done is kept, seen by the new tasks, and not done again.
    """
    log = Log("b")
    planner = Planner(
        [step("a"), FRAGILE, step("c", "b")],
        [step("b2", "a"), step("c", "b2")],
    )

    found = composer.compose_from_goal(
        "goal", planner, log.catalog(["a", "b", "b2", "c"])
    )

    assert log.ran == ["a", "b", "b2", "c"]
    assert found.result == {"c": {"by": "c", "saw": ["b2", "by", "goal", "saw"]}}
    assert found.revisions == found.stats["revisions"] == 1
    assert [[task.id for task in graph.tasks] for graph in found.graphs] == [
        ["a", "b", "c"],
        ["a", "b2", "c"],
    ]
    assert found.graph == found.graphs[-1]
    assert engine.get_run_status(found.run_id)[1]["failed_steps"] == 0
    stats = Orchestrator(engine).get_execution_stats(found.run_id)
    assert stats["revisions"] == 1


def test_the_planner_is_told_what_there_is(composer):
    """
    The plan, what has completed with its output, what failed and why, and the rest.
    """
    planner = Planner([step("a"), FRAGILE, step("c", "b")], [step("d", "a")])

    composer.compose_from_goal(
        {"size": 3}, planner, Log("b").catalog(["a", "b", "c", "d"])
    )

    (ctx,) = planner.asked
    assert ctx.graph.goal == {"size": 3}
    assert [task.id for task in ctx.graph.tasks] == ["a", "b", "c"]
    assert ctx.completed == {"a": {"by": "a", "saw": ["size"]}}
    assert (ctx.failed.task, ctx.failed.kind) == ("b", "ValueError")
    assert (ctx.failed.message, ctx.failed.attempts) == ("b is broken", 1)
    assert (ctx.running, ctx.pending, ctx.revision) == ([], ["c"], 1)
    assert ctx.failures == (ctx.failed,)


def test_a_task_may_ask_for_it(composer):
    """
    NeedsReplan ends it at once, whatever attempts are left.
    """
    attempts = []

    def look(input):
        attempts.append(1)
        raise NeedsReplan("the file is a directory")

    planner = Planner([step("look")], [step("walk")])

    found = composer.compose_from_goal(
        "goal", planner, {"look": look, "walk": lambda: "walked"}, retry_attempts=5
    )

    assert found.result == {"walk": "walked"}
    assert attempts == [1]
    assert planner.asked[0].failed.message == "the file is a directory"


def test_a_decomposer_that_cannot_replan_is_asked_again(composer):
    """
    It gets the failures; tasks of its answer that are as they were are kept.
    """
    log, seen = Log("b"), []

    def decompose(goal, ctx):
        seen.append([one.message for one in ctx.failures])
        middle = "b2" if ctx.failures else "b"
        return [step("a"), {**FRAGILE, "id": middle}, step("c", middle)]

    found = composer.compose_from_goal(
        "goal", decompose, log.catalog(["a", "b", "b2", "c"])
    )

    assert seen == [[], ["b is broken"]]
    assert log.ran == ["a", "b", "b2", "c"]
    assert found.revisions == 1


def test_completed_tasks_cannot_be_planned_again(composer):
    """
    Not with another function: that is an issue, and the goal fails with it.
    """
    log = Log("b")
    planner = Planner([step("a"), FRAGILE], [step("a", handler="c"), step("c", "a")])

    with pytest.raises(DecompositionFailed, match="'a' has completed") as caught:
        composer.compose_from_goal("goal", planner, log.catalog("abc"))

    assert [(one.code, one.pointer) for one in caught.value.issues] == [
        ("completed_task", "/tasks/0/id")
    ]
    assert log.ran == ["a", "b"]


def test_a_remainder_is_checked_like_any_plan(composer):
    """
    With all that is wrong with it.
    """
    planner = Planner([step("a"), FRAGILE], [step("x", "y", handler="nothing")])

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal("goal", planner, Log("b").catalog("ab"))

    assert {one.code for one in caught.value.issues} == {
        "unknown_dependency",
        "unknown_handler",
    }


@pytest.mark.parametrize("most", [0, 1, 2])
def test_there_are_only_so_many_revisions(composer, most):
    """
    Then the goal fails, with what has stopped the last plan.
    """
    planner = Planner(*([[step("a"), FRAGILE]] * 4))
    log = Log("b")

    with pytest.raises(RunFailed, match=f"b is broken.*max_replans is {most}"):
        composer.compose_from_goal("goal", planner, log.catalog("ab"), max_replans=most)

    assert len(planner.asked) == most
    assert log.ran == ["a"] + ["b"] * (most + 1)


def test_each_revision_keeps_what_all_before_it_have_done(composer):
    """
    P9: over several plans no completed task runs again.
    """
    log = Log("b", "d")
    planner = Planner(
        [step("a"), FRAGILE],
        [step("c", "a"), step("d", "c", on_failure="replan", retry=NO_RETRY)],
        [step("e", "a", "c")],
    )

    found = composer.compose_from_goal("goal", planner, log.catalog("abcde"))

    assert log.ran == ["a", "b", "c", "d", "e"]
    assert found.result["e"]["saw"] == ["a", "by", "c", "goal", "saw"]
    assert found.revisions == 2
    assert set(planner.asked[1].completed) == {"a", "c"}


def test_kept_outputs_are_the_same_to_the_byte(composer, sql):
    """
    P9: whatever JSON they are.
    """
    name = unique("bytes")
    value = {"z": 1, "a": [1.0, 1e22, "é\u2028", None, {"": 0.1}], "n": 2**53 + 1}
    planner = Planner([step("a"), FRAGILE], [step("c", args={"got": {"task": "a"}})])

    found = composer.compose_from_goal(
        "goal",
        planner,
        {"a": lambda: value, "b": Log("b").function("b"), "c": lambda got: got},
        workflow_name=name,
    )

    assert found.result == {"c": value}
    texts = sql.rows(
        "select s.output::text from singularity_workflow.step_states s"
        " join singularity_workflow.runs r using (run_id)"
        " join singularity_workflow.workflows w using (workflow_id)"
        " join singularity_workflow.workflow_steps t"
        " on t.workflow_id = w.workflow_id and t.step_no = s.step_no"
        " where w.name like %s and t.name in ('a', 'c') and s.status = 'completed'",
        f"{name}%",
    )
    assert len(texts) == 2
    assert len(set(texts)) == 1


def test_what_was_final_and_completed_stays_in_the_result(composer):
    """
    What was on the way to something that was given up does not.
    """
    log = Log("b")
    planner = Planner([step("a"), FRAGILE, step("done")], [step("x")])

    found = composer.compose_from_goal(
        "goal", planner, log.catalog(["a", "b", "done", "x"])
    )

    # the other branch may or may not have been through before the failure
    assert {"x"} <= set(found.result) <= {"x", "done"}


def test_a_remainder_may_be_empty(composer):
    """
    What was done is all that is needed.
    """
    planner = Planner(
        [step("a"), FRAGILE],
        {"tasks": [], "outputs": {"it": {"task": "a", "path": "/by"}}},
    )

    found = composer.compose_from_goal("goal", planner, Log("b").catalog("ab"))

    assert found.result == {"it": "a"}


def test_only_the_goal_that_needs_it_is_planned_anew(composer):
    """
    The rest of the plan stays as it is, and so does what is done in the nested goal.
    """
    log = Log("dig")

    class Nested:
        def __init__(self):
            self.asked = []

        def decompose(self, goal):
            if goal == "cellar":
                return [
                    step("mark"),
                    step("dig", "mark", on_failure="replan", retry=NO_RETRY),
                ]
            return [
                step("plan"),
                step("build", "plan", goal="cellar"),
                step("paint", "build"),
            ]

        def replan(self, ctx):
            self.asked.append(ctx)
            return [step("blast", "mark")]

    planner = Nested()

    found = composer.compose_from_goal(
        "house", planner, log.catalog(["plan", "mark", "dig", "blast", "paint"])
    )

    assert log.ran == ["plan", "mark", "dig", "blast", "paint"]
    assert found.result["paint"]["saw"] == ["blast", "build", "goal"]
    (ctx,) = planner.asked
    assert (ctx.path, ctx.depth, ctx.graph.goal) == (("build",), 2, "cellar")
    assert set(ctx.completed) == {"mark"}


def test_a_compound_task_may_need_another_plan_around_it(composer):
    """
    Its own on_failure says that the graph is planned anew which it is in.
    """
    log = Log("dig")

    class Outer:
        def decompose(self, goal):
            if goal == "cellar":
                return [step("mark"), step("dig", "mark", retry=NO_RETRY)]
            return [
                step("plan"),
                step("build", "plan", goal="cellar", on_failure="replan"),
            ]

        def replan(self, ctx):
            assert (ctx.path, ctx.failed.task) == ((), "build")
            return [step("tent", "plan")]

    for options in ({}, {"preserve_structure": True}, {"expansion": "lazy"}):
        log.ran.clear()

        found = composer.compose_from_goal(
            "house", Outer(), log.catalog(["plan", "mark", "dig", "tent"]), **options
        )

        assert set(found.result) == {"tent"}
        assert log.ran == ["plan", "mark", "dig", "tent"]


def test_what_runs_beside_is_cancelled(composer):
    """
    By default: the planner is told that it was under way, and may plan it again.
    """
    began, ends = threading.Event(), []

    async def slow(input):
        began.set()
        if ends:
            return "slow"
        ends.append("begun")
        return await asyncio.Event().wait()

    def fragile(input):
        began.wait(timeout=20)
        raise ValueError("broken")

    planner = Planner(
        [step("slow"), step("b", on_failure="replan", retry=NO_RETRY)],
        [step("slow")],
    )

    found = composer.compose_from_goal("goal", planner, {"slow": slow, "b": fragile})

    assert found.result == {"slow": "slow"}
    assert planner.asked[0].running == ["slow"]


def test_what_runs_beside_may_finish(composer):
    """
    With running="finish" all that does not depend on the failed task is done first.
    """
    failed, ran = threading.Event(), []

    def slow(input):
        ran.append("slow")
        failed.wait(timeout=20)
        return "slow"

    def fragile(input):
        failed.set()
        raise ValueError("broken")

    def after(slow):
        ran.append("after")
        return slow

    planner = Planner(
        [
            step("slow"), step("after", "slow"), step("c", "b"),
            step("b", on_failure="replan", retry=NO_RETRY),
        ],
        [step("x", "after")],
    )  # fmt: skip

    found = composer.compose_from_goal(
        "goal",
        planner,
        {
            "slow": slow,
            "b": fragile,
            "after": after,
            "c": lambda b: b,
            "x": lambda after: after,
        },
        running="finish",
    )

    assert found.result == {"x": "slow"}
    assert ran == ["slow", "after"]
    assert set(planner.asked[0].completed) == {"slow", "after"}
    assert planner.asked[0].pending == ["c"]


def test_finishing_costs_nothing_that_is_seen_if_nothing_fails(composer):
    """
    The result is the same, and there is no revision.
    """
    planner = Planner([step("a"), step("b", "a", on_failure="replan")])

    found = composer.compose_from_goal(
        "goal", planner, Log().catalog("ab"), running="finish"
    )

    assert set(found.result) == {"b"}
    assert found.revisions == 0
    assert len(found.graphs) == 1


def test_maps_and_references_into_what_is_kept(composer):
    """
    A new task maps over an old output, and takes parts of it.
    """
    planner = Planner(
        [step("list"), step("b", "list", on_failure="replan", retry=NO_RETRY)],
        [
            {
                "id": "double", "map_over": {"task": "list", "path": "/all"},
                "args": {"by": {"task": "list", "path": "/by"}},
            }
        ],
    )  # fmt: skip
    functions = {
        "list": lambda: {"all": [1, 2, 3], "by": 2},
        "b": Log("b").function("b"),
        "double": lambda item, by: item * by,
    }

    found = composer.compose_from_goal("goal", planner, functions)

    assert found.result == {"double": [2, 4, 6]}


def test_skipped_tasks_stay_skipped(composer):
    """
    Who depends on one still gets nothing from it, and it is not tried again.
    """
    log = Log("s", "b")
    planner = Planner(
        [
            step("s", on_failure="skip", retry=NO_RETRY),
            {**FRAGILE, "depends_on": ["s"]},
        ],
        [step("c", "s")],
    )

    found = composer.compose_from_goal("goal", planner, log.catalog("sbc"))

    assert log.ran == ["s", "b", "c"]
    assert found.result == {"c": {"by": "c", "saw": ["goal"]}}


def test_the_budget_holds_over_all_plans(composer):
    """
    What the first plan has used is not there for the second one.
    """

    def decompose(goal, ctx):
        ctx.budget.spend(calls=1, tokens=10)
        return [step("a"), FRAGILE]

    with pytest.raises(DecompositionFailed, match="30 tokens") as caught:
        composer.compose_from_goal(
            "goal", decompose, Log("b").catalog("ab"), max_replans=50,
            limits=Limits(max_tokens=30),
        )  # fmt: skip

    assert [one.code for one in caught.value.issues] == ["budget_exhausted"]


def test_without_a_decomposer_there_is_no_other_plan(composer):
    """
    The goal fails, and says so.
    """
    with pytest.raises(
        DecompositionFailed, match="there is no decomposer: b is broken"
    ):
        composer.compose_from_task_graph([step("a"), FRAGILE], Log("b").catalog("ab"))


def test_a_planner_that_fails_is_asked_again(composer):
    """
    As often as one that decomposes; then the goal fails.
    """

    class Moody(Planner):
        def replan(self, ctx):
            self.asked.append(ctx)
            if ctx.attempt == 1:
                raise ConnectionError("not now")
            return [step("c", "a")]

    planner = Moody([step("a"), FRAGILE])

    found = composer.compose_from_goal(
        "goal", planner, Log("b").catalog("abc"), retry_attempts=2
    )

    assert set(found.result) == {"c"}
    assert [ctx.attempt for ctx in planner.asked] == [1, 2]


def test_two_goals_replan_at_once(composer):
    """
    Each gets its own plans, whoever is faster.
    """
    gate = threading.Barrier(2)

    class Both:
        def decompose(self, goal):
            return [step("a"), FRAGILE]

        def replan(self, ctx):
            gate.wait(timeout=20)
            return [step("c", "a")]

    functions = {
        "a": lambda input: input["goal"],
        "b": Log("b").function("b"),
        "c": lambda a: a * 2,
    }

    found = composer.compose_multiple_workflows(["x", "y"], Both(), functions)

    assert [one.result for one in found] == [{"c": "xx"}, {"c": "yy"}]
    assert [one.revisions for one in found] == [1, 1]


@pytest.mark.parametrize("running", ["cancel", "finish"])
def test_workers_replan_distributed_goals(dsn, running):
    """
    Who has the goal's workflow has all that further plans need.
    """

    async def main():
        name, log = unique("far"), Log("b", "d")
        planner = Planner(
            [step("a"), FRAGILE],
            [step("d", "a", goal="sub", retry=NO_RETRY)],
        )
        planner.decompose = lambda goal: (
            [step("e", handler="c")] if goal == "sub" else planner.plan
        )
        functions = log.catalog("abcd")
        async with AsyncEngine(dsn) as one, AsyncEngine(dsn) as other:
            theirs = await Orchestrator(other).goal_workflow(
                planner, functions, workflow_name=name
            )
            async with Worker(other, [theirs]):
                found = await Orchestrator(one).execute_goal(
                    "goal", planner, functions, execution="distributed",
                    workflow_name=name, running=running,
                )  # fmt: skip
        return found, log.ran

    found, ran = run(main)

    assert set(found.result) == {"d"}
    assert set(found.result["d"]) == {"e"}
    assert ran == ["a", "b", "c"]
    assert found.revisions == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expansion": "sometimes"}, "expansion must be 'eager' or 'lazy'"),
        ({"running": "stop"}, "running must be 'cancel' or 'finish'"),
        ({"max_replans": -1}, "max_replans must be an integer from 0 to 100"),
        ({"max_replans": True}, "max_replans must be"),
    ],
)
def test_an_option_that_cannot_be_is_refused(composer, options, message):
    """
    Before anything is stored or asked.
    """
    with pytest.raises(Exception, match=message):
        composer.compose_from_goal("goal", lambda goal: [], {}, **options)
