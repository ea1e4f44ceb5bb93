"""Every option of goals does what it says."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import pytest
from engine.support import unique

from singularity_workflow import DecompositionFailed, InvalidSetting, RunFailed
from singularity_workflow.orchestrator import (
    GoalOptions,
    Limits,
    Orchestrator,
    WorkflowComposer,
)

KEPT_FOR = """
select extract(epoch from kept_until - created_at)::float
from singularity_workflow.goal_plans where decomposer = %s
"""
CACHED = "select count(*) from singularity_workflow.goal_plans where decomposer = %s"


def see(input):
    """Return all that is to be seen."""
    return input


class Counting:
    """A decomposer that counts how often it is asked."""

    version = "1"

    def __init__(self, name, answer=({"id": "see"},)):
        self.__name__ = name
        self.answer = answer
        self.asked = 0

    def decompose(self, goal):
        """Answer always the same."""
        self.asked += 1
        return list(self.answer)


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


@pytest.fixture
def asked():
    """A decomposer with a version, and a name of its own."""
    return Counting(unique("asked"))


def compose(composer, decomposer, goal="goal", **options):
    """Run a goal with one function."""
    return composer.compose_from_goal(goal, decomposer, {"see": see}, **options)


def test_a_cached_plan_is_used_again(composer, asked):
    """
    Nobody is asked for it, and the stats say so.
    """
    first = compose(composer, asked, cache=True)
    again = compose(composer, asked, cache=60)

    assert asked.asked == 1
    assert again.result == first.result
    assert (first.stats["cached"], again.stats["cached"]) == (False, True)


def test_without_a_cache_each_goal_is_decomposed(composer, asked, sql):
    """
    It is asked for by each goal.
    """
    compose(composer, asked)
    compose(composer, asked)

    assert asked.asked == 2
    assert sql.value(CACHED, asked.__name__) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"goal": "another"},
        {"max_depth": 4},
        {"limits": Limits(max_tasks=50)},
        {"allow": ["see"]},
    ],
)
def test_what_decides_the_plan_is_in_the_key(composer, asked, change):
    """
    Another goal, other limits or other functions are decomposed anew.
    """
    compose(composer, asked, cache=True)

    compose(composer, asked, **{"cache": True, "allow": None, **change})

    # allowing all there is makes the same catalog
    assert asked.asked == (1 if "allow" in change else 2)


def test_another_version_is_asked_again(composer, asked):
    """
    Its answers may have changed.
    """
    compose(composer, asked, cache=True)
    asked.version = "2"

    compose(composer, asked, cache=True)

    assert asked.asked == 2


def test_a_cached_plan_is_checked_again(composer, asked, sql):
    """
    What is in the table is data like any plan: what does not fit is asked for anew.
    """
    compose(composer, asked, cache=True)
    sql.rows(
        "update singularity_workflow.goal_plans set tree = replace(tree::text, "
        "'\"see\"', '\"other\"')::json where decomposer = %s",
        asked.__name__,
    )

    found = compose(composer, asked, cache=True)

    assert asked.asked == 2
    assert found.result == {"see": {"goal": "goal"}}


def test_a_cached_plan_that_is_none_is_asked_for_anew(composer, asked, sql):
    """
    Whatever somebody has written there.
    """
    compose(composer, asked, cache=True)
    sql.rows(
        "update singularity_workflow.goal_plans set tree = '[1]' where decomposer = %s",
        asked.__name__,
    )

    compose(composer, asked, cache=True)

    assert asked.asked == 2


@pytest.mark.parametrize(("cache", "seconds"), [(True, 86_400), (7, 7)])
def test_a_plan_is_kept_for_so_long(composer, asked, sql, cache, seconds):
    """
    After that it is asked for anew.
    """
    compose(composer, asked, cache=cache)
    kept = sql.value(KEPT_FOR, asked.__name__)
    sql.rows(
        "update singularity_workflow.goal_plans set kept_until = now() "
        "where decomposer = %s",
        asked.__name__,
    )

    compose(composer, asked, cache=cache)

    assert seconds - 1 < kept <= seconds + 1
    assert asked.asked == 2


def test_a_wrong_plan_is_not_kept(composer, sql):
    """
    The next goal may have a better one.
    """
    asked = Counting(unique("asked"), [{"id": "nobody"}])

    with pytest.raises(DecompositionFailed):
        compose(composer, asked, cache=True)

    assert sql.value(CACHED, asked.__name__) == 0


def test_a_cache_needs_a_version(composer):
    """
    Two decomposers of one name would share their plans.
    """
    with pytest.raises(InvalidSetting, match="version"):
        compose(composer, lambda goal: [{"id": "see"}], cache=True)


def test_one_task_at_a_time(composer):
    """
    Of all runs of the goal together.
    """
    running, most = set(), []

    async def work(ctx):
        running.add(ctx.task_id)
        most.append(len(running))
        await asyncio.sleep(0)
        running.discard(ctx.task_id)

    def decompose(goal):
        if goal == "top":
            inner = [{"id": f"g{n}", "goal": f"G{n}"} for n in range(2)]
            return [*inner, {"id": "w", "handler": "work"}]
        return [{"id": f"w{n}", "handler": "work"} for n in range(3)]

    for structure in (False, True):
        composer.compose_from_goal(
            "top", decompose, {"work": work}, parallel=False,
            preserve_structure=structure,
        )  # fmt: skip

    assert (len(most), max(most)) == (14, 1)


def test_some_tasks_at_a_time(composer):
    """
    As many as there may be, and no more: each waits for a second one to begin.
    """
    running, most = set(), []
    both = asyncio.Event()

    async def work(ctx):
        running.add(ctx.task_id)
        most.append(len(running))
        if len(running) == 2:
            both.set()
        await both.wait()
        await asyncio.sleep(0)
        running.discard(ctx.task_id)

    def decompose(goal):
        if goal == "top":
            return [{"id": "g", "goal": "G"}, {"id": "w", "handler": "work"}]
        return [{"id": f"w{n}", "handler": "work"} for n in range(7)]

    composer.compose_from_goal("top", decompose, {"work": work}, max_parallel=2)

    assert (len(most), max(most)) == (8, 2)


def test_attempts(composer):
    """
    Those of each task, the first included.
    """
    tried = []

    def fail():
        tried.append(1)
        raise ValueError("no")

    with pytest.raises(RunFailed):
        composer.compose_from_goal(
            "goal", lambda goal: [{"id": "fail", "retry": None}], {"fail": fail},
            retry_attempts=1,
        )  # fmt: skip

    assert len(tried) == 1


@pytest.mark.parametrize("as_limit", [False, True])
def test_goals_are_as_deep_as_they_may_be(composer, as_limit):
    """
    And no deeper: by the short form and by the long one.
    """

    def decompose(goal):
        return [{"id": "see"} if goal == 3 else {"id": "g", "goal": goal + 1}]

    for depth in (2, 3):
        options = {"limits": Limits(max_depth=depth)} if as_limit else {
            "max_depth": depth
        }  # fmt: skip
        if depth == 2:
            with pytest.raises(DecompositionFailed, match="there are at most 2"):
                compose(composer, decompose, 1, **options)
        else:
            found = compose(composer, decompose, 1, **options)

    assert found.tree.depth == 3


@pytest.mark.parametrize("execution", ["local", "distributed"])
def test_a_goal_is_for_who_is_to_execute_it(engine, asked, sql, execution):
    """
    Its own process, or any worker.
    """
    handle = Orchestrator(engine).start_goal(
        "goal", asked, {"see": see}, execution=execution
    )

    if execution == "local":
        handle.result(timeout=25)
    else:
        handle.cancel()
    owner = sql.value(
        "select owner from singularity_workflow.runs where run_id = %s", handle.id
    )
    assert (owner is None) == (execution == "distributed")


def test_a_goal_is_found_by_its_tags(engine, asked):
    """
    By those that were given, and by that of goals.
    """
    tag = unique("tag")

    found = compose(WorkflowComposer(engine), asked, tags=[tag])

    _, told = engine.get_run_status(found.run_id)
    assert set(told["tags"]) == {"goal", tag}


def test_a_goal_has_its_priority(engine, asked):
    """
    And with it all that runs for it.
    """
    found = compose(WorkflowComposer(engine), asked, priority=70)

    (child,) = engine.list_workflow_runs(parent=found.run_id)
    told = [engine.get_run_status(one)[1] for one in (found.run_id, child.id)]
    assert [one["priority"] for one in told] == [70, 70]


def test_an_option_that_is_no_option_is_refused_by_each_call(engine, asked):
    """
    Whoever takes options takes no others.
    """
    orchestrator, composer = Orchestrator(engine), WorkflowComposer(engine)
    functions = {"see": see}
    calls = [
        lambda **o: orchestrator.decompose_goal("g", asked, functions, **o),
        lambda **o: orchestrator.create_workflow([{"id": "see"}], functions, **o),
        lambda **o: orchestrator.execute_goal("g", asked, functions, **o),
        lambda **o: orchestrator.start_goal("g", asked, functions, **o),
        lambda **o: orchestrator.recover(asked, functions, **o),
        lambda **o: orchestrator.goal_workflow(asked, functions, **o),
        lambda **o: composer.compose_from_goal("g", asked, functions, **o),
        lambda **o: composer.compose_from_task_graph([{"id": "see"}], functions, **o),
        lambda **o: composer.compose_multiple_workflows(["g"], asked, functions, **o),
    ]

    for call in calls:
        with pytest.raises(InvalidSetting, match="no option 'max_dept'") as caught:
            call(max_dept=3)
        assert "max_depth" in caught.value.hint

    assert asked.asked == 0


def test_the_level_is_kept_with_the_run(engine, asked):
    """
    Whoever looks at the run finds it.
    """
    orchestrator = Orchestrator(engine)

    found = orchestrator.execute_goal(
        "goal", asked, {"see": see}, optimization_level="advanced"
    )

    stats = orchestrator.get_execution_stats(found.run_id)
    assert stats["optimization_level"] == "advanced"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parallel": 1}, "parallel must be True or False"),
        ({"redact": "yes"}, "redact must be True or False"),
        ({"real_time_notifications": None}, "real_time_notifications must be"),
        ({"monitoring": True, "real_time_notifications": False}, "stores none"),
        ({"allow": []}, "names no function"),
        ({"allow": "see"}, "list of strings"),
        ({"allow": ["sea"]}, "no such function"),
        ({"cache": 0}, "cache"),
        ({"cache": -1}, "cache"),
        ({"max_parallell": 2}, "no option"),
        ({"max_parallel": 0}, "max_parallel must be an integer from 1"),
        ({"max_parallel": True}, "max_parallel must be an integer from 1"),
        ({"max_parallel": 2, "parallel": False}, "one task at a time"),
    ],
)
def test_what_cannot_be_is_refused(composer, asked, options, message):
    """
    Before anything is stored.
    """
    with pytest.raises(InvalidSetting, match=message):
        compose(composer, asked, **options)

    assert asked.asked == 0


def test_every_option_is_documented():
    """
    The text of the class names each of them.
    """
    text = GoalOptions.__doc__ or ""

    missing = [
        one.name
        for one in dataclasses.fields(GoalOptions)
        if f"\n        {one.name}: " not in text
    ]

    assert missing == []


def test_decompose_concurrency_asks_for_goals_of_one_level_at_once(composer):
    """
    Each of the two answers only when the other was asked too.
    """
    together = threading.Barrier(2, timeout=20)

    def answer(goal):
        if goal == "goal":
            return [{"id": "a", "goal": "A"}, {"id": "b", "goal": "B"}]
        together.wait()
        return [{"id": "see"}]

    found = compose(composer, answer, decompose_concurrency=2)

    assert [*found.tree.nested] == ["a", "b"]


@pytest.mark.parametrize("count", [0, 101, True, "2"])
def test_decompose_concurrency_is_a_number_of_goals(composer, asked, count):
    """
    Anything else is refused before anything is asked or stored.
    """
    with pytest.raises(InvalidSetting, match="decompose_concurrency must be"):
        compose(composer, asked, decompose_concurrency=count)

    assert asked.asked == 0


def test_options_of_several_goals_are_those_of_each(engine):
    """
    Even if they are given as what can be gone through once.
    """
    tag = unique("tag")

    WorkflowComposer(engine).compose_multiple_workflows(
        ["a", "b"], lambda goal: [{"id": "see"}], {"see": see},
        tags=iter([tag]), allow=iter(["see"]),
    )  # fmt: skip

    assert len(engine.list_workflow_runs(tags=[tag])) == 2
