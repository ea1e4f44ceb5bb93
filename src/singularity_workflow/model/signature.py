"""
Read what a step function takes and returns.

String annotations are resolved here, once. One that cannot be resolved is no error
yet: only a parameter that must be checked needs its type.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from singularity_workflow.errors import DefinitionError

__all__ = [
    "Parameter",
    "Signature",
    "StepFunction",
    "Unresolved",
    "is_checked",
    "local_names",
    "read_signature",
]

StepFunction: TypeAlias = Callable[..., object]

_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """
    An annotation whose names are not known where the function was defined.

    Args:
        text: The annotation as written.
        reason: Which name is missing.
    """

    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter; `annotation` is `Any` without one."""

    name: str
    annotation: object = Any
    has_default: bool = False
    is_positional_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """
    What a function takes and returns.

    Args:
        parameters: In order; `*args`, `**kwargs` and what a `partial` has bound are
            left out.
        returns: The return annotation, `Any` without one.
        location: `file:line` of the function, None if it has no source.
        is_async: Whether calling it makes a coroutine.
    """

    parameters: tuple[Parameter, ...]
    returns: object
    location: str | None
    is_async: bool


def is_checked(annotation: object) -> bool:
    """Return whether *annotation* says anything that can be checked."""
    return annotation is not Any and annotation is not object


def read_signature(
    function: StepFunction, names: Mapping[str, object] | None = None
) -> Signature:
    """
    Return the signature of any callable.

    Args:
        function: A function, lambda, method, `partial`, class or callable object.
        names: Further names that string annotations may use, such as the local
            ones of the function in which *function* was defined.

    Raises:
        DefinitionError: If Python cannot tell the signature, as of some built-ins,
            or if it is a generator.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise DefinitionError(
            f"the parameters of {function!r} cannot be read",
            hint="Wrap it in a function or a lambda with named parameters.",
        ) from None
    target = _unwrap(function)
    location = _locate(target)
    if _is_generator(function):
        raise DefinitionError(
            f"{function!r} yields, and a step returns its output once"
            + (f" ({location})" if location else ""),
            hint="Collect what it yields and return a list.",
        )
    hints = _resolve(target, names or {})
    bound = _bound_keywords(function)
    return Signature(
        parameters=tuple(
            Parameter(
                name=one.name,
                annotation=hints.get(one.name, Any),
                has_default=one.default is not inspect.Parameter.empty,
                is_positional_only=one.kind is inspect.Parameter.POSITIONAL_ONLY,
            )
            for one in parameters
            if one.kind not in _VARIADIC and one.name not in bound
        ),
        returns=Any if isinstance(function, type) else hints.get("return", Any),
        location=location,
        is_async=_is_async(function),
    )


def local_names(function: StepFunction, depth: int = 2) -> Mapping[str, object]:
    """
    Return the local names of the code that calls the caller.

    They matter to *function* only if its annotations are text and it was not defined
    at module level; else there are none.
    """
    annotations = getattr(function, "__annotations__", None) or {}
    if not any(isinstance(one, str) for one in annotations.values()):
        return {}
    frame = sys._getframe(depth)  # noqa: SLF001 - Python has no other name for it
    return {} if frame.f_locals is frame.f_globals else dict(frame.f_locals)


def _unwrap(function: object) -> Any:
    """Return the plain function that holds the annotations and the code."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    elif not hasattr(function, "__code__") and not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004
    return inspect.unwrap(function)  # type: ignore[arg-type]


def _bound_keywords(function: object) -> frozenset[str]:
    if isinstance(function, functools.partial):
        return frozenset(function.keywords)
    return frozenset()


def _resolve(function: Any, names: Mapping[str, object]) -> dict[str, object]:
    """Return the annotations as types; None as a type is `NoneType`."""
    given = dict(getattr(function, "__annotations__", None) or {})
    if not given:
        return {}
    try:
        return typing.get_type_hints(
            function, localns=dict(names) or None, include_extras=True
        )
    except Exception:
        namespace = getattr(function, "__globals__", {})
        closure = _closure_names(function)
        return {
            name: _resolve_one(value, namespace, {**names, **closure})
            for name, value in given.items()
        }


def _resolve_one(
    value: object, namespace: dict[str, Any], names: Mapping[str, object]
) -> object:
    try:
        carrier = type("_", (), {"__annotations__": {"x": value}})
        hints = typing.get_type_hints(
            carrier, globalns=namespace, localns=dict(names), include_extras=True
        )
    except Exception as error:
        text = value if isinstance(value, str) else repr(value)
        return Unresolved(text, str(error))
    return hints["x"]


def _closure_names(function: Any) -> dict[str, object]:
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    names: dict[str, object] = {}
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # the name is assigned later
            continue
    return names


def _locate(function: Any) -> str | None:
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    path = str(code.co_filename)
    try:
        short = os.path.relpath(path)
    except (OSError, ValueError):
        short = path
    return f"{path if short.startswith('..') else short}:{code.co_firstlineno}"


def _is_async(function: object) -> bool:
    return any(map(inspect.iscoroutinefunction, _called(function)))


def _is_generator(function: object) -> bool:
    """Return whether a call yields; a decorator may have collected what it wraps."""
    called = _called(function)
    return any(
        inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one)
        for one in called
    )


def _called(function: object) -> tuple[object, ...]:
    """Return what runs when *function* is called, itself and its `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        return ()
    return function, getattr(function, "__call__", None)  # noqa: B004
