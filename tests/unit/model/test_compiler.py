"""compile_definition: a definition and its functions, ready to run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from pydantic import BaseModel

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.compiled import ByKeyword
from singularity_workflow.model.compiler import compile_definition
from singularity_workflow.model.inputs import StepInputs
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.workflow import Workflow

HERE = Path(__file__).name


class Order(BaseModel):
    id: int


def define(*steps, **members):
    """Return a definition of steps that are given as objects."""
    return definition_from_json({"name": "etl", "steps": list(steps), **members})


def issues_of(definition, functions, **rest):
    """Return code and place of everything that keeps these from being compiled."""
    with pytest.raises(DefinitionError) as caught:
        compile_definition(definition, functions, **rest)
    return [(one.code, one.pointer) for one in caught.value.issues]


CHAIN = define({"name": "fetch"}, {"name": "load", "depends_on": ["fetch"]})


def test_steps_are_numbered_and_found_by_name():
    """
    A compiled workflow has its steps in the order of their numbers.
    """
    fetch, load = (lambda: 1), (lambda fetch: 1)

    workflow = compile_definition(CHAIN, {"load": load, "fetch": fetch})

    assert [(one.number, one.name) for one in workflow.steps] == [
        (0, "fetch"),
        (1, "load"),
    ]
    assert workflow.by_name["load"] is workflow.steps[1]
    assert workflow.steps[1].original is load
    assert workflow.name == "etl"


def test_options_that_hold_are_at_hand():
    """
    Each step has its options with the workflow's and the defaults filled in.
    """
    definition = define(
        {"name": "a", "options": {"queue": "fast", "max_attempts": 7}},
        {"name": "b"},
        options={"timeout": 9, "queue": "slow"},
    )

    workflow = compile_definition(definition, dict.fromkeys("ab", len))

    first, second = workflow.steps
    assert (first.queue, first.retry.max_attempts) == ("fast", 7)
    assert (second.queue, second.retry.max_attempts) == ("slow", 3)
    assert second.timeout.total_seconds() == 9
    assert workflow.queues == {"fast", "slow"}


def test_coroutine_functions_are_marked():
    """
    The worker runs them on its loop, and all others in threads.
    """

    async def fetch(): ...

    workflow = compile_definition(CHAIN, {"fetch": fetch, "load": lambda fetch: 1})

    assert [one.is_async for one in workflow.steps] == [True, False]


def test_every_function_that_is_missing_is_named():
    """
    A definition needs a function for each step; others are ignored.
    """
    functions = {"ftch": len, "load": "no function", "more": len, 5: len}

    with pytest.raises(DefinitionError) as caught:
        compile_definition(CHAIN, functions)

    assert [one.pointer for one in caught.value.issues] == ["/steps/0", "/steps/1"]
    assert caught.value.issues[0].hint == "Did you mean 'ftch'?"
    assert "step 'load' has no function" in str(caught.value)


def test_everything_that_is_wrong_with_the_functions_is_said_at_once():
    """
    Parameters and annotations of all steps are checked before anything is raised.
    """

    def fetch(one, two) -> Missing: ...  # noqa: F821

    def load(other, fetch: Missing) -> Missing: ...  # noqa: F821

    definition = define(
        {"name": "fetch"},
        {"name": "load", "depends_on": ["fetch"]},
        {"name": "other"},
    )

    with pytest.raises(DefinitionError) as caught:
        compile_definition(
            definition, {"fetch": fetch, "load": load, "other": lambda: 1}
        )

    assert [(one.code, one.pointer) for one in caught.value.issues] == [
        ("unbound_parameters", "/steps/0"),
        ("bad_annotation", "/steps/0"),
        ("not_a_dependency", "/steps/1"),
        ("bad_annotation", "/steps/1"),
    ]
    assert str(caught.value).count(f"{HERE}:") == 4


def test_types_that_cannot_fit_are_found():
    """
    Functions that are given by name are compared like decorated ones.
    """

    def fetch() -> int: ...

    def load(fetch: list): ...

    assert issues_of(CHAIN, {"fetch": fetch, "load": load}) == [
        ("type_misfit", "/steps/1")
    ]


def test_a_parameter_named_like_a_step_is_an_edge_or_an_error():
    """
    The edges of a dynamic workflow are given; a parameter adds none.
    """
    definition = define({"name": "fetch"}, {"name": "load"})

    assert issues_of(definition, {"fetch": lambda: 1, "load": lambda fetch: 1}) == [
        ("not_a_dependency", "/steps/1")
    ]


def test_resources_are_known_at_registration(context):
    """
    A name that is a resource of the worker is bound to it.
    """
    etl = Workflow("etl")
    etl.step(lambda pool, cache: (pool, cache), name="first")

    with pytest.raises(DefinitionError, match="'pool', 'cache', which name nothing"):
        etl.compile()
    step = etl.compile(["pool", "cache"]).steps[0]

    assert step.binding.needs_resources == {"pool", "cache"}
    arguments = step.binding.arguments(
        StepInputs(None), context, {"pool": 1, "cache": 2}
    )
    assert step.function(**arguments) == (1, 2)


def test_positional_parameters_are_passed_by_position(context):
    """
    A function that takes no keywords can be a step all the same.
    """

    def load(fetch, size=2, /, factor=1, *, run_input):
        return fetch, size, factor, run_input

    functions = {"fetch": lambda: 1, "load": load}
    step = compile_definition(CHAIN, functions).steps[1]

    arguments = step.binding.arguments(StepInputs(9, {"fetch": 5}), context, {})

    assert step.function(**arguments) == (5, 2, 1, 9)
    assert step.original is load


def test_a_positional_default_before_a_dependency_is_kept(context):
    """
    What is bound keeps its place behind a parameter that is not.
    """

    def load(size=2, fetch=None, /):
        return size, fetch

    step = compile_definition(CHAIN, {"fetch": len, "load": load}).steps[1]

    arguments = step.binding.arguments(StepInputs(9, {"fetch": 5}), context, {})

    assert step.function(**arguments) == (2, 5)


def test_only_functions_that_need_it_are_wrapped():
    """
    A function that takes keywords is called directly.
    """
    functions = {"fetch": len, "load": partial(lambda fetch: 1)}

    first, second = compile_definition(CHAIN, functions).steps

    assert isinstance(first.function, ByKeyword)
    assert first.function(obj=[1, 2]) == 2
    assert second.function is functions["load"]


def test_outputs_are_encoded_by_their_annotation():
    """
    Each step has the codec of what its function returns.
    """

    def fetch() -> Order: ...

    step = compile_definition(CHAIN, {"fetch": fetch, "load": len}).steps[0]

    assert step.output.encode({"id": "5"}) == b'{"id":5}'


def test_predicates_bind_parameters_as_steps_do(context):
    """
    A predicate may take outputs, the run's input, the merged view or the context.
    """
    etl = Workflow("etl")
    etl.step(lambda: 1, name="fetch")
    etl.step(
        lambda item: 1,
        name="load",
        depends_on="fetch",
        when=lambda fetch, run_input, ctx: (fetch, run_input, ctx),
        when_not=lambda view: view,
    )

    step = etl.compile().steps[1]
    inputs = StepInputs({"a": 1}, {"fetch": {"b": 2}})

    when = step.when.function(**step.when.binding.arguments(inputs, context, {}))
    when_not = step.when_not.function(
        **step.when_not.binding.arguments(inputs, context, {})
    )
    assert when == ({"b": 2}, {"a": 1}, context)
    assert when_not == {"a": 1, "b": 2, "fetch": {"b": 2}}
    assert not step.when.is_async


def test_a_predicate_of_a_map_decides_about_an_element(context):
    """
    It is asked for each of them, and gets what the step gets.
    """
    etl = Workflow("etl")
    etl.step(lambda: [1], name="fetch")
    etl.map(
        lambda item: 1, name="load", over="fetch", when=lambda item, index, fetch: item
    )

    step = etl.compile().steps[1]
    inputs = StepInputs({}, {"fetch": [{"a": 1}]}, {"a": 1}, 0)
    arguments = step.when.binding.arguments(inputs, context, {})

    assert arguments == {"item": {"a": 1}, "index": 0, "fetch": [{"a": 1}]}


def test_a_predicate_that_cannot_be_bound_is_an_error_with_its_place():
    """
    The place is that of the predicate, not of the step.
    """

    def check(other): ...

    etl = Workflow("etl")
    etl.step(lambda: 1, name="other")
    etl.step(lambda: 1, name="load", when=check)

    with pytest.raises(DefinitionError, match="does not depend on") as caught:
        etl.compile()

    assert f"{HERE}:{check.__code__.co_firstlineno}" in str(caught.value)


def test_a_predicate_without_a_signature_is_an_error():
    """
    A built-in that does not tell what it takes cannot be bound.
    """
    etl = Workflow("etl")
    etl.step(lambda: 1, name="load", when=type)

    with pytest.raises(DefinitionError, match="cannot be read") as caught:
        etl.compile()

    assert [one.code for one in caught.value.issues] == ["bad_predicate"]


def test_a_predicate_that_is_known_by_name_only_is_an_error():
    """
    A step whose condition nobody can ask must not run unconditionally.
    """
    definition = define(
        {"name": "load", "options": {"when_not": {"$predicate": "app.check"}}}
    )

    assert issues_of(definition, {"load": len}) == [
        ("missing_function", "/steps/0/options")
    ]


def test_patterns_and_paths_are_left_to_the_database():
    """
    Only predicates are Python.
    """
    definition = define(
        {"name": "load", "options": {"when": {"a": 1}, "when_not": "$.b"}}
    )

    step = compile_definition(definition, {"load": len}).steps[0]

    assert (step.when, step.when_not) == (None, None)


def test_any_input_is_taken_without_a_workflow():
    """
    A dynamic workflow takes any JSON as its input.
    """
    workflow = compile_definition(CHAIN, dict.fromkeys(("fetch", "load"), len))

    assert workflow.input.encode([1]) == b"[1]"
