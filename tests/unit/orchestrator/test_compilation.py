"""to_workflow: what task functions get, and what makes a workflow the same."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from singularity_workflow import Context, DecompositionFailed, InvalidInput
from singularity_workflow.orchestrator import Catalog, TaskGraph, to_workflow
from unit.orchestrator.running import run_here


class Order(BaseModel):
    """Something to check against."""

    size: int


def graph(*tasks):
    """Return a graph of tasks."""
    return TaskGraph.model_validate({"goal": "goal", "tasks": tasks})


def result(functions, *tasks, run_input=None):
    """Run tasks and return the result."""
    workflow = to_workflow(graph(*tasks), functions)
    return run_here(workflow, {"goal": "goal"} if run_input is None else run_input)


def test_a_function_of_one_parameter_gets_the_merged_view():
    """
    The seed's functions take the input and what came before, in one mapping.
    """
    found = result(
        {"a": lambda whatever: {"x": 1, **whatever}, "b": lambda input: input},
        {"id": "a"},
        {"id": "b", "depends_on": ["a"]},
    )

    assert found == {"b": {"goal": "goal", "x": 1, "a": {"x": 1, "goal": "goal"}}}


def test_parameters_are_bound_by_name():
    """
    A dependency, the run's input and the context come by their names, as in any step.
    """

    def b(a, run_input, ctx: Context):
        return [a, run_input, ctx.step]

    found = result(
        {"a": lambda: 1, "b": b}, {"id": "a"}, {"id": "b", "depends_on": ["a"]}
    )

    assert found == {"b": [1, {"goal": "goal"}, "b"]}


def test_arguments_of_the_plan_come_before_names():
    """
    An argument may be called as a dependency, and have a part of its output.
    """
    found = result(
        {"a": lambda: {"n": [7]}, "b": lambda a, more=2: [a, more]},
        {"id": "a"},
        {"id": "b", "args": {"a": {"task": "a", "path": "/n/0"}}},
    )

    assert found == {"b": [7, 2]}


def test_arguments_are_of_the_declared_types():
    """
    A value, and a part of an output, come as what the function declares.
    """

    def b(one: Order, other: Order):
        return [type(one).__name__, one.size + other.size]

    found = result(
        {"a": lambda: {"order": {"size": 2}}, "b": b},
        {"id": "a"},
        {
            "id": "b",
            "args": {"one": {"size": 1}, "other": {"task": "a", "path": "/order"}},
        },
    )

    assert found == {"b": ["Order", 3]}


@pytest.mark.parametrize("output", [{"order": {"size": "x"}}, {}, [1], "text", None])
def test_an_output_without_the_part_is_refused(output):
    """
    What a reference finds must be there and fit; the task fails for good.
    """

    def b(order: Order):
        return order.size

    with pytest.raises(InvalidInput, match="argument 'order' of task 'b'"):
        result(
            {"a": lambda: output, "b": b},
            {"id": "a"},
            {"id": "b", "args": {"order": {"task": "a", "path": "/order"}}},
        )


def test_a_task_cannot_change_the_plan():
    """
    A function that changes its argument changes a copy.
    """
    changed = {"a": lambda xs: xs.append(1) or xs}
    workflow = to_workflow(graph({"id": "a", "args": {"xs": []}}), changed)

    assert [run_here(workflow, {}) for _ in range(2)] == [{"a": [1]}] * 2


def test_coroutine_functions_stay_coroutines():
    """
    They run on the event loop, not in a thread.
    """

    async def a(input):
        return 1

    workflow = to_workflow(graph({"id": "a"}), {"a": a})

    assert workflow.compile().steps[0].is_async
    assert run_here(workflow, {}) == {"a": 1}


def test_what_a_function_returns_is_checked():
    """
    Its annotation holds as in any step.
    """

    def a() -> Order:
        return Order(size=3)

    assert result({"a": a}, {"id": "a"}) == {"a": {"size": 3}}


def test_positional_only_parameters_can_be_given():
    """
    A plan gives arguments by name, whatever the function calls them.
    """

    def a(x, /, y=2):
        return [x, y]

    assert result({"a": a}, {"id": "a", "args": {"x": 1}}) == {"a": [1, 2]}


@pytest.mark.parametrize(
    "change",
    [{"args": {"x": 2}}, {"handler": "b"}, {"timeout": 5}, {"on_failure": "skip"}],
)
def test_a_plan_that_does_something_else_has_another_name(change):
    """
    Two plans of one shape never share a version, and so no functions.
    """
    functions = {"a": lambda x: x, "b": lambda x: x}
    task = {"id": "a", "args": {"x": 1}}

    one = to_workflow(graph(task), functions, name="auth")
    other = to_workflow(graph({**task, **change}), functions, name="auth")

    assert one.name.startswith("auth_")
    assert one.name != other.name
    assert one.name == to_workflow(graph(task), functions, name="auth").name


def test_a_description_does_not_change_what_a_plan_does():
    """
    A model that says the same in other words gives the same workflow.
    """
    functions = {"a": lambda: 1}

    one = to_workflow(graph({"id": "a", "description": "x"}), functions)

    assert one.name == to_workflow(graph({"id": "a"}), functions).name


def test_options_of_tasks_are_options_of_steps():
    """
    Retry, timeout and skipping are the engine's.
    """
    workflow = to_workflow(
        graph({
            "id": "a", "timeout": 5, "on_failure": "skip",
            "retry": {"max_attempts": 7},
        }),
        Catalog({"a": lambda: 1}),
        deadline=60,
    )  # fmt: skip

    options = workflow.steps[0].options
    assert options.timeout.total_seconds() == 5
    assert options.on_failure == "skip"
    assert options.retry.max_attempts == 7
    assert workflow.options.deadline.total_seconds() == 60


def test_everything_that_is_wrong_is_told_at_once():
    """
    The error has all issues, and says them.
    """
    with pytest.raises(DecompositionFailed) as caught:
        to_workflow(graph({"id": "a"}, {"id": "b", "depends_on": ["c"]}), {})

    assert [one.code for one in caught.value.issues] == [
        "unknown_handler", "unknown_dependency", "unknown_handler",
    ]  # fmt: skip
    assert "3 problems" in str(caught.value)
