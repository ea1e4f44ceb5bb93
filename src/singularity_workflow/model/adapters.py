"""
Check values against annotations, with pydantic.

An `Adapters` object keeps the compiled form of each annotation for as long as the
workflow that owns it lives; there is no cache beyond that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import SchemaError

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.json_codec import encode_json, show_path
from singularity_workflow.model.signature import Unresolved

__all__ = ["Adapter", "Adapters", "check", "describe_failure", "show_type"]

Adapter: TypeAlias = TypeAdapter[Any]
Check: TypeAlias = Callable[[object], object]


class Adapters:
    """The type adapters of one workflow, each built once."""

    def __init__(self) -> None:
        self._built: dict[object, Adapter] = {}

    def get(self, annotation: object, what: str) -> Adapter:
        """
        Return the adapter of *annotation*.

        Args:
            annotation: A type, as resolved from an annotation.
            what: Whose it is, for the message.

        Raises:
            DefinitionError: If no values can be checked against it.
        """
        if isinstance(annotation, Unresolved):
            raise DefinitionError(
                f"the annotation {annotation.text!r} of {what} cannot be resolved: "
                f"{annotation.reason}",
                hint="Import the name at module level, outside `if TYPE_CHECKING`.",
            )
        try:
            found = self._built.get(annotation)
        except TypeError:  # unhashable metadata in Annotated
            return _build(annotation, what)
        if found is None:
            found = self._built[annotation] = _build(annotation, what)
        return found


def check(adapter: Adapter, value: object) -> object:
    """
    Return the decoded JSON *value* as *adapter*'s type.

    Strict types do not take a string for a date from Python, but do from JSON, which
    is where the value comes from; so a refused value gets a second chance as JSON.

    Raises:
        ValidationError: If it does not fit.
    """
    try:
        checked: object = adapter.validate_python(value)
    except ValidationError as error:
        try:
            data = encode_json(value)
        except ValueError:
            raise error from None
        return adapter.validate_json(data)
    return checked


def describe_failure(error: ValidationError) -> str:
    """Return the problems of *error*, each with the path of its field."""
    problems = error.errors(include_url=False, include_context=False)
    lines = [f"{show_path(one['loc'])}: {one['msg']}" for one in problems[:5]]
    if len(problems) > 5:
        lines.append(f"and {len(problems) - 5} more")
    return "; ".join(lines)


def show_type(annotation: object) -> str:
    """Return *annotation* as its author would write it."""
    if isinstance(annotation, Unresolved):
        return annotation.text
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _build(annotation: Any, what: str) -> Adapter:
    try:
        adapter: Adapter = TypeAdapter(annotation)
        _ = adapter.validator.title  # raises if a name in the type is not known yet
    except (PydanticUserError, SchemaError, TypeError, NameError) as error:
        reason = str(error).partition("\n")[0]
        hint = None
        if isinstance(error, PydanticSchemaGenerationError):
            hint = "If it is a resource, give one of that name to the engine."
        raise DefinitionError(
            f"{what} is annotated as {show_type(annotation)}, which JSON values "
            f"cannot be checked against: {reason}",
            hint=hint,
        ) from error
    return adapter
