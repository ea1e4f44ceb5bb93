"""What a plan cannot do: reach what is not its own, or cost more than it is long."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest

from singularity_workflow import DefinitionError
from singularity_workflow.orchestrator import (
    Catalog,
    GoalTree,
    Limits,
    TaskGraph,
    TaskSpec,
    flatten,
    parse_graph,
    validate,
)

WIDE = Limits(max_tasks=30_000, max_fan_out=30_000)


class Pool:
    """What JSON values cannot be checked against."""


class Job:
    """Has methods that take anything."""

    def run(self, **options):
        """Take anything."""
        return options


def run(command, **options):
    """Take anything besides what is to be run."""
    return command, options


def callback(n: int, then: Callable[[int], int] = abs) -> int:
    """Take what no plan can give."""
    return then(n)


def issues_of(plan, functions, limits=None, resources=()):
    """Return codes and pointers of what is wrong with a plan."""
    graph, issues = parse_graph(plan, goal="goal")
    catalog = Catalog(functions, resources=resources)
    issues = issues or validate(graph, catalog, limits)
    return [(issue.code, issue.pointer) for issue in issues]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (partial(run, command="ls"), "command"),
        (partial(run, "ls"), "command"),
        (partial(partial(run, command="ls"), depth=1), "command"),
        (partial(run, command="ls", shell=False), "shell"),
        (Job().run, "self"),
    ],
)
def test_what_the_application_has_bound_is_not_the_plans_to_give(function, name):
    """
    Not even where the function takes any argument.
    """
    plan = [{"id": "work", "args": {name: "rm", "other": 1}}]

    assert issues_of(plan, {"work": function}) == [
        ("bad_args", f"/tasks/0/args/{name}")
    ]


@pytest.mark.parametrize("needs", [["db"], []])
@pytest.mark.parametrize("resources", [["db"], []])
def test_no_output_takes_the_place_of_a_resource(resources, needs):
    """
    A task that is called as a resource is refused, needed or not.
    """

    def store(db: Pool, x: int):
        return x

    plan = [
        {"id": "db", "handler": "evil"},
        {"id": "store", "args": {"x": 1}, "depends_on": needs},
    ]

    found = issues_of(plan, {"store": store, "evil": lambda: 1}, resources=resources)

    assert found == [("bad_name", "/tasks/0/id")]


def test_a_callback_is_not_the_plans_to_give():
    """
    A parameter whose type has no JSON Schema is left out of what a model is told.
    """
    catalog = Catalog({"work": callback})

    (entry,) = catalog.view.entries
    assert list(entry["parameters"]["properties"]) == ["n"]
    assert issues_of([{"id": "work", "args": {"then": 1, "n": 1}}], catalog.functions)


def test_an_output_without_a_schema_can_be_anything():
    """
    What cannot be described is not known to be wrong.
    """

    def make() -> Callable[[], int]:
        return int

    plan = [
        {"id": "make"},
        {"id": "use", "args": {"x": {"task": "make", "path": "/a"}}},
    ]

    assert issues_of(plan, {"make": make, "use": lambda x: x}) == []


def test_a_function_that_returns_no_json_is_refused_by_the_catalog():
    """
    Rather than by the first plan that uses it.
    """

    def make() -> Pool:
        return Pool()

    with pytest.raises(DefinitionError, match="annotated as Pool"):
        Catalog({"make": make})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), "bad_value"),
        ("\x00", "bad_value"),
        ("\ud800", "bad_value"),
        (2**70, "bad_value"),
    ],
)
def test_a_graph_made_by_code_is_read_like_any_other(value, code):
    """
    Its values must be such as can be stored.
    """
    task = TaskSpec(id="work", args={"x": [value]})
    graph = TaskGraph(goal="goal", tasks=(task,))

    found = issues_of(graph, {"work": lambda x: x})

    assert found == [(code, "/tasks/0/args/x/0")]


def test_a_graph_made_by_code_has_tasks():
    """
    Whatever was put there past the checks.
    """
    graph = TaskGraph.model_construct(goal="goal", tasks=(5,))

    assert issues_of(graph, {}) == [("bad_type", "/tasks/0")]


def test_many_unknown_dependencies_among_many_tasks():
    """
    Each costs its own, not all tasks once more: else this takes an hour.
    """
    plan = [
        {"id": f"t{n}", "handler": "work", "depends_on": [f"x{m}" for m in range(20)]}
        for n in range(20_000)
    ]

    found = issues_of(plan, {"work": lambda input: 1}, WIDE)

    assert len(found) == 400_000
    assert {code for code, _ in found} == {"unknown_dependency"}


def wide(goal, count):
    """Return a graph of tasks that need nothing."""
    tasks = [{"id": f"t{n}", "handler": "work"} for n in range(count)]
    return GoalTree(graph=TaskGraph.model_validate({"goal": goal, "tasks": tasks}))


def around(count, **members):
    """Return two wide goals, one after the other."""
    tasks = [
        {"id": "a", "goal": "A", **members},
        {"id": "b", "goal": "B", "depends_on": ["a"]},
    ]
    return GoalTree(
        graph=TaskGraph.model_validate({"goal": "goal", "tasks": tasks}),
        nested={"a": wide("A", count), "b": wide("B", count)},
    )


def test_wide_goals_after_each_other_are_no_product():
    """
    Flat, each task of one would wait for each of the other; as runs of their own not.
    """
    plan, issues = flatten(around(1_000))

    assert [issue.code for issue in issues] == ["fan_out_limit"]
    assert len(plan.tasks) < 2_000
    assert flatten(around(1_000), is_flat=False)[1] == []
    assert flatten(around(100))[1] == []


def test_what_a_goal_is_given_counts_once_in_the_digest():
    """
    However many tasks it is for.
    """
    plan, _ = flatten(around(300, args={"text": "x" * 1_000_000}))

    tracemalloc.start()
    digest = plan.digest
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 50_000_000
    other, _ = flatten(around(300, args={"text": "y" * 1_000_000}))
    assert other.digest != digest
