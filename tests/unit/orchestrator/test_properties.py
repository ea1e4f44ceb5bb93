"""What holds for every task graph, tree of goals and decomposer."""

from __future__ import annotations

import graphlib
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singularity_workflow.orchestrator import (
    Catalog,
    GoalTree,
    Limits,
    TaskGraph,
    flatten,
    parse_graph,
    to_workflow,
    validate,
)
from unit.orchestrator import strategies as ours
from unit.orchestrator.corpus import CATALOG, MALFORMED
from unit.orchestrator.running import decompose, result_of


def see(input, **args):
    """Return all that is to be seen."""
    return {"saw": input, "args": args}


SEEING = Catalog({"see": see})
EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(ours.dags())
def test_an_acyclic_graph_is_accepted_whole(tasks):
    """
    P7: what has an order has no issues, and loses no task.
    """
    graph, issues = parse_graph(tasks, goal="goal")

    assert issues == []
    assert validate(graph, SEEING) == []
    assert [task.id for task in graph.tasks] == [task["id"] for task in tasks]


@given(EDGES)
def test_a_circle_is_reported_exactly_when_there_is_no_order(edges):
    """
    P7: and the path that is told is one of the graph.
    """
    needs = {f"t{n}": {f"t{a}" for a, b in edges if b == n != a} for n in range(10)}
    tasks = [
        {"id": key, "handler": "see", "depends_on": [*v]} for key, v in needs.items()
    ]
    graph, _ = parse_graph(tasks, goal="goal")

    issues = validate(graph, SEEING)

    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError:
        assert {issue.code for issue in issues} == {"cycle"}
        for issue in issues:
            path = issue.message.partition(": ")[2].split(" → ")
            pairs = list(itertools.pairwise(path))
            assert path[0] == path[-1]
            assert all(after in needs[before] for before, after in pairs)
    else:
        assert issues == []


@given(ours.anything)
@settings(max_examples=300)
def test_anything_gives_a_graph_or_issues(data):
    """
    P7: no value raises, and none is half read.
    """
    graph, issues = parse_graph(data, goal="goal")

    assert (graph is None) == bool(issues)
    if graph is not None:
        assert isinstance(validate(graph, CATALOG), list)


@given(st.text(max_size=200) | st.text('{}[]",:\\tasksid `\n', max_size=200))
@settings(max_examples=300)
def test_any_text_gives_a_graph_or_issues(text):
    """
    P7: no text raises.
    """
    graph, issues = parse_graph(text, goal="goal")

    assert (graph is None) == bool(issues)


@given(st.text(st.characters(exclude_characters="{}[]`"), max_size=60), ours.dags())
def test_prose_around_a_plan_does_not_matter(prose, tasks):
    """
    P7: the plan is found, whatever is said before and after it.
    """
    expected, _ = parse_graph(tasks, goal="goal")

    graph, issues = parse_graph(
        f"{prose}{json.dumps({'tasks': tasks})}{prose}", goal="goal"
    )

    assert issues == []
    assert graph == expected


@given(ours.trees())
def test_flat_and_nested_give_the_same(tree):
    """
    P6: one run of all levels, or a run for each goal: every task sees the same.
    """
    run_input = {"goal": tree.graph.goal}

    flat = result_of(to_workflow(tree, SEEING), run_input)

    assert flat == result_of(to_workflow(tree, SEEING, is_flat=False), run_input)
    assert set(flat) == {task.id for task in tree.graph.final_tasks}


@given(ours.trees())
def test_a_flat_plan_keeps_every_task_and_order(tree):
    """
    P6: a task of each level, and none before what its goal waits for.
    """
    plan, issues = flatten(tree)

    assert issues == []
    compound = sum(len(one.nested) for _, one in tree.walk())
    assert len(plan.tasks) == tree.task_count - compound
    assert len({task.id for task in plan.tasks}) == len(plan.tasks)
    needs = {task.path: set(task.needs(with_scope=True)) for task in plan.tasks}
    before = _closure({task.id: needs[task.path] for task in plan.tasks})
    for path, one in tree.walk():
        for task in one.graph.tasks:
            for name in task.needs:
                for late in _ids(plan, (*path, task.id)):
                    assert _ids(plan, (*path, name)) <= before[late]


def _ids(plan, path):
    return {task.id for task in plan.tasks if task.path[: len(path)] == path}


def _closure(edges):
    found = {}
    for node in graphlib.TopologicalSorter(edges).static_order():
        found[node] = set(edges[node]).union(*(found[one] for one in edges[node]))
    return found


@given(ours.trees())
def test_the_same_tree_is_the_same_workflow(tree):
    """
    A plan that was stored and read again has the same name, steps and shape.
    """
    again = GoalTree.model_validate(json.loads(json.dumps(tree.to_json())))

    one, other = to_workflow(tree, SEEING), to_workflow(again, SEEING)

    assert again == tree
    assert one.name == other.name
    assert one.definition == other.definition


@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 30),
    st.integers(1, 60),
    st.booleans(),
)
@settings(max_examples=60)
def test_a_decomposer_that_never_ends_ends(depth, width, expansions, tasks, repeats):
    """
    P8: one that answers with ever more goals is stopped, by the limit it meets first.
    """
    limits = Limits(max_depth=depth, max_expansions=expansions, max_tasks=tasks)
    asked = []

    def ever_more(goal):
        asked.append(goal)
        new = goal if repeats else len(asked)
        return [{"id": f"g{n}", "goal": [new, n]} for n in range(width)]

    found = decompose(ever_more, [0, 0], limits=limits)

    assert found.tree is None
    assert {issue.code for issue in found.issues} <= {
        "too_deep", "too_many_tasks", "budget_exhausted", "recursion_loop",
    }  # fmt: skip
    assert len(asked) <= expansions


@pytest.mark.parametrize(
    ("name", "plan", "codes"), MALFORMED, ids=[one[0] for one in MALFORMED]
)
def test_a_malformed_plan_never_becomes_a_workflow(name, plan, codes):
    """
    Whatever is wrong ends the decomposition with issues: nothing is run in part.
    """
    limits = Limits(max_depth=1, max_tasks=100, max_fan_out=50)

    found = decompose(lambda goal: plan, functions=CATALOG.functions, limits=limits)

    assert found.tree is None
    assert [issue.code for issue in found.issues] == codes


def test_a_ladder_of_five_thousand_tasks_is_checked():
    """
    Each rung needs both of the one before: as many paths as 2 to the power of 2,500.
    """
    tasks = []
    for n in range(2_500):
        needs = [f"a{n - 1}", f"b{n - 1}"] if n else []
        tasks += [
            {"id": f"{s}{n}", "handler": "see", "depends_on": needs} for s in "ab"
        ]
    graph, _ = parse_graph(tasks, goal="goal")

    assert validate(graph, SEEING) == []
    assert isinstance(graph, TaskGraph)
    tasks[0]["depends_on"] = ["b2499"]
    graph, _ = parse_graph(tasks, goal="goal")
    assert [issue.code for issue in validate(graph, SEEING)] == ["cycle"]
