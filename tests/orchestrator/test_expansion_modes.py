"""Eager, lazy and as-needed expansion on a real database: P1, P2, P6 and P8."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from engine.support import unique
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.orchestrator.strategies import dags

from singularity_workflow import DecompositionFailed, RunFailed
from singularity_workflow.orchestrator import Limits, NeedsReplan, WorkflowComposer

MODES = [
    {"expansion": "eager"},
    {"expansion": "eager", "preserve_structure": True},
    {"expansion": "lazy"},
]
LEVELS = ["off", "basic", "advanced", "aggressive"]
TIMES = """
select w.name, t.name as step, s.started_at, s.ended_at
from singularity_workflow.runs r
join singularity_workflow.workflows w using (workflow_id)
join singularity_workflow.workflow_steps t on t.workflow_id = w.workflow_id
join singularity_workflow.step_states s on s.run_id = r.run_id and s.step_no = t.step_no
where w.name like %s
"""


@pytest.fixture
def composer(engine):
    """A composer over the shared engine."""
    return WorkflowComposer(engine)


def see(input, **args):
    """Return all that is to be seen."""
    return {"saw": input, "args": args}


class Hidden:
    """
    Goals that are decomposed into what their number says.

    Args:
        seed: Decides the plans.
        depth: How many levels of them there are.
    """

    def __init__(self, seed, depth=3):
        self._seed = seed
        self._depth = depth

    def goal(self):
        return {"at": []}

    def decompose(self, goal):
        path = goal["at"]
        draw = random.Random(f"{self._seed}/{path}")
        tasks = []
        for number in range(draw.randint(1, 4)):
            earlier = [task["id"] for task in tasks]
            needs = draw.sample(earlier, draw.randint(0, min(2, len(earlier))))
            task = {"id": f"t{number}", "handler": "see", "depends_on": needs}
            if len(path) < self._depth - 1 and draw.random() < 0.4:
                task = {**task, "goal": {"at": [*path, number]}}
                del task["handler"]
            if needs and draw.random() < 0.5:
                task["args"] = {"ref": {"task": needs[0]}}
            tasks.append(task)
        return tasks


@pytest.mark.parametrize("seed", range(12))
def test_lazy_goals_give_what_eager_ones_give(composer, seed):
    """
    P6: of decomposers that do not look at inputs, in one run, in many, or when ready.
    """
    hidden = Hidden(seed)

    found = [
        composer.compose_from_goal(hidden.goal(), hidden, {"see": see}, **mode).result
        for mode in MODES
    ]

    assert found[1:] == found[:-1]


def digest(*parts):
    """Return a hash that shows any change of what a function was given."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


class Faults:
    """
    Functions that fail at first, by a schedule.

    Args:
        seed: Decides which, and how.
    """

    def __init__(self, seed):
        self._seed = seed
        self._seen = set()

    def work(self, input, ctx, **args):
        place = digest(input, args)
        draw = random.Random(f"{self._seed}/{place}")
        if place not in self._seen and draw.random() < 0.4:
            self._seen.add(place)
            raise ConnectionError(place)
        return digest(input, args)


@pytest.mark.parametrize("mode", MODES, ids=["flat", "kept", "lazy"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(3))
def test_faults_do_not_change_results(composer, mode, level, seed):
    """
    P1: at every level, in every mode; the functions hash all that they are given.
    """
    hidden = Hidden(seed)
    arguments = {"retry_attempts": 2, "optimization_level": level}
    expected = composer.compose_from_goal(
        hidden.goal(), hidden, {"see": lambda input, **args: digest(input, args)}
    )

    found = composer.compose_from_goal(
        hidden.goal(), hidden, {"see": Faults(seed).work}, **arguments, **mode
    )

    assert found.result == expected.result


@pytest.mark.parametrize("running", ["cancel", "finish"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(3))
def test_replanning_to_the_same_tasks_does_not_change_results(
    composer, running, level, seed
):
    """
    P1 and P9: the plan is made anew after a fault, and what completed never runs again.
    """
    draw = random.Random(seed)
    needs = {n: [m for m in range(n) if draw.random() < 0.4] for n in range(8)}
    fragile = draw.sample(range(8), 2)
    failed, done = set(), []

    def work(input, number):
        if number in fragile and number not in failed:
            failed.add(number)
            raise NeedsReplan(f"task {number}")
        done.append(number)
        return digest(number, {k: v for k, v in input.items() if k.startswith("t")})

    def decompose(goal):
        return [
            {
                "id": f"t{n}", "handler": "work", "args": {"number": n},
                "depends_on": [f"t{m}" for m in needs[n]], "on_failure": "replan",
            }
            for n in range(8)
        ]  # fmt: skip

    found = composer.compose_from_goal(
        "goal", decompose, {"work": work}, running=running, optimization_level=level
    )
    outputs = {}
    for n in range(8):
        outputs[n] = digest(n, {f"t{m}": outputs[m] for m in needs[n]})

    finals = [n for n in range(8) if not any(n in one for one in needs.values())]
    assert found.result == {f"t{n}": outputs[n] for n in finals}
    assert 1 <= found.revisions <= 2
    assert failed == set(fragile)
    if running == "finish":
        assert sorted(done) == list(range(8))


@given(dags(), st.sampled_from(MODES))
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_task_starts_before_what_it_waits_for(engine, sql, tasks, mode):
    """
    P2: by the times of the database.
    """
    name = unique("order")

    WorkflowComposer(engine).compose_from_goal(
        "goal", lambda goal: tasks, {"see": see}, workflow_name=name, **mode
    )

    rows = {row[1]: row for row in sql.rows(TIMES, f"{name}_%") if row[1] in TASKS}
    for task in tasks:
        for other in task["depends_on"]:
            assert rows[task["id"]][2] >= rows[other][3]


TASKS = {f"t{number}" for number in range(12)}


def test_a_lazy_decomposer_sees_real_inputs(composer):
    """
    What the tasks before it gave, and where it stands.
    """
    seen = {}

    def decompose(goal, ctx):
        if goal == "visit":
            seen.update(inputs=ctx.inputs, depth=ctx.depth, path=ctx.path)
            return [
                {"id": f"see_{one}", "handler": "see_one", "args": {"name": one}}
                for one in ctx.inputs["names"]
            ]
        return [
            {"id": "find"},
            {"id": "go", "goal": "visit", "depends_on": ["find"]},
        ]

    functions = {
        "find": lambda: {"names": ["ulm", "bonn"]},
        "see_one": lambda name: name.upper(),
    }

    found = composer.compose_from_goal("trip", decompose, functions, expansion="lazy")

    assert found.result == {"go": {"see_ulm": "ULM", "see_bonn": "BONN"}}
    assert seen["inputs"]["find"] == {"names": ["ulm", "bonn"]}
    assert (seen["depth"], seen["path"]) == (2, ("go",))


def test_a_lazy_goal_for_each_element(composer):
    """
    A compound task that maps is a goal for each, which sees its element.
    """

    def decompose(goal, ctx):
        if goal == "one":
            return [{"id": "twice"}] if ctx.inputs["item"] < 3 else [{"id": "half"}]
        return [
            {"id": "list"},
            {"id": "each", "goal": "one", "map_over": {"task": "list"}},
            {"id": "last", "args": {"all": {"task": "each"}}},
        ]

    functions = {
        "list": lambda: [1, 2, 4],
        "twice": lambda input: input["item"] * 2,
        "half": lambda input: input["item"] / 2,
        "last": lambda all: all,
    }

    found = composer.compose_from_goal(
        "numbers", decompose, functions, expansion="lazy"
    )

    assert found.result == {"last": [{"twice": 2}, {"twice": 4}, {"half": 2.0}]}


def with_fallback(goal):
    """Try a function; its goal takes two."""
    if goal == "by hand":
        return [{"id": "cut"}, {"id": "sew", "depends_on": ["cut"]}]
    return [
        {"id": "measure"},
        {
            "id": "make", "handler": "machine", "goal": "by hand",
            "depends_on": ["measure"], "retry": {"max_attempts": 2, "delay": 0},
        },
        {"id": "iron", "depends_on": ["make"]},
    ]  # fmt: skip


def workshop(ran, *, is_broken):
    """Return the functions; the machine works or does not."""

    def machine(measure, ctx):
        ran.append("machine")
        if is_broken:
            raise OSError("no current")
        return f"machined to {measure}"

    return {
        "measure": lambda: 42,
        "machine": machine,
        "cut": lambda input: f"cut to {input['measure']}",
        "sew": lambda cut: f"sewn: {cut}",
        "iron": lambda make: make,
    }


@pytest.mark.parametrize("mode", MODES, ids=["flat", "kept", "lazy"])
def test_a_goal_comes_only_when_the_function_has_failed(composer, mode):
    """
    As needed: after all attempts, once; who depends on it sees what it gave.
    """
    ran = []

    works = composer.compose_from_goal(
        "shirt", with_fallback, workshop(ran, is_broken=False), **mode
    )
    fails = composer.compose_from_goal(
        "shirt", with_fallback, workshop(ran, is_broken=True), **mode
    )

    assert works.result == {"iron": "machined to 42"}
    assert fails.result == {"iron": {"sew": "sewn: cut to 42"}}
    assert ran == ["machine"] * 3


def test_without_a_goal_the_words_of_the_task_are_decomposed(composer):
    """
    on_failure="decompose" takes the description, or the id.
    """
    asked = []

    def decompose(goal):
        asked.append(goal)
        if goal == "make it":
            return [{"id": "cut"}]
        return [
            {
                "id": "make", "description": "make it", "on_failure": "decompose",
                "retry": {"max_attempts": 1},
            }
        ]  # fmt: skip

    def make():
        raise OSError("no current")

    found = composer.compose_from_goal(
        "shirt", decompose, {"make": make, "cut": lambda: "cut"}
    )

    assert asked == ["shirt", "make it"]
    assert found.result == {"make": {"cut": "cut"}}


def test_when_the_goal_fails_too_the_task_has_failed(composer):
    """
    And with it the goal around it, or what else on_failure says.
    """

    def fail():
        raise OSError("no current")

    def decompose(goal):
        if goal == "inner":
            return [{"id": "other", "handler": "fail", "retry": {"max_attempts": 1}}]
        return [
            {
                "id": "make", "handler": "fail", "goal": "inner",
                "on_failure": on_failure, "retry": {"max_attempts": 1},
            },
            {"id": "end", "depends_on": ["make"]},
        ]  # fmt: skip

    functions = {"fail": fail, "end": lambda input: [*input]}
    on_failure = "decompose"
    with pytest.raises(RunFailed, match="no current"):
        composer.compose_from_goal("goal", decompose, functions)

    on_failure = "skip"
    found = composer.compose_from_goal("goal", decompose, functions)

    assert found.result == {"end": ["goal"]}


def test_a_function_with_a_goal_may_ask_for_another_plan(composer):
    """
    NeedsReplan is about the plan around it, not about its own goal.
    """
    asked = []

    class Planner:
        def decompose(self, goal):
            asked.append(goal)
            return [{"id": "make", "goal": "inner", "handler": "give_up"}]

        def replan(self, ctx):
            assert ctx.failed.message == "wrong shop"
            return [{"id": "leave"}]

    def give_up():
        raise NeedsReplan("wrong shop")

    found = composer.compose_from_goal(
        "goal", Planner(), {"give_up": give_up, "leave": lambda: "left"}
    )

    assert found.result == {"leave": "left"}
    assert asked == ["goal"]


def deeper(goal):
    """Return a compound task, always of another goal."""
    return [{"id": "t", "goal": goal + "x"}]


def wider(goal):
    """Return two of them."""
    return [{"id": "t", "goal": goal + "x"}, {"id": "u", "goal": goal + "y"}]


def same(goal):
    """Return a goal within itself."""
    return [{"id": "t", "goal": goal}]


def in_circles(goal):
    """Return goals that alternate."""
    return [{"id": "t", "goal": "b" if goal == "a" else "a"}]


def failing(goal):
    """Return a task that fails, and then is a goal like it."""
    return [
        {
            "id": "t", "handler": "fail", "goal": goal + "x",
            "retry": {"max_attempts": 1},
        }
    ]  # fmt: skip


@pytest.mark.parametrize("mode", MODES, ids=["flat", "kept", "lazy"])
@pytest.mark.parametrize(
    ("decompose", "limits", "code"),
    [
        (deeper, {"max_depth": 3}, "too_deep"),
        (wider, {"max_depth": 19, "max_tasks": 9}, "too_many_tasks"),
        (wider, {"max_depth": 19, "max_expansions": 9}, "budget_exhausted"),
        (same, {}, "recursion_loop"),
        (in_circles, {}, "recursion_loop"),
        (failing, {"max_depth": 3}, "too_deep"),
        (failing, {"max_depth": 19, "max_expansions": 4}, "budget_exhausted"),
    ],
)
def test_what_would_never_end_ends(composer, mode, decompose, limits, code):
    """
    P8: in each mode at a limit, with its issue.
    """

    def fail():
        raise OSError("no")

    with pytest.raises(DecompositionFailed) as caught:
        composer.compose_from_goal(
            "a", decompose, {"fail": fail}, limits=Limits(**limits), **mode
        )

    assert {one.code for one in caught.value.issues} == {code}


@pytest.mark.parametrize("mode", MODES, ids=["flat", "kept", "lazy"])
def test_plans_that_always_fail_end(composer, mode):
    """
    P8: a planner that never learns is asked max_replans times for each goal.
    """
    asked = []

    def decompose(goal):
        asked.append(goal)
        if goal == "inner":
            return [{"id": "t", "handler": "fail", "on_failure": "replan"}]
        return [{"id": "in", "goal": "inner", "on_failure": "replan"}]

    def fail():
        raise NeedsReplan("never")

    with pytest.raises(RunFailed, match=r"never.*max_replans is 2"):
        composer.compose_from_goal("outer", decompose, {"fail": fail}, **mode)

    assert len(asked) <= 3 + 3 * 3
