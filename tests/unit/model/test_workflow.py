"""Workflow: steps are written with decorators and become a definition."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.workflow import Workflow


@pytest.fixture
def etl():
    """A workflow without steps."""
    return Workflow("etl")


def edges(workflow):
    """Return the dependencies of each step."""
    return {one.name: one.depends_on for one in workflow.steps}


def codes(workflow):
    """Return code and place of each issue of a workflow."""
    with pytest.raises(DefinitionError) as caught:
        _ = workflow.definition
    return [(one.code, one.pointer) for one in caught.value.issues]


def test_a_decorated_function_stays_what_it_is(etl):
    """
    Calling a decorated function just calls it, async ones included.
    """

    @etl.step
    def double(number):
        return number * 2

    @etl.step(max_attempts=5)
    async def fetch(input):
        return [input]

    @etl.map(over=fetch)
    def price(item, ctx=None):
        return item

    assert double(4) == 8
    assert asyncio.run(fetch(1)) == [1]
    assert price(3) == 3
    assert etl.functions == {"double": double, "fetch": fetch, "price": price}


def test_the_example_of_the_specification(etl):
    """
    Edges come from parameter names, from `depends_on` and from `over`.
    """

    @etl.step
    async def fetch(input): ...

    @etl.map(over=fetch)
    def price(item, ctx): ...

    @etl.step(depends_on=[price], retry=RetryPolicy(max_attempts=5, delay=1))
    def total(price, input): ...

    assert [(one.name, one.kind, one.depends_on, one.over) for one in etl.steps] == [
        ("fetch", StepKind.SINGLE, (), None),
        ("price", StepKind.MAP, ("fetch",), "fetch"),
        ("total", StepKind.SINGLE, ("price",), None),
    ]
    assert etl.steps[2].options.retry == RetryPolicy(max_attempts=5, delay=1)


def test_an_edge_that_is_said_twice_is_one_edge(etl):
    """
    A parameter and `depends_on` may name the same step.
    """
    first = etl.step(name="first")(lambda: 1)
    etl.step(name="last", depends_on=[first, "first", first])(lambda first: 1)

    assert edges(etl)["last"] == ("first",)


def test_dependencies_stand_in_the_order_of_definition(etl):
    """
    Neither `depends_on` nor parameters decide the order in which outputs merge. (C 29)
    """
    etl.step(name="a")(lambda: 1)
    etl.step(name="b")(lambda: 1)
    etl.step(name="c")(lambda: 1)
    etl.step(name="last", depends_on=["c", "a"])(lambda b: 1)

    assert edges(etl)["last"] == ("a", "b", "c")


def test_a_step_may_name_a_later_one(etl):
    """
    Edges are resolved when the definition is asked for.
    """
    etl.step(name="last", depends_on=["first"])(lambda between: 1)
    etl.step(name="between")(lambda first: 1)
    etl.step(name="first")(lambda: 1)

    assert edges(etl) == {
        "last": ("between", "first"),
        "between": ("first",),
        "first": (),
    }


def test_a_parameter_named_like_no_step_is_no_edge(etl):
    """
    Resources, the context and the run's input are no dependencies.
    """

    @etl.step
    def a(ctx, run_input, input, pool, a, **rest): ...

    assert edges(etl) == {"a": ()}


def test_item_and_index_of_a_map_are_no_edges(etl):
    """
    What a map task works on is no dependency beyond `over`.
    """
    etl.step(name="first")(list)
    etl.step(name="more")(lambda: 1)
    etl.map(name="each", over="first")(lambda item, index, more: 1)

    assert edges(etl)["each"] == ("first", "more")


@pytest.mark.parametrize(
    ("given", "depends_on", "over"),
    [
        ({}, (), None),
        ({"over": "a"}, ("a",), "a"),
        ({"depends_on": "a"}, ("a",), "a"),
        ({"depends_on": ["b"], "over": "a"}, ("a", "b"), "a"),
        ({"initial_tasks": 5}, (), None),
    ],
)
def test_a_map_depends_on_what_it_maps_over(etl, given, depends_on, over):
    """
    A map has no source, one, or names it with `over`. (B 24, T 209)
    """
    etl.step(name="a")(list)
    etl.step(name="b")(lambda: 1)
    etl.map(name="each", **given)(lambda item: 1)

    step = etl.steps[2]
    assert (step.depends_on, step.over) == (depends_on, over)
    assert step.initial_tasks == given.get("initial_tasks")


def test_a_map_with_several_dependencies_must_say_which(etl):
    """
    Without `over` nobody knows which of two outputs has the elements. (B 24)
    """
    etl.step(name="a")(list)
    etl.step(name="b")(list)
    etl.map(name="each")(lambda item, a, b: 1)

    assert codes(etl) == [("over_missing", "/steps/2/over")]


@pytest.mark.parametrize("decorate", ["step", "map"])
def test_decorators_work_with_and_without_parentheses(etl, decorate):
    """
    The bare decorator, an empty call and a call with options do the same.
    """
    decorator = getattr(etl, decorate)

    def one(): ...
    def two(): ...
    def three(): ...

    assert decorator(one) is one
    assert decorator()(two) is two
    assert decorator(name="drei", timeout=5)(three) is three
    assert [step.name for step in etl.steps] == ["one", "two", "drei"]


def test_functions_of_any_kind_are_steps(etl):
    """
    Built-ins, partials, methods and callable objects can be added too.
    """

    class Loader:
        def __call__(self, input): ...

        def load(self, input): ...

    etl.step(len)
    etl.step(partial(lambda size, rest: 1, 5), name="part")
    etl.step(Loader().load)
    etl.step(Loader())

    assert [step.name for step in etl.steps] == ["len", "part", "load", "Loader"]


def test_one_function_may_be_several_steps(etl):
    """
    A function that is two steps can be referred to by name only.
    """

    def work(): ...

    etl.step(work)
    etl.step(work, name="again")
    etl.step(name="last", depends_on=["work", "again"])(lambda: 1)
    etl.step(name="bad", depends_on=[work])(lambda: 1)

    with pytest.raises(DefinitionError, match="more than one step: 'work', 'again'"):
        _ = etl.definition


def test_a_bound_method_is_the_same_in_every_reference(etl):
    """
    Python makes a new object for every access to a method; it is one step all the same.
    """

    class Jobs:
        def first(self): ...

        def last(self): ...

    jobs = Jobs()
    etl.step(jobs.first)
    etl.step(jobs.last, depends_on=[jobs.first])

    assert edges(etl)["last"] == ("first",)
    assert codes_of_reference(jobs=Jobs(), etl=etl) == [
        ("unknown_dependency", "/steps/2/depends_on/0")
    ]


def codes_of_reference(jobs, etl):
    """Return the issues of a step that depends on another object's method."""
    etl.step(name="other", depends_on=[jobs.first])(lambda: 1)
    return codes(etl)


def test_the_definition_follows_later_steps(etl):
    """
    A workflow may grow after its definition was looked at.
    """
    etl.step(name="a")(lambda: 1)
    before = etl.definition

    etl.step(name="b")(lambda a: 1)

    assert len(before.steps) == 1
    assert edges(etl) == {"a": (), "b": ("a",)}
    assert etl.definition is etl.definition


def test_options_of_the_workflow_are_defaults_of_its_steps():
    """
    Options travel into the definition, for the workflow and for each step. (C 36)
    """
    etl = Workflow("etl", max_attempts=3, timeout=30, queue="Slow", deadline=3600)
    etl.step(name="a", timeout=5)(lambda: 1)
    etl.step(name="b")(lambda: 1)

    steps = etl.compile().steps

    assert etl.definition.to_json()["options"] == {
        "max_attempts": 3,
        "timeout": 30.0,
        "queue": "slow",
        "deadline": 3600.0,
    }
    assert [step.timeout.total_seconds() for step in steps] == [5, 30]
    assert [step.queue for step in steps] == ["slow", "slow"]


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("a-b", {}, "the workflow name 'a-b' must be letters"),
        ("", {}, "must not be empty"),
        (None, {}, "must be a string"),
        ("ctx", {}, "is reserved"),
        ("etl", {"timeout": 0}, "timeout must be > 0 seconds"),
        ("etl", {"tiemout": 1}, "Did you mean 'timeout'"),
        ("etl", {"start_delay": 1}, "It is an option of steps"),
        ("etl", {"max_attempts": 3, "retry": RetryPolicy()}, "are both given"),
        ("a b", {"timeout": 0, "queue": ""}, "has 3 problems"),
    ],
)
def test_a_bad_workflow_is_refused_when_it_is_made(name, options, problem):
    """
    Names and options are checked at once, all of them. (A 7, T 206)
    """
    with pytest.raises(DefinitionError, match=problem):
        Workflow(name, **options)


def test_a_workflow_is_shown(etl):
    """
    A notebook shows a diagram, the console a line.
    """
    etl.step(name="a")(lambda: 1)

    assert repr(etl) == "<Workflow 'etl' with 1 steps>"
    assert etl.to_mermaid() == 'graph TD\n    s0["a"]\n'
    assert etl._repr_markdown_() == '```mermaid\ngraph TD\n    s0["a"]\n```\n'


def test_a_chain_of_ten_thousand_steps_is_defined_and_compiled(etl):
    """
    Nothing in the definition of a workflow is recursive or quadratic.
    """
    start = time.perf_counter()
    etl.step(lambda: 1, name="s0")
    for number in range(1, 10_000):
        etl.step(lambda view: 1, name=f"s{number}", depends_on=f"s{number - 1}")

    compiled = etl.compile()

    assert compiled.by_name["s9999"].definition.depends_on == ("s9998",)
    assert time.perf_counter() - start < 15


def test_a_place_is_given_in_the_source(etl):
    """
    The error of a step names the file and the line of its function.
    """

    def broken(): ...

    with pytest.raises(DefinitionError) as caught:
        etl.step(broken, timeout=0)

    line = broken.__code__.co_firstlineno
    assert caught.value.message.startswith(
        "workflow 'etl': step 'broken': timeout must be > 0 seconds, got 0 ("
    )
    assert caught.value.message.endswith(f"{Path(__file__).name}:{line})")
