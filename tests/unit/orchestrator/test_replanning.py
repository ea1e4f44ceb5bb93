"""What a further plan is made of: pure, no database."""

from __future__ import annotations

import pytest

from singularity_workflow.orchestrator import GoalTree, TaskGraph, flatten
from singularity_workflow.orchestrator.planning.replanning import (
    Done,
    combine,
    level_to_replan,
    put,
    states,
    subtree,
)


def graph(*tasks, goal="goal", outputs=None):
    """Return a graph of tasks, given as ids and what they need, or as mappings."""
    found = [
        one if isinstance(one, dict) else {"id": one[0], "depends_on": list(one[1:])}
        for one in tasks
    ]
    return TaskGraph.model_validate({"goal": goal, "tasks": found, "outputs": outputs})


INNER = GoalTree(graph=graph("x", ("y", "x"), goal="inner"))
BUILD = {"id": "build", "goal": "inner", "depends_on": ["a"]}
TREE = GoalTree(graph=graph("a", BUILD, ("c", "build")), nested={"build": INNER})


def ids(combined):
    """Return the ids of the tasks of the next graph."""
    return [task.id for task in combined.graph.tasks]


def test_what_is_through_comes_first_and_the_remainder_after_it():
    """
    What has not completed and is not in the remainder is gone.
    """
    done = Done(outputs={"a": 1})

    found = combine(TREE, (), done, graph(("d", "a")))

    assert ids(found) == ["a", "d"]
    assert set(found.dropped) == {"build", "c"}
    assert found.issues == ()


def test_a_compound_task_is_through_when_its_final_tasks_are():
    """
    Its output is the mapping that who depends on it sees.
    """
    done = Done(outputs={"a": 1, "build/x": 2, "build/y": 3})

    found = combine(TREE, (), done, graph(("d", "build")))

    assert ids(found) == ["a", "build", "d"]
    assert found.known == {"build": INNER}
    assert done.completed(TREE, ()) == {"a": 1, "build": {"y": 3}}
    assert done.completed(TREE, ("build",)) == {"x": 2, "y": 3}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"id": "a", "handler": "other"}, "'a' has completed"),
        ({"id": "build", "handler": "other"}, "'build' is completed in part"),
        ({**BUILD, "goal": "other"}, "'build' is completed in part"),
    ],
)
def test_what_was_done_is_not_redefined(task, message):
    """
    Neither a completed task nor one of which a part has completed.
    """
    done = Done(outputs={"a": 1, "build/x": 2})

    (issue,) = combine(TREE, (), done, graph(task)).issues

    assert issue.code == "completed_task"
    assert issue.pointer == "/tasks/0/id"
    assert message in issue.message


def test_a_task_as_it_was_is_no_redefinition():
    """
    A completed one stays completed, one that had begun keeps what was done of it.
    """
    done = Done(outputs={"a": 1, "build/x": 2})

    found = combine(TREE, (), done, TREE.graph)

    assert found.issues == ()
    assert ids(found) == ["a", "build", "c"]
    assert found.known == {"build": INNER}
    assert found.dropped == ()


def test_a_skipped_task_may_be_planned_again():
    """
    It has not completed.
    """
    tree = GoalTree(graph=graph("s", ("b", "s")))
    done = Done(skipped=frozenset({"s"}))

    stays = combine(tree, (), done, graph(("d", "s")))
    again = combine(tree, (), done, graph({"id": "s", "handler": "other"}))

    assert (ids(stays), stays.issues) == (["s", "d"], ())
    assert (ids(again), again.issues) == (["s"], ())
    assert "s" in again.dropped
    assert "s" not in stays.dropped


@pytest.mark.parametrize(
    ("old", "remainder", "expected"),
    [
        (graph("a", ("b", "a")), graph(("d", "a")), None),
        (graph("a", ("b", "a")), graph("d"), {"d"}),
        (graph("a", ("b", "a"), "k"), graph(("d", "a")), None),
        (graph("a", ("b", "a"), outputs={"r": {"task": "a"}}), graph("d"), {"r"}),
        (graph("a", ("b", "a"), outputs={"r": {"task": "b"}}), graph("d"), {"d"}),
        (graph("a", "b"), graph("d", outputs={"z": {"task": "a"}}), {"z"}),
    ],
)
def test_what_the_result_is(old, remainder, expected):
    """
    What somebody says; else the final tasks, without what led nowhere.
    """
    done = Done(outputs={"a": 1, "k": 2} if len(old.tasks) == 3 else {"a": 1})

    found = combine(GoalTree(graph=old), (), done, remainder).graph

    assert (None if found.outputs is None else set(found.outputs)) == expected


def test_which_graph_is_planned_anew():
    """
    That of the task which says so, from the inside out; or that of one which asks.
    """
    inner = graph({"id": "x", "on_failure": "replan"}, "y", goal="inner")
    outer = graph({**BUILD, "on_failure": "replan"}, "a")
    both = GoalTree(graph=outer, nested={"build": GoalTree(graph=inner)})

    assert level_to_replan(both, ("build", "x"), is_asked=False) == ("build",)
    assert level_to_replan(both, ("build", "y"), is_asked=False) == ()
    assert level_to_replan(both, ("a",), is_asked=False) is None
    assert level_to_replan(both, ("build", "y"), is_asked=True) == ("build",)


def test_a_kept_task_is_a_source_and_no_task_of_the_plan():
    """
    So it cannot run, and nobody waits for it.
    """
    plan, issues = flatten(TREE, kept=["a", "build/x"])

    assert issues == []
    assert plan.needed == {"a", "build/x"}
    assert flatten(TREE, kept=["a", "build/x", "build/y"])[0].needed == {"build/y"}
    assert [task.id for task in plan.tasks] == ["build__y", "c"]
    assert [task.needs(with_scope=True) for task in plan.tasks] == [(), ("build__y",)]
    assert plan.digest != flatten(TREE)[0].digest


def test_the_other_parts_of_a_tree_stay():
    """
    With another graph in one place.
    """
    other = GoalTree(graph=graph("z", goal="inner"))

    found = put(TREE, ("build",), other)

    assert subtree(found, ("build",)) == other
    assert found.graph == TREE.graph
    assert put(TREE, (), other) == other


def test_what_was_under_way():
    """
    A compound task is if anything of it had begun.
    """
    done = Done(outputs={"a": 1, "build/x": 2})
    begun = {("a",): "completed", ("build", "x"): "completed"}

    assert states(TREE, (), begun, done) == (["build"], ["c"])
