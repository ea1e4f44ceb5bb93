"""
Check and encode the input of a run, and describe it as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import to_jsonable_python

from singularity_workflow.errors import InvalidInput
from singularity_workflow.model.adapters import Adapter, describe_failure
from singularity_workflow.model.json_codec import NotJson, encode_json

__all__ = ["InputCodec"]


class InputCodec:
    """
    What a workflow's input must be.

    Args:
        workflow: The workflow's name, for messages.
        adapters: The types that must all hold; none takes any JSON value.
    """

    __slots__ = ("_adapters", "_workflow")

    def __init__(self, workflow: str, adapters: Sequence[Adapter] = ()) -> None:
        self._workflow = workflow
        self._adapters = tuple(adapters)

    def encode(self, value: object) -> bytes:
        """
        Return *value* as JSON: as it was given, not as its type would complete it.

        Raises:
            InvalidInput: If it does not fit, or is not JSON.
        """
        data = self._encode(value)
        for adapter in self._adapters:
            try:
                adapter.validate_json(data)
            except ValidationError as error:
                raise InvalidInput(
                    f"the input of workflow {self._workflow!r} does not fit "
                    f"{describe_failure(error)}"
                ) from error
        return data

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema of the input, `{}` if anything goes."""
        schemas = [one for one in self._adapters if _has_schema(one)]
        if not schemas:
            return {}
        if len(schemas) == 1:
            return dict(schemas[0].json_schema())

        keyed: list[tuple[int, Any, Adapter]] = [
            (number, "validation", one) for number, one in enumerate(schemas)
        ]
        found, common = TypeAdapter.json_schemas(keyed)
        members = [found[number, "validation"] for number, _, _ in keyed]
        return {"allOf": members, **common}

    def _encode(self, value: object) -> bytes:
        try:
            return encode_json(value)
        except NotJson as error:
            if self._adapters and (data := _encode_rich(value)) is not None:
                return data
            raise InvalidInput(
                f"the input of workflow {self._workflow!r}: {error}"
            ) from error


def _encode_rich(value: object) -> bytes | None:
    """
    Return what only a type can read back (decimals, sets) as JSON, None if nothing can.

    Members that no type knows stay, and no defaults are added: other types, and later
    versions of them, see what was given.
    """
    try:
        return encode_json(to_jsonable_python(value, by_alias=True))
    except ValueError:  # of pydantic or of ours: the first error says more
        return None


def _has_schema(adapter: Adapter) -> bool:
    try:
        adapter.json_schema()
    except PydanticInvalidForJsonSchema:
        return False
    return True
