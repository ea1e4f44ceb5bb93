"""What is wrong with the form of a plan is said in the words of the plan."""

from __future__ import annotations

import pytest

from singularity_workflow.orchestrator import TaskGraph, TaskSpec, parse_graph


def issue_of(plan):
    """Return the only thing that is wrong."""
    graph, (issue,) = parse_graph(plan)
    assert graph is None
    return issue


def test_no_answer_at_all():
    """
    A function without `return` is the likely cause.
    """
    issue = issue_of(None)

    assert "without `return`" in issue.hint


@pytest.mark.parametrize("pair", [("ok", [{"id": "a"}]), ["error", "no idea"]])
def test_a_pair_of_outcome_and_tasks(pair):
    """
    As some languages return it; here a plan is the tasks alone.
    """
    issue = issue_of(pair)

    assert issue.code == "bad_type"
    assert (
        issue.hint == "Return just the tasks, and raise an exception if there are none."
    )


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("retry", 3, "'retry' must be an object, got 3"),
        ("timeout", "soon", "'timeout' must be a number of seconds"),
        ("map_over", "x", "'map_over' must be a valid dictionary"),
        ("on_failure", "x", "'on_failure' must be 'fail', 'replan'"),
    ],
)
def test_the_message_names_the_member(member, value, message):
    """
    And not the library that has checked it.
    """
    issue = issue_of([{"id": "a", member: value}])

    assert issue.message.startswith(f"task 'a': {message}")


def test_a_task_with_a_name_instead_of_an_id():
    """
    The hint says which of them it takes.
    """
    _, issues = parse_graph([{"name": "a"}])

    assert 'Write "id" instead of "name".' in [one.hint for one in issues]


def test_a_graph_shows_what_was_said_of_its_tasks():
    """
    What has its default is left out: results are printed to be read.
    """
    graph = TaskGraph(goal="g", tasks=(TaskSpec(id="a", depends_on=("b",)),))

    assert "tasks=(TaskSpec(id='a', depends_on=('b',)),)" in repr(graph)
