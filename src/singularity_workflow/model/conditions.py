"""
The conditions under which a step runs: `when` and `when_not`.

A mapping is a pattern that must be contained, a string an SQL/JSON path, a callable
a predicate. The database evaluates the first two; a predicate is known to it by its
qualified name only, so that another predicate makes another version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from singularity_workflow.model.json_codec import (
    NotJson,
    decode_json,
    encode_json,
    find_problem,
)

__all__ = ["Condition", "Predicate", "condition_to_json", "to_condition"]

_PREDICATE: Final = "$predicate"


@dataclass(frozen=True, slots=True)
class Predicate:
    """
    A condition that is a Python function.

    Args:
        name: Its qualified name, `module.function`.
        function: The function itself; None in a definition that was read from JSON.
    """

    name: str
    function: Callable[..., object] | None = field(
        default=None, compare=False, repr=False
    )


Condition: TypeAlias = Mapping[str, object] | str | Predicate


def to_condition(value: object) -> Condition:
    """
    Return *value* as a condition.

    Raises:
        ValueError: With the end of a sentence that begins with the option's name.
    """
    if isinstance(value, Predicate):
        return value
    if isinstance(value, str):
        if not value.strip():
            raise ValueError("must not be an empty SQL/JSON path")
        if problem := find_problem(value):
            raise ValueError(f"is a path that {problem[1]}")
        return value
    if isinstance(value, Mapping):
        return _to_pattern(value)
    if callable(value):
        return Predicate(_qualified_name(value), value)
    raise ValueError(
        "must be a mapping (a pattern that is contained), a string (an SQL/JSON path) "
        f"or a callable (a predicate), got {value!r}"
    )


def condition_to_json(condition: Condition) -> object:
    """Return *condition* as it is stored: an object or a string."""
    if isinstance(condition, Predicate):
        return {_PREDICATE: condition.name}
    return condition if isinstance(condition, str) else dict(condition)


def _to_pattern(value: Mapping[object, object]) -> Condition:
    name = value.get(_PREDICATE)
    if len(value) == 1 and isinstance(name, str):
        return Predicate(name)
    if _PREDICATE in value:
        raise ValueError(f"must not use {_PREDICATE!r}, which marks predicates")
    try:
        copy = decode_json(encode_json(value))
    except NotJson as error:
        raise ValueError(f"is a pattern that is not JSON: {error}") from None
    assert isinstance(copy, dict)
    return copy


def _qualified_name(function: Callable[..., object]) -> str:
    while isinstance(function, partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
