"""
What JSON an annotation stands for, and whether two annotations can ever fit.

Only certain misfits are found: where a type may convert, validate before or dump in
its own way, nothing is said, and pydantic decides at run time.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, RootModel

__all__ = ["Kinds", "can_fit", "element_type", "produced_kinds"]

Kinds: TypeAlias = frozenset[str]
"""Names of JSON types: object, array, string, number, boolean, null."""

_ARRAYS: Final = (list, tuple, set, frozenset, collections.abc.Sequence)
_OBJECTS: Final = (dict, collections.abc.Mapping)
_SCALARS: Final[dict[object, str]] = {
    type(None): "null",
    None: "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
}
_LAX: Final[dict[str, Kinds]] = {
    "number": frozenset({"number", "string", "boolean"}),
    "boolean": frozenset({"number", "string", "boolean"}),
}


def produced_kinds(annotation: Any, *, is_input: bool = False) -> Kinds | None:
    """Return the JSON types that values of *annotation* have, None if unknown."""
    return _kinds(annotation, accepting=is_input)


def can_fit(produced: Any, wanted: Any, *, is_input: bool = False) -> bool:
    """
    Return False if no value of *produced* can be a *wanted*, True when in doubt.

    Args:
        produced: Annotation of what is there.
        wanted: Annotation of the parameter that takes it.
        is_input:
            Whether what is there is a run's input, which is stored as it was given:
            it may be all that *produced* accepts. An output is what it dumps to.
    """
    given = _kinds(produced, accepting=is_input)
    taken = _kinds(wanted, accepting=True)
    if given is None or taken is None:
        return True
    if not given & taken:
        return False
    if given == taken == {"array"}:
        elements = element_type(produced), element_type(wanted)
        return can_fit(*elements, is_input=is_input)
    return True


def element_type(annotation: Any) -> Any:
    """Return the type of the elements of *annotation*, `Any` if it is not known."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return members[0] if len(members) == 2 and members[1] is Ellipsis else Any
    if origin in _ARRAYS and len(members) == 1:
        return members[0]
    return Any


def _kinds(annotation: Any, *, accepting: bool) -> Kinds | None:
    try:
        scalar = _SCALARS.get(annotation)
    except TypeError:
        return None
    if scalar is not None:
        exact = frozenset({scalar})
        return _LAX.get(scalar, exact) if accepting else exact
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(annotation), accepting=accepting)
    if origin is Literal:
        values = typing.get_args(annotation)
        return _union([type(one) for one in values], accepting=accepting)
    if origin in _ARRAYS:
        return frozenset({"array"})
    if origin in _OBJECTS or dict in getattr(origin, "__mro__", ()):
        return frozenset({"object"})
    if isinstance(origin, type) and _is_plain_record(origin):
        return frozenset({"object"})
    return None


def _union(members: collections.abc.Iterable[Any], *, accepting: bool) -> Kinds | None:
    together: set[str] = set()
    for member in members:
        kinds = _kinds(member, accepting=accepting)
        if kinds is None:
            return None
        together |= kinds
    return frozenset(together)


def _is_plain_record(kind: type) -> bool:
    """Return whether *kind* is a model or dataclass that is always a JSON object."""
    if issubclass(kind, RootModel):
        return False
    if not issubclass(kind, BaseModel) and not dataclasses.is_dataclass(kind):
        return False
    bases = (one for one in kind.__mro__ if one is not BaseModel)
    if any("__get_pydantic_core_schema__" in vars(one) for one in bases):
        return False
    decorators = getattr(kind, "__pydantic_decorators__", None)
    return decorators is None or not (
        decorators.model_validators or decorators.model_serializers
    )
