"""What is accepted as a decomposer, and those that are ready-made."""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import types

import gtpyhop
import pytest

from singularity_workflow import DecompositionFailed, DefinitionError, InvalidSetting
from singularity_workflow.orchestrator import (
    Catalog,
    DecomposeContext,
    HTNDecomposer,
    HybridDecomposer,
    Limits,
    RecordedDecomposer,
    ReplanContext,
    Rule,
    RuleDecomposer,
    TaskGraph,
    as_decomposer,
    data_pipeline,
    microservices,
    ml_pipeline,
    simple,
)
from unit.orchestrator.running import decompose

PLAN = [{"id": "work"}]
FUNCTIONS = {"work": lambda input: input}


def ask(decomposer, goal="goal", ctx=None):
    """Return what a decomposer answers."""
    planner = as_decomposer(decomposer)
    return asyncio.run(planner.decompose(goal, ctx or DecomposeContext()))


class WithMethod:
    """An object with `decompose`."""

    def decompose(self, goal):
        return PLAN


class WithContext:
    """An object whose `decompose` is a coroutine function and wants the context."""

    async def decompose(self, goal, ctx):
        return [{"id": f"at_{ctx.depth}"}]


class Callable:
    """An object that is called."""

    async def __call__(self, goal, ctx):
        return PLAN


async def in_a_coroutine(goal):
    """Answer later."""
    return PLAN


MODULE = types.ModuleType("decomposers")
MODULE.decompose = lambda goal: PLAN


@pytest.mark.parametrize(
    "given",
    [
        lambda goal: PLAN,
        lambda goal, ctx: PLAN,
        lambda goal, ctx=None: PLAN,
        lambda goal, extra=3: PLAN,
        lambda *args: PLAN,
        lambda goal: asyncio.sleep(0, PLAN),
        in_a_coroutine,
        WithMethod(),
        WithMethod,
        WithMethod().decompose,
        Callable(),
        MODULE,
    ],
)
def test_what_is_accepted(given):
    """
    Functions of one or two arguments, coroutines, objects, classes and modules.
    """
    assert ask(given) == PLAN


def test_a_context_is_given_to_who_wants_it():
    """
    Whoever has a second parameter gets it.
    """
    assert ask(WithContext(), ctx=DecomposeContext(depth=3)) == [{"id": "at_3"}]


@pytest.mark.parametrize("given", [None, "goal", 3, [], int, lambda: PLAN])
def test_what_is_refused(given):
    """
    What cannot be asked is an error at once.
    """
    with pytest.raises(DefinitionError):
        as_decomposer(given)


def test_plain_functions_think_in_a_thread():
    """
    The event loop goes on while one thinks.
    """
    here = threading.get_ident()

    assert ask(lambda goal: threading.get_ident()) != here


def test_who_cannot_replan_is_asked_anew():
    """
    Without `replan`, the goal is decomposed again, with what failed in the context.
    """
    graph = TaskGraph(goal="goal", tasks=())
    planner = as_decomposer(lambda goal, ctx: [goal, ctx.revision])

    found = asyncio.run(planner.replan(ReplanContext(graph=graph, revision=2)))

    assert not planner.can_replan
    assert found == ["goal", 2]


def test_rules_are_tried_in_order():
    """
    Words, patterns, members and functions tell which goals a rule is for.
    """
    rules = RuleDecomposer(
        [
            ("AUTH", "words"),
            (re.compile(r"v\d+$"), "pattern"),
            ({"type": "etl"}, "members"),
            Rule(when=lambda goal: goal == 5, tasks=lambda goal: f"function of {goal}"),
            (None, "rest"),
        ]
    )

    goals = ["build auth", "release v12", {"type": "etl", "n": 1}, 5, {"type": "x"}]

    assert [ask(rules, goal) for goal in goals] == [
        "words", "pattern", "members", "function of 5", "rest",
    ]  # fmt: skip


def test_a_goal_without_a_rule_fails():
    """
    It says how to mend that.
    """
    with pytest.raises(DecompositionFailed, match="none of 1 rules") as caught:
        ask(RuleDecomposer([("auth", PLAN)]), "payments")

    assert "HybridDecomposer" in caught.value.hint


def test_a_rule_that_is_none_is_refused():
    """
    At once, not when a goal comes.
    """
    with pytest.raises(DefinitionError, match="rule 1"):
        RuleDecomposer([("auth", PLAN), "payments"])
    with pytest.raises(DefinitionError, match="when=3"):
        RuleDecomposer([(3, PLAN)])


def test_a_hybrid_asks_the_other_for_what_has_no_rule():
    """
    The other is not asked for what a rule is for.
    """
    asked = []
    hybrid = HybridDecomposer([("auth", PLAN)], lambda goal: asked.append(goal) or PLAN)

    assert ask(hybrid, "auth") == ask(hybrid, "payments") == PLAN
    assert asked == ["payments"]


ML_FUNCTIONS = (
    "collect_data prepare_data engineer_features train evaluate select_model "
    "deploy_model"
)


@pytest.mark.parametrize(
    ("rules", "goal", "count", "functions"),
    [
        (simple(), "anything", 3, "design implement test"),
        (
            microservices(),
            {"services": ["users", "Orders & Co", "orders co"]},
            9,
            "design_contracts build_service test_service integrate deploy",
        ),
        (
            data_pipeline(),
            {"goal": "nightly", "sources": ["s3", "postgres"]},
            7,
            "extract validate transform load report",
        ),
        (
            ml_pipeline(),
            "Train a model of churn",
            7,
            ML_FUNCTIONS,
        ),
    ],
)
def test_the_families_give_plans_that_can_be_run(rules, goal, count, functions):
    """
    With functions of the documented names there are no issues.
    """

    def work(input, service=None, source=None, model=None):
        return input

    found = decompose(rules, goal, dict.fromkeys(functions.split(), work))

    assert found.issues == ()
    assert len(found.tree.graph.tasks) == count


def test_a_family_is_not_for_other_goals():
    """
    It leaves them to whoever comes next.
    """
    assert microservices().match("paint the fence") is None
    assert data_pipeline().match("an ETL pipeline") is not None


def travel():
    """Return a table of methods: walk if near, else go by taxi if there is money."""

    def by_foot(state, a, b):
        return [("walk", a, b)] if state["distance"] <= 2 else None

    def by_taxi(state, a, b):
        return [("call_taxi", a), ("ride", a, b), ("pay",)]

    def ride(state, a, b):
        return {**state, "fare": 1.5 + 0.5 * state["distance"]}

    def pay(state):
        left = state["cash"] - state.get("fare", 0)
        return {**state, "cash": left} if left >= 0 else None

    return HTNDecomposer({"travel": [by_foot, by_taxi]}, {"ride": ride, "pay": pay})


MOVES = {
    "walk": lambda start, end: [start, end],
    "call_taxi": lambda where: where,
    "ride": lambda start, end: [start, end],
    "pay": lambda: "paid",
}


@pytest.mark.parametrize(
    ("distance", "names"), [(2, ["walk"]), (8, ["call_taxi", "ride", "pay"])]
)
def test_methods_are_tried_in_order(distance, names):
    """
    The first method that applies is taken; its tasks are a chain with arguments.
    """
    goal = {"task": "travel", "args": ["a", "b"], "distance": distance, "cash": 20}

    found = decompose(travel(), goal, MOVES)

    tasks = found.tree.graph.tasks
    assert [task.id for task in tasks] == names
    assert tasks[0].depends_on == ()
    assert [task.depends_on for task in tasks[1:]] == [(one,) for one in names[:-1]]
    assert next(iter(tasks[0].args.values())) == "a"


def test_the_planner_goes_back_on_a_choice_that_leads_nowhere():
    """
    What a method promised and an operator refuses is tried otherwise.
    """

    def tried_first(state):
        return ["spend", "spend"]

    def spend(state):
        return {"cash": state["cash"] - 1} if state["cash"] else None

    htn = HTNDecomposer(
        {"buy": [tried_first, lambda state: ["spend", "borrow"]]},
        {"spend": spend},
        state={"cash": 1},
    )

    found = decompose(htn, "buy", {"spend": lambda: 1, "borrow": lambda: 2})

    assert [task.handler for task in found.tree.graph.tasks] == ["spend", "borrow"]


@pytest.fixture
def gtpyhop_domain():
    """A domain of GTPyhop: who has no cash for the taxi walks."""
    domain = gtpyhop.Domain(f"travel_{secrets.token_hex(4)}")

    def ride(state, end):
        if state.cash < state.fare:
            return False
        state.at = end
        return state

    def walk(state, end):
        state.at = end
        return state

    def travel_by_taxi(state, end):
        return [("ride", end)]

    def travel_by_foot(state, end):
        return [("walk", end)]

    gtpyhop.declare_actions(ride, walk)
    gtpyhop.declare_task_methods("travel", travel_by_taxi, travel_by_foot)
    return domain


@pytest.mark.parametrize(("cash", "name"), [(20, "ride"), (1, "walk")])
def test_a_domain_of_gtpyhop_plans_as_it_does_there(gtpyhop_domain, cash, name):
    """
    Methods are tried in the order of the domain, and an action may refuse.
    """
    state = gtpyhop.State("start", cash=cash, fare=5, at="home")
    htn = HTNDecomposer.from_gtpyhop(gtpyhop_domain, state=state)
    functions = {"ride": lambda end: end, "walk": lambda end: end}

    found = decompose(htn, ["travel", "park"], functions)

    (task,) = found.tree.graph.tasks
    assert (task.handler, task.args) == (name, {"end": "park"})
    with gtpyhop.PlannerSession(
        gtpyhop_domain, strategy="iterative_dfs_backtracking", verbose=0
    ) as planner:
        theirs = planner.find_plan(state, [("travel", "park")])
    assert theirs.plan == [(name, "park")]


@pytest.mark.parametrize("kind", ["unigoal", "multigoal"])
def test_a_domain_with_methods_of_goals_is_refused(gtpyhop_domain, kind):
    """
    They have no counterpart, and a plan without them would be another one.
    """
    if kind == "unigoal":
        gtpyhop.declare_unigoal_methods("at", lambda state, who, end: None)
    else:
        gtpyhop.declare_multigoal_methods(lambda state, goal: None)

    with pytest.raises(DefinitionError, match="has methods of goals"):
        HTNDecomposer.from_gtpyhop(gtpyhop_domain)


def test_what_is_no_domain_of_gtpyhop_is_refused():
    """
    The error says what to give.
    """
    with pytest.raises(DefinitionError, match="a domain of GTPyhop is needed"):
        HTNDecomposer.from_gtpyhop({"travel": []})


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"goal": [lambda state: None]}, "no choice of methods"),
        ({"goal": [lambda state: ["goal"]]}, "no plan for 'goal' within"),
        ({"goal": [lambda state: ["wrok"]]}, "no method, and there is no function"),
        ({"goal": [lambda state: [3]]}, "is no task"),
    ],
)
def test_without_a_plan_the_planner_says_why(methods, message):
    """
    No table makes it recurse or search for ever.
    """
    htn = HTNDecomposer(methods, max_steps=500)

    with pytest.raises(DecompositionFailed, match=message):
        decompose(htn, functions=FUNCTIONS)


def test_a_table_within_itself_ends_before_the_stack():
    """
    Twenty thousand levels of tasks are a list, not a stack of calls.
    """

    def down(state, n):
        return [("down", n - 1)] if n else ["work"]

    found = decompose(
        HTNDecomposer({"down": [down]}),
        ["down", 20_000],
        FUNCTIONS,
        Limits(max_tasks=30_000),
    )

    assert [task.id for task in found.tree.graph.tasks] == ["work"]


def test_a_recording_answers_again(tmp_path):
    """
    What was recorded is answered without the decomposer, in another process too.
    """
    path = tmp_path / "plans.json"
    asked = []

    def thinking(goal):
        asked.append(goal)
        return [{"id": "work", "description": f"{len(asked)}"}]

    recorded = RecordedDecomposer(path, thinking)
    first = [ask(recorded), ask(recorded), ask(recorded, "other")]

    replayed = RecordedDecomposer(path)
    assert [ask(replayed), ask(replayed), ask(replayed, "other")] == first
    assert ask(replayed) == first[1]
    assert asked == ["goal", "goal", "other"]
    assert ask(RecordedDecomposer(path, thinking)) == first[0]
    assert len(asked) == 3


def test_a_recording_without_an_answer_fails(tmp_path):
    """
    A test that asks for more than was recorded must not pass.
    """
    path = tmp_path / "plans.json"
    ask(RecordedDecomposer(path, lambda goal: PLAN))

    with pytest.raises(DecompositionFailed, match="no answer for the goal 'new'"):
        ask(RecordedDecomposer(path), "new")
    with pytest.raises(InvalidSetting, match="there is no file"):
        RecordedDecomposer(tmp_path / "none.json")
    with pytest.raises(InvalidSetting, match="needs a decomposer"):
        RecordedDecomposer(path, mode="record")
    path.write_text("[]")
    with pytest.raises(InvalidSetting, match="no recorded answers"):
        RecordedDecomposer(path)


def test_the_catalog_refuses_what_is_no_function():
    """
    With everything that is wrong, before any plan.
    """
    with pytest.raises(DefinitionError) as caught:
        Catalog({"a b": len, "c": 3, "d": lambda: (yield)})

    assert len(caught.value.issues) == 3


def test_a_catalog_can_be_narrowed():
    """
    A goal may be allowed some functions only.
    """
    narrow = Catalog({"a": lambda: 1, "b": lambda: 2}).only(["a"])

    assert list(narrow) == ["a"]
    assert narrow.view.names == ("a",)
    with pytest.raises(DefinitionError, match="no function 'c'"):
        narrow.only(["c"])


@pytest.mark.parametrize(
    "given",
    [
        {"max_depth": 0}, {"max_depth": 20}, {"max_depth": True}, {"max_tasks": 0},
        {"max_tasks": 40_000}, {"max_fan_out": -1}, {"timeout": 0}, {"timeout": "x"},
        {"max_calls": 0}, {"max_tokens": 1.5}, {"max_expansions": None},
    ],
)  # fmt: skip
def test_limits_out_of_bounds_are_refused(given):
    """
    A limit that cannot work is an error that names it.
    """
    with pytest.raises(InvalidSetting, match=next(iter(given))):
        Limits(**given)


def test_a_method_without_end_fails():
    """
    What it yields is taken as far as a plan may be long.
    """

    def endless(state):
        while True:
            yield "work"

    with pytest.raises(DecompositionFailed, match="more than 50 tasks"):
        decompose(
            HTNDecomposer({"go": [endless]}), "go", FUNCTIONS, Limits(max_tasks=50)
        )


def test_a_method_that_returns_a_word_is_told():
    """
    A word would be taken for a list of its letters.
    """
    htn = HTNDecomposer({"go": [lambda state: "work"]})

    with pytest.raises(DecompositionFailed, match="returned 'work', which is no list"):
        decompose(htn, "go", FUNCTIONS)


def test_a_rule_is_asked_once():
    """
    One that would answer otherwise the second time is taken at its word.
    """
    answers = [True, False]
    hybrid = HybridDecomposer([(lambda goal: answers.pop(0), PLAN)], lambda goal: [])

    assert ask(hybrid) == PLAN


def test_rules_do_not_stop_the_event_loop():
    """
    A condition that thinks does so in a thread.
    """
    seen = []

    def thinks(goal):
        seen.append(threading.current_thread())
        return True

    ask(RuleDecomposer([(thinks, PLAN)]))

    assert seen != [threading.main_thread()]


@pytest.mark.parametrize(
    "text",
    [
        '{"goals": {"1:a": 5}}',
        '{"goals": {"1:a": {}}}',
        '{"goals": {"1:a": {"answers": "text"}}}',
        '{"goals": 5}',
    ],
)
def test_a_damaged_recording_is_refused_when_it_is_read(tmp_path, text):
    """
    And not by the first goal that needs it.
    """
    path = tmp_path / "plans.json"
    path.write_text(text)

    with pytest.raises(InvalidSetting, match="no recorded answers"):
        RecordedDecomposer(path)


def test_two_recordings_at_once_do_not_meet(tmp_path):
    """
    Each writes a file of its own before it takes the place of the old one.
    """
    path = tmp_path / "plans.json"
    (tmp_path / "plans.json.new").mkdir()  # as if another was just writing it

    ask(RecordedDecomposer(path, lambda goal: PLAN))

    assert ask(RecordedDecomposer(path)) == PLAN
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "plans.json",
        "plans.json.new",
    ]


def test_a_decomposer_that_hangs_does_not_keep_the_program():
    """
    Its thread is none of those that the event loop waits for at its end.
    """
    go_on, ended = threading.Event(), []

    def hang(goal):
        go_on.wait(30)
        ended.append(goal)

    async def give_up():
        planner = as_decomposer(hang)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(planner.decompose("goal", DecomposeContext()), 0.05)

    asyncio.run(give_up())

    assert ended == []
    go_on.set()


def test_engines_with_loops_of_their_own_share_a_recording(tmp_path):
    """
    It is no part of an event loop, and keeps the answers of all.
    """
    path = tmp_path / "plans.json"
    recorded = as_decomposer(RecordedDecomposer(path, lambda goal: PLAN))
    failed = []

    async def ask_much(name):
        goals = [f"{name} {number}" for number in range(20)]
        asked = [recorded.decompose(goal, DecomposeContext()) for goal in goals]
        await asyncio.gather(*asked)

    def run(name):
        try:
            asyncio.run(ask_much(name))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    replayed = RecordedDecomposer(path)
    assert {str(ask(replayed, f"{n} {k}")) for n in "abc" for k in range(20)} == {
        str(PLAN)
    }


def test_a_function_that_needs_more_than_there_is_is_refused():
    """
    When it is given, and not by as many attempts as it has.
    """
    with pytest.raises(DefinitionError, match="needs 3 arguments") as caught:
        as_decomposer(lambda goal, ctx, other: PLAN)

    assert "functools.partial" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (PLAN, "compose_from_task_graph"),
        (FUNCTIONS, "order is: goal, decomposer, step_functions"),
    ],
)
def test_what_was_meant_for_another_argument_is_told(given, hint):
    """
    A plan, and functions in the place of the decomposer.
    """
    with pytest.raises(DefinitionError) as caught:
        as_decomposer(given)

    assert hint in caught.value.hint


@pytest.mark.parametrize("rules", [None, "auth", {"auth": PLAN}])
def test_rules_that_are_no_list_are_refused(rules):
    """
    The message says how they are written.
    """
    with pytest.raises(DefinitionError, match="must be a list of rules"):
        RuleDecomposer(rules)


def test_a_family_says_which_goals_it_is_for():
    """
    Its rules are not its user's to add to.
    """
    with pytest.raises(DecompositionFailed) as caught:
        ask(microservices(), "a shop")

    assert '{"services": ["a", "b"]}' in caught.value.hint


@pytest.mark.parametrize(
    "methods", [[1], {"travel": PLAN.copy}, {"travel": []}, {"travel": ["walk"]}]
)
def test_methods_that_are_no_table_of_functions_are_refused(methods):
    """
    When the decomposer is made.
    """
    with pytest.raises(DefinitionError, match="methods"):
        HTNDecomposer(methods)


def test_a_recording_makes_its_folder(tmp_path):
    """
    The answer was paid for, and is not lost for a folder.
    """
    cassette = tmp_path / "plans" / "auth.json"

    ask(RecordedDecomposer(cassette, lambda goal: PLAN))

    assert ask(RecordedDecomposer(cassette)) == PLAN


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    """
    A folder is none.
    """
    with pytest.raises(InvalidSetting, match="holds no recorded answers"):
        RecordedDecomposer(tmp_path)
