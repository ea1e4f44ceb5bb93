"""Binding: every parameter of a step function gets its value by its name."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.binding import compile_binding
from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.inputs import NO_ITEM, StepInputs

RUN_INPUT = {"run": True}
OUTPUT = {"out": 1}
MERGED = {"run": True, "out": 1, "dep": OUTPUT}
POOL = object()
ALL = ("ctx", "run_input", "item", "index", "dep", "input", "pool", "left")


class MyContext(Context):
    """A context with an application's own helpers."""


single = partial(compile_binding, step="load", kind=StepKind.SINGLE)
mapped = partial(compile_binding, step="load", kind=StepKind.MAP)


def bind(binding, context, *, item=NO_ITEM, index=0, outputs=None, run_input=RUN_INPUT):
    """Return the arguments of one call, with a resource under every name."""
    known = {"dep": OUTPUT} if outputs is None else outputs
    inputs = StepInputs(run_input, known, item, index)
    return binding.arguments(inputs, context, dict.fromkeys(ALL, POOL))


def function_of(*parameters):
    """Return a function that has these parameters."""
    namespace: dict[str, Any] = {"Context": Context, "Annotated": Annotated}
    exec(f"def step({', '.join(parameters)}): ...", namespace)
    return namespace["step"]


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("run_input", RUN_INPUT),
        ("dep", OUTPUT),
        ("input", MERGED),
        ("left", MERGED),
        ("item", MERGED),
        ("index", MERGED),
    ],
)
def test_a_parameter_of_a_single_step_means_what_its_name_says(
    context, parameter, expected
):
    """
    In a single step `item` and `index` are names like any other.
    """
    binding = single(function_of(parameter), depends_on=["dep"])

    arguments = bind(binding, context)

    assert arguments == {parameter: expected}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("run_input", RUN_INPUT),
        ("item", {"elem": 1}),
        ("index", 7),
        ("dep", OUTPUT),
        ("input", {**MERGED, "elem": 1}),
        ("left", {**MERGED, "elem": 1}),
    ],
)
def test_a_parameter_of_a_map_step_means_what_its_name_says(
    context, parameter, expected
):
    """
    A map task also has its element and its position.
    """
    binding = mapped(function_of(parameter), depends_on=["dep"])

    arguments = bind(binding, context, item={"elem": 1}, index=7)

    assert arguments == {parameter: expected}


@pytest.mark.parametrize(
    "parameter",
    [
        "ctx",
        "ctx: int",
        "anything: Context",
        "dep: Context",
        "run_input: Context",
        "input: Context | None",
        "pool: 'Context'",
        "item: Annotated[Context, 'mine']",
        "anything: Context = None",
    ],
)
def test_the_context_comes_first(context, parameter):
    """
    `ctx`, and whatever is annotated as `Context`, is the context and nothing else.
    """
    function = function_of(parameter)
    binding = mapped(function, depends_on=["dep"], resources=ALL)

    arguments = bind(binding, context, item=1)

    assert list(arguments.values()) == [context]


@pytest.mark.parametrize("annotation", ["list[Context]", "dict[str, Context]"])
def test_a_type_that_only_mentions_the_context_is_not_the_context(annotation):
    """
    There is no list of contexts, so that a parameter of that type cannot be checked.
    """
    with pytest.raises(DefinitionError, match="cannot be checked against"):
        mapped(function_of(f"left: {annotation}"), depends_on=[])


def test_a_subclass_of_the_context_is_the_context(context):
    """
    A parameter annotated with a subclass is meant for the context as well.
    """

    def step(mine: MyContext): ...

    arguments = bind(single(step, depends_on=["dep"]), context)

    assert arguments == {"mine": context}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [("run_input", RUN_INPUT), ("item", 5), ("index", 7), ("dep", OUTPUT)],
)
def test_a_resource_takes_no_name_that_has_a_meaning(context, parameter, expected):
    """
    The run's input, the element, the index and dependencies come before resources.
    """
    binding = mapped(function_of(parameter), depends_on=["dep"], resources=ALL)

    arguments = bind(binding, context, item=5, index=7)

    assert arguments == {parameter: expected}


@pytest.mark.parametrize("parameter", ["pool", "pool=None", "input", "item", "index"])
def test_a_resource_comes_before_the_merged_view_and_defaults(context, parameter):
    """
    What is named like a resource gets it, even `input`, and even with a default.
    """
    binding = single(function_of(parameter), depends_on=["dep"], resources=ALL)

    arguments = bind(binding, context)

    assert list(arguments.values()) == [POOL]


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [("dep=5", OUTPUT), ("input=5", MERGED), ("run_input=5", RUN_INPUT)],
)
def test_a_default_does_not_stand_in_the_way(context, parameter, expected):
    """
    A parameter that matches something gets it, whether it has a default or not.
    """
    binding = single(function_of(parameter), depends_on=["dep"])

    arguments = bind(binding, context)

    assert list(arguments.values()) == [expected]


def test_a_default_that_matches_nothing_is_kept(context):
    """
    A parameter with a default that matches nothing is not passed at all.
    """
    binding = single(function_of("left", "size=5", "*", "flag=True"), depends_on=[])

    arguments = bind(binding, context, outputs={})

    assert arguments == {"left": RUN_INPUT}


def test_input_and_one_other_both_get_the_merged_view(context):
    """
    `input` is no remaining parameter, so that one more may remain.
    """
    binding = single(function_of("input", "left"), depends_on=["dep"])

    arguments = bind(binding, context)

    assert arguments == {"input": MERGED, "left": MERGED}
    assert arguments["input"] is not arguments["left"]


def test_two_remaining_parameters_are_an_error():
    """
    Of two parameters that match nothing, none can be told to be the merged view.
    """
    with pytest.raises(DefinitionError) as caught:
        single(function_of("ctx", "left", "right", "dep"), depends_on=["dep"])

    assert "'left', 'right'" in str(caught.value)
    assert "take the merged view as 'input'" in caught.value.hint
    assert [one.code for one in caught.value.issues] == ["unbound_parameters"]


@pytest.mark.parametrize(
    ("parameters", "meant"),
    [(("featch", "x"), "'fetch'"), (("x", "poool"), "'pool'")],
)
def test_remaining_parameters_are_compared_with_what_is_known(parameters, meant):
    """
    The error asks whether a step or a resource was meant.
    """
    with pytest.raises(DefinitionError, match=f"Did you mean {meant}"):
        single(
            function_of(*parameters),
            depends_on=[],
            all_step_names=["load", "fetch"],
            resources=["pool"],
        )


@pytest.mark.parametrize("parameter", ["other", "other=None"])
@pytest.mark.parametrize("resources", [(), ("other",)])
def test_a_step_that_is_no_dependency_is_an_error(parameter, resources):
    """
    A parameter named like a step that this one does not depend on has no value.
    """
    with pytest.raises(DefinitionError, match=r"Add 'other' to depends_on") as caught:
        single(
            function_of(parameter),
            depends_on=["dep"],
            all_step_names=["dep", "load", "other"],
            resources=resources,
        )

    assert [one.code for one in caught.value.issues] == ["not_a_dependency"]


def test_a_parameter_may_be_named_like_its_own_step(context):
    """
    No step depends on itself, so that its own name is free.
    """
    binding = single(
        function_of("load"), depends_on=["dep"], all_step_names=["dep", "load"]
    )

    arguments = bind(binding, context)

    assert arguments == {"load": MERGED}


@pytest.mark.parametrize("item", [None, False, 0, "", [], {}])
def test_an_empty_element_is_an_element(context, item):
    """
    Null, zero and empty elements are bound like all others.
    """
    binding = mapped(function_of("item", "input"), depends_on=[])

    arguments = bind(binding, context, item=item, outputs={}, run_input=[])

    assert arguments == {"item": item, "input": item}


def test_a_root_step_gets_an_input_that_is_no_mapping(context):
    """
    The lone parameter of a root step is the run's input, whatever that is.
    """
    binding = single(function_of("number"), depends_on=[])

    arguments = bind(binding, context, outputs={}, run_input=42)

    assert arguments == {"number": 42}


def test_a_skipped_dependency_is_none_without_a_default(context):
    """
    A step can tell that a dependency was skipped: its parameter is None.
    """
    binding = single(function_of("dep: list[int]", "gone"), depends_on=["dep", "gone"])

    arguments = bind(binding, context, outputs={})

    assert arguments == {"dep": None, "gone": None}


def test_a_skipped_dependency_leaves_the_default(context):
    """
    A parameter with a default keeps it when its dependency was skipped.
    """
    function = function_of("dep: int = 5", "gone=6", "lost: int = 7")
    binding = single(function, depends_on=["dep", "gone", "lost"])

    arguments = bind(binding, context, outputs={"dep": 1})

    assert arguments == {"dep": 1}


def test_catch_all_parameters_get_nothing(context):
    """
    `*args` and `**kwargs` name nothing, so nothing is passed through them.
    """
    binding = single(function_of("dep", "*args", "**kwargs"), depends_on=["dep"])

    arguments = bind(binding, context)

    assert arguments == {"dep": OUTPUT}


def test_what_a_partial_has_bound_is_not_bound_again(context):
    """
    The keywords of a `functools.partial` are its own.
    """

    def step(dep, left, size): ...

    binding = single(partial(step, size=3), depends_on=["dep"])

    arguments = bind(binding, context)

    assert arguments == {"dep": OUTPUT, "left": MERGED}


@pytest.mark.parametrize(
    ("parameters", "takes"), [(["ctx"], True), (["a: Context"], True), (["dep"], False)]
)
def test_tells_whether_the_context_is_taken(parameters, takes):
    """
    The worker can leave out what only the context is for.
    """
    binding = single(function_of(*parameters), depends_on=["dep"])

    assert binding.takes_context is takes


def test_every_resource_that_is_taken_is_reported():
    """
    The worker can tell which resources a step cannot do without.
    """
    binding = single(
        function_of("pool", "dep", "left"), depends_on=["dep"], resources=ALL
    )

    assert binding.needs_resources == {"pool", "left"}


@pytest.mark.parametrize(
    ("parameters", "reads", "reads_run_input"),
    [
        ([], set(), False),
        (["dep"], {"dep"}, False),
        (["run_input"], set(), True),
        (["dep", "run_input"], {"dep"}, True),
        (["input"], {"dep", "more"}, True),
        (["left"], {"dep", "more"}, True),
    ],
)
def test_tells_what_a_step_can_see(parameters, reads, reads_run_input):
    """
    Only the merged view shows all outputs and the run's input.
    """
    binding = single(function_of(*parameters), depends_on=["dep", "more"])

    assert binding.reads == reads
    assert binding.reads_run_input == reads_run_input
