"""flatten: ids, edges and results of nested goals in one run."""

from __future__ import annotations

import pytest

from singularity_workflow import DecompositionFailed
from singularity_workflow.orchestrator import (
    Catalog,
    GoalTree,
    TaskGraph,
    flatten,
    to_workflow,
)
from unit.orchestrator.running import run_here


def sorted_input(input):
    """Return the names that are to be seen."""
    return sorted(input)


def sum_up(xs):
    """Add up."""
    return sum(xs)


CATALOG = Catalog(
    {
        "see": sorted_input,
        "ids": lambda: {"list": [1, 2, 3]},
        "double": lambda item: item * 2,
        "total": sum_up,
    }
)


def graph(*tasks, goal="goal", **members):
    """Return a graph of tasks."""
    return TaskGraph.model_validate({"goal": goal, "tasks": tasks, **members})


def tree(*tasks, **nested):
    """Return a goal with those in it."""
    return GoalTree(graph=graph(*tasks), nested=nested)


def see(id, *depends_on, **members):
    """Return a task that sees everything."""
    return {"id": id, "handler": "see", "depends_on": depends_on, **members}


def goal(id, *depends_on, **members):
    """Return a task that is a goal."""
    return {"id": id, "goal": id.upper(), "depends_on": depends_on, **members}


def ids_of(plan):
    """Return the ids of the planned tasks."""
    return [task.id for task in plan.tasks]


def test_edges_go_to_the_first_and_come_from_the_last_tasks():
    """
    What a goal waits for, its first tasks wait for; who waits for it, for its last.
    """
    plan, _ = flatten(
        tree(
            see("a"), goal("b", "a"), see("c", "b"),
            b=tree(see("x"), see("y", "x"), see("z")),
        )
    )  # fmt: skip

    needs = {task.id: set(task.needs(with_scope=False)) for task in plan.tasks}
    assert needs == {
        "a": set(), "b__x": {"a"}, "b__y": {"b__x"}, "b__z": {"a"},
        "c": {"b__y", "b__z"},
    }  # fmt: skip


def test_a_name_that_is_too_long_is_cut_and_marked():
    """
    Names stay unique and short, and are the same in every process.
    """
    long = "a" * 60
    plan, _ = flatten(tree(goal(long), **{long: tree(see("first"), see("other"))}))

    assert ids_of(plan) == [f"{'a' * 54}_8480a0e7", f"{'a' * 54}_d7dc6cb2"]


def test_a_name_that_is_taken_is_marked():
    """
    The upper level keeps its names.
    """
    plan, _ = flatten(tree(goal("a"), see("a__b"), a=tree(see("b"))))

    (inner, outer) = ids_of(plan)
    assert outer == "a__b"
    assert inner.startswith("a__b_")


def test_a_goal_with_conditions_of_its_own_is_a_run_of_its_own():
    """
    What holds for a goal as a whole cannot hold for its tasks.
    """
    plan, _ = flatten(
        tree(goal("a", timeout=5), goal("b"), a=tree(see("x")), b=tree(see("y")))
    )

    assert ids_of(plan) == ["a", "b__y"]
    assert ids_of(plan.tasks[0].nested) == ["x"]
    workflow = to_workflow(plan, CATALOG)
    assert [child.name for child in workflow.children] == [workflow.steps[0].workflow]


def test_a_goal_for_each_element_is_a_run_for_each():
    """
    A goal with map_over has the element in its tasks' input.
    """
    found = run_here(
        to_workflow(
            tree(
                {"id": "ids"},
                goal("a", map_over={"task": "ids", "path": "/list"}),
                a=tree({"id": "double", "args": {}, "handler": "item"}),
            ),
            Catalog(
                {"ids": lambda: {"list": [1, 2]}, "item": lambda input: input["item"]}
            ),
        ),
        {"goal": "goal"},
    )

    assert found == {"a": [{"double": 1}, {"double": 2}]}


def test_a_map_over_a_part_of_an_output():
    """
    The array is found by a step of its own.
    """
    workflow = to_workflow(
        graph(
            {"id": "ids"},
            {
                "id": "d",
                "handler": "double",
                "map_over": {"task": "ids", "path": "/list"},
            },
            {"id": "t", "handler": "total", "args": {"xs": {"task": "d"}}},
        ),
        CATALOG,
    )

    assert [step.name for step in workflow.steps] == ["ids", "_over_d", "d", "t"]
    assert run_here(workflow, {}) == {"t": 12}


def test_outputs_name_the_result():
    """
    A graph may say what its result is, by name and path.
    """
    workflow = to_workflow(
        graph(
            {"id": "ids"},
            see("b", "ids"),
            outputs={"second": {"task": "ids", "path": "/list/1"}},
        ),
        CATALOG,
    )

    assert run_here(workflow, {}) == {"_outputs": {"second": 2}}


def test_a_goal_that_was_not_decomposed_cannot_be_run():
    """
    It is told which one, with its place.
    """
    with pytest.raises(DecompositionFailed) as caught:
        to_workflow(graph(see("a"), goal("b")), CATALOG)

    (issue,) = caught.value.issues
    assert (issue.code, issue.pointer) == ("no_primitive", "/tasks/1/goal")


def test_a_map_over_all_that_a_goal_gives_is_an_issue():
    """
    A goal's result is a mapping.
    """
    _, issues = flatten(
        tree(goal("a"), see("b", map_over={"task": "a"}), a=tree(see("x")))
    )

    assert [(one.code, one.pointer) for one in issues] == [
        ("bad_ref_path", "/tasks/1/map_over/path")
    ]
