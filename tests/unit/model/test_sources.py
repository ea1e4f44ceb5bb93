"""Workflows from classes, instances and modules that have `__workflow_steps__`."""

from __future__ import annotations

import functools
from types import ModuleType, SimpleNamespace

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.sources import read_source, source_name
from singularity_workflow.model.workflow import Workflow


def fetch(input):
    return [1, 2]


def price(item):
    return item * 2


def total(price):
    return sum(price)


STEPS = [
    ("fetch", fetch),
    ("price", price, {"over": "fetch"}),
    ("total", total),
]


class Bare:
    def __workflow_steps__():
        return STEPS


class WithSelf:
    made = 0

    def __init__(self):
        type(self).made += 1
        self.factor = 3

    def __workflow_steps__(self):
        return [("scale", self.scale), ("more", WithSelf.more)]

    def scale(self, run_input):
        return self.factor * (run_input or 1)

    def more(self, scale):
        return self.factor + scale


class Static:
    @staticmethod
    def __workflow_steps__():
        return STEPS


class OfClass:
    __workflow_name__ = "named"

    @classmethod
    def __workflow_steps__(cls):
        return [("fetch", cls.fetch), ("static", cls.static)]

    @classmethod
    def fetch(cls, run_input):
        return cls.__name__, run_input

    @staticmethod
    def static(fetch):
        return fetch


class Inherited(Static):
    pass


def module(name="app.flows.etl", **members):
    """Return a module that lists the steps."""
    made = ModuleType(name)
    vars(made).update({"__workflow_steps__": lambda: STEPS, **members})
    return made


@pytest.mark.parametrize(
    "source", [Bare, Bare(), Static, Static(), Inherited, Inherited(), module()]
)
def test_classes_instances_and_modules_list_their_steps(source):
    """
    `__workflow_steps__` is called without arguments, wherever it is.
    """
    workflow = Workflow.from_object(source)

    assert [(one.name, one.kind.value, one.depends_on) for one in workflow.steps] == [
        ("fetch", "single", ()),
        ("price", "map", ("fetch",)),
        ("total", "single", ("price",)),
    ]
    assert workflow.source is source


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Bare, "Bare"),
        (Bare(), "Bare"),
        (OfClass, "named"),
        (OfClass(), "named"),
        (Inherited, "Inherited"),
        (module(), "etl"),
        (module("single"), "single"),
        (module(__workflow_name__="other"), "other"),
    ],
)
def test_the_name_is_given_or_that_of_the_object(source, name):
    """
    `__workflow_name__` goes first, then `__name__`, of a module its last part.
    """
    assert source_name(source) == name
    assert Workflow.from_object(source).name == name


def test_a_class_is_instantiated_once_if_something_needs_self():
    """
    Methods that are listed with and without their instance share one.
    """
    WithSelf.made = 0

    functions = Workflow.from_object(WithSelf).functions

    assert WithSelf.made == 1
    assert functions["scale"]({}) == 3
    assert functions["more"](4) == 7
    assert functions["scale"].__self__ is functions["more"].__self__


def test_an_instance_is_used_as_it_is():
    """
    Methods are bound to the object that was given.
    """
    source = WithSelf()
    source.factor = 10

    functions = Workflow.from_object(source).functions

    assert functions["scale"]({}) == 10
    assert functions["more"](4) == 14


def test_a_method_may_be_referred_to_through_its_class():
    """
    A reference is to the function as it stands in the entry, or as it was bound.
    """

    class Source:
        def __workflow_steps__(self):
            return [
                ("first", Source.first),
                ("second", self.second, {"depends_on": [Source.first]}),
                ("third", lambda: 1, {"depends_on": [self.second, self.first]}),
            ]

        def first(self): ...

        def second(self): ...

    steps = Workflow.from_object(Source).steps

    assert [one.depends_on for one in steps] == [(), ("first",), ("first", "second")]


def test_a_class_that_needs_no_self_is_not_instantiated():
    """
    A class without instances can list its steps too.
    """

    class Abstract(Static):
        def __init__(self):
            raise AssertionError("instantiated")

    assert len(read_source(Abstract)) == 3


def test_optional_parameters_are_left_alone():
    """
    A function that can be called without arguments needs no instance.
    """

    class Source:
        def __workflow_steps__(first="fetch", *rest, **more):  # noqa: N805
            return [(first, fetch)]

    assert [one.name for one in read_source(Source)] == ["fetch"]
    assert [one.name for one in read_source(Source())] == ["fetch"]


def test_a_module_is_no_instance():
    """
    A function of a module that takes something required cannot be called.
    """
    source = module(__workflow_steps__=lambda self: STEPS)

    with pytest.raises(DefinitionError, match="cannot be made without arguments"):
        read_source(source)


def test_class_methods_and_static_methods_are_steps():
    """
    What is bound already is left as it is.
    """
    functions = Workflow.from_object(OfClass).functions

    assert functions["fetch"](1) == ("OfClass", 1)
    assert functions["static"]("x") == "x"


def test_a_decorated_method_is_bound_as_well():
    """
    A method keeps needing its `self` when a decorator is around it.
    """

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Source:
        @logged
        def step(self, run_input):
            return type(self).__name__, run_input

        def __workflow_steps__():
            return [("step", Source.step)]

    workflow = Workflow.from_object(Source)

    assert workflow.functions["step"](1) == ("Source", 1)
    assert workflow.compile().steps[0].binding.reads_run_input


def test_a_function_of_a_module_may_take_a_self():
    """
    In a module `self` is a name like any other.
    """

    def step(self):
        return self

    source = module(__workflow_steps__=lambda: [("step", step)])

    assert Workflow.from_object(source).functions["step"] is step


def test_an_attribute_of_an_instance_lists_its_steps():
    """
    Any object will do that has the attribute.
    """
    source = SimpleNamespace(__workflow_steps__=lambda: STEPS, __workflow_name__="ns")

    assert len(Workflow.from_object(source).steps) == 3


@pytest.mark.parametrize("form", [iter, tuple, list])
def test_steps_may_come_in_any_iterable(form):
    """
    A tuple, a list or a generator of entries, each a tuple or a list.
    """
    source = module(__workflow_steps__=lambda: form([list(one) for one in STEPS]))

    assert [one.name for one in read_source(source)] == ["fetch", "price", "total"]


@pytest.mark.parametrize(
    ("options", "kind", "depends_on"),
    [
        ({}, StepKind.SINGLE, ("fetch",)),
        ({"depends_on": None}, StepKind.SINGLE, ("fetch",)),
        ({"depends_on": ["other"]}, StepKind.SINGLE, ("other",)),
        ({"depends_on": "other"}, StepKind.SINGLE, ("other",)),
        ({"depends_on": []}, StepKind.SINGLE, ()),
        ({"over": "fetch"}, StepKind.MAP, ("fetch",)),
        ({"over": None, "initial_tasks": None}, StepKind.SINGLE, ("fetch",)),
        ({"initial_tasks": 3}, StepKind.MAP, ("fetch",)),
        ({"initial_tasks": 0, "depends_on": []}, StepKind.MAP, ()),
        ({"over": "other", "depends_on": ["fetch"]}, StepKind.MAP, ("fetch", "other")),
        ({"over": fetch}, StepKind.MAP, ("fetch",)),
    ],
)
def test_options_are_the_keywords_of_the_decorators(options, kind, depends_on):
    """
    `over` or `initial_tasks` makes a map; given edges replace those by name.
    """
    source = module(
        __workflow_steps__=lambda: [
            ("fetch", fetch),
            ("other", lambda: 1),
            ("last", lambda fetch: 1, options),
        ]
    )

    step = Workflow.from_object(source).steps[2]

    assert (step.kind, step.depends_on) == (kind, depends_on)


def test_given_edges_leave_no_parameter_for_another_step():
    """
    With `depends_on` given, a parameter named like another step has no value.
    """
    source = module(
        __workflow_steps__=lambda: [
            ("fetch", fetch),
            ("last", lambda fetch: 1, {"depends_on": []}),
        ]
    )

    with pytest.raises(DefinitionError, match="'last' does not depend on"):
        Workflow.from_object(source).compile()


def test_other_options_are_kept():
    """
    Options travel from the entry to the definition.
    """
    source = module(__workflow_steps__=lambda: [("a", fetch, {"max_attempts": 7})])

    step = Workflow.from_object(source).steps[0]

    assert step.options.max_attempts == 7


def test_a_workflow_is_its_own_source():
    """
    `from_object` returns a workflow unchanged.
    """
    workflow = Workflow("etl")

    assert Workflow.from_object(workflow) is workflow
