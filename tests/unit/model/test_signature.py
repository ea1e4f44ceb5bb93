"""read_signature: what any callable takes and returns."""

from __future__ import annotations

import functools
import typing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.signature import (
    Parameter,
    Unresolved,
    local_names,
    read_signature,
)

if TYPE_CHECKING:
    from somewhere import Hidden


def plain(a, b: int = 1, *args: str, c: str, **kwargs: str) -> list[int]: ...


async def coroutine(a: int) -> str: ...


def positional(a: int, b: str = "x", /, c=1): ...


def hidden(
    a: Hidden, b: list[Hidden], c: Annotated[int, "meta"], d: None
) -> Hidden: ...


def nothing(a: None) -> None: ...


def annotated(a: Annotated[int, "meta"]): ...


class Callable:
    def __call__(self, a: int) -> str: ...

    def method(self, a: int) -> str: ...

    @classmethod
    def of_class(cls, a: int) -> str: ...

    @staticmethod
    def static(a: int) -> str: ...


class AsyncCallable:
    async def __call__(self, a: int) -> str: ...


class Made:
    def __init__(self, a: int) -> None: ...


def wrapped(function):
    """Wrap a function as decorators do."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return list(function(*args, **kwargs))

    return wrapper


def generator(a: int):
    yield a


async def async_generator(a: int):
    yield a


class Generating:
    def __call__(self, a):
        yield a


def names(signature):
    """Return the names of the parameters."""
    return [one.name for one in signature.parameters]


def test_parameters_have_names_annotations_and_defaults():
    """
    Catch-all parameters are left out.
    """
    signature = read_signature(plain)

    assert signature.parameters == (
        Parameter(name="a"),
        Parameter(name="b", annotation=int, has_default=True),
        Parameter(name="c", annotation=str),
    )
    assert signature.returns == list[int]
    assert not signature.is_async


def test_positional_parameters_are_marked():
    """
    What can only be passed by position is known to be so.
    """
    signature = read_signature(positional)

    marks = [one.is_positional_only for one in signature.parameters]
    assert marks == [True, True, False]


@pytest.mark.parametrize(
    "function",
    [
        Callable(),
        Callable().method,
        Callable.of_class,
        Callable.static,
        partial(lambda x, a: x, 1),
        wrapped(Callable.static),
        wrapped(wrapped(Callable.static)),
    ],
)
def test_every_kind_of_callable_is_read(function):
    """
    Objects, methods, partials and decorated functions take what they take.
    """
    assert names(read_signature(function)) == ["a"]


@pytest.mark.parametrize(
    "function", [Callable(), Callable().method, Callable.of_class, Callable.static]
)
def test_annotations_are_those_of_the_function_itself(function):
    """
    The annotations stand where the code stands.
    """
    signature = read_signature(function)

    assert signature.parameters[0].annotation is int
    assert signature.returns is str


def test_a_class_returns_what_it_makes():
    """
    The annotation None of `__init__` is not what a class returns.
    """
    signature = read_signature(Made)

    assert signature.parameters == (Parameter(name="a", annotation=int),)
    assert signature.returns is Any


def test_what_a_partial_has_bound_is_left_out():
    """
    Keywords that are bound are no parameters any more.
    """
    assert names(read_signature(partial(plain, 1, c="x"))) == ["b"]
    assert names(read_signature(partial(partial(plain, c="x"), 1))) == ["b"]


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (plain, False),
        (coroutine, True),
        (partial(coroutine, a=1), True),
        (Callable(), False),
        (AsyncCallable(), True),
        (AsyncCallable().__call__, True),
        (Made, False),
        (AsyncCallable, False),
        (lambda a: a, False),
    ],
)
def test_coroutine_functions_are_recognised(function, is_async):
    """
    Whether a call makes a coroutine does not depend on what is wrapped around it.
    """
    assert read_signature(function).is_async is is_async


@pytest.mark.parametrize(
    "function",
    [generator, async_generator, Generating(), partial(generator, a=1)],
)
def test_generators_are_refused(function):
    """
    A step returns its output once, so that a function that yields is a mistake.
    """
    with pytest.raises(DefinitionError, match="yields") as caught:
        read_signature(function)

    assert f"{Path(__file__).name}:" in str(caught.value)


def test_a_generator_that_a_decorator_collects_is_a_function():
    """
    What counts is what the call returns, not what is wrapped.
    """
    signature = read_signature(wrapped(generator))

    assert names(signature) == ["a"]


@pytest.mark.parametrize("function", [type, 5])
def test_a_callable_without_a_signature_is_refused(function):
    """
    Some built-ins do not tell what they take.
    """
    with pytest.raises(DefinitionError, match="cannot be read") as caught:
        read_signature(function)

    assert "Wrap it in a function" in caught.value.hint


def test_a_name_that_is_missing_is_kept_as_text():
    """
    An annotation behind `if TYPE_CHECKING` is no error until it must be checked.
    """
    signature = read_signature(hidden)

    first, second, third, fourth = (one.annotation for one in signature.parameters)
    assert first == Unresolved("Hidden", "name 'Hidden' is not defined")
    assert second == Unresolved("list[Hidden]", "name 'Hidden' is not defined")
    assert typing.get_args(third) == (int, "meta")
    assert fourth is type(None)
    assert isinstance(signature.returns, Unresolved)


def test_a_name_that_is_missing_inside_of_a_type_is_shown_with_it():
    """
    Annotations that Python evaluated may have text in them still.
    """
    namespace = {}
    exec("def step(a: list['Hidden'], b: None, c: int): ...", namespace)

    annotations = [
        one.annotation for one in read_signature(namespace["step"]).parameters
    ]

    assert annotations[0].text == "list['Hidden']"
    assert annotations[1:] == [type(None), int]


def test_none_is_a_type():
    """
    The annotation None means the type of None.
    """
    signature = read_signature(nothing)

    assert signature.parameters[0].annotation is type(None)
    assert signature.returns is type(None)


def test_metadata_of_annotations_is_kept():
    """
    pydantic reads the constraints in `Annotated`.
    """
    annotation = read_signature(annotated).parameters[0].annotation

    assert typing.get_args(annotation) == (int, "meta")


def test_local_classes_are_found_through_the_closure():
    """
    Annotations that name a variable of the enclosing function are resolved.
    """

    class Local: ...

    def step(a: Local, b: Hidden) -> Local:
        return Local()

    signature = read_signature(step)

    assert signature.parameters[0].annotation is Local
    assert isinstance(signature.parameters[1].annotation, Unresolved)


def test_local_classes_are_found_through_given_names():
    """
    Without a closure the names of the defining function have to be handed over.
    """

    class Local: ...

    def step(a: Local): ...

    known = read_signature(step, {"Local": Local})
    unknown = read_signature(step)

    assert known.parameters[0].annotation is Local
    assert isinstance(unknown.parameters[0].annotation, Unresolved)


def test_local_names_are_those_of_the_callers_caller():
    """
    A decorator sees the variables of the function in which it was used.
    """

    def decorator(function):
        return local_names(function)

    def use():
        own = 5

        def step(a: int): ...

        return own, decorator(step), decorator(lambda a: a)

    _, seen, unneeded = use()

    assert seen["own"] == 5
    assert unneeded == {}


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (plain, plain.__code__.co_firstlineno),
        (wrapped(plain), plain.__code__.co_firstlineno),
        (partial(plain, 1), plain.__code__.co_firstlineno),
        (Callable(), Callable.__call__.__code__.co_firstlineno),
        (Made, Made.__init__.__code__.co_firstlineno),
    ],
)
def test_the_place_is_that_of_the_code(function, line):
    """
    The location is the file and line where somebody wrote the function.
    """
    location = read_signature(function).location

    path, _, number = location.rpartition(":")
    assert Path(path).resolve() == Path(__file__)
    assert int(number) == line


def test_a_built_in_has_no_place():
    """
    What is not written in Python has no file.
    """
    assert read_signature(len).location is None
