"""
Turn what a step returned into the JSON that is stored.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from singularity_workflow.errors import InvalidOutput
from singularity_workflow.model.adapters import Adapter, Adapters, describe_failure
from singularity_workflow.model.json_codec import NotJson, encode_json
from singularity_workflow.model.signature import is_checked

__all__ = ["OutputCodec"]

_PLAIN: Final = (dict, list, str, int, float, bool)


class OutputCodec:
    """
    Check and encode the outputs of one step.

    Without an annotation any JSON value is taken as it is.

    Args:
        step: Name of the step, for messages.
        annotation: What its function returns; of a map, per element.
        adapters: Where built type adapters are kept.

    Raises:
        DefinitionError: If no value can be checked against *annotation*.
    """

    __slots__ = ("_adapter", "_plain", "annotation", "step")

    def __init__(self, step: str, annotation: object, adapters: Adapters) -> None:
        self.step = step
        self.annotation = annotation
        self._plain = annotation if annotation in _PLAIN else None
        self._adapter: Adapter | None = None
        if is_checked(annotation):
            self._adapter = adapters.get(annotation, f"the output of step {step!r}")

    def encode(self, value: object) -> bytes:
        """
        Return *value* as JSON.

        Raises:
            InvalidOutput: If it does not fit the annotation, or is not JSON.
        """
        if self._adapter is not None and type(value) is not self._plain:
            value = self._convert(self._adapter, value)
        try:
            return encode_json(value)
        except NotJson as error:
            raise InvalidOutput(f"the output of step {self.step!r}: {error}") from error

    def _convert(self, adapter: Adapter, value: object) -> object:
        try:
            checked = adapter.validate_python(value)
            dumped: object = adapter.dump_python(
                checked, mode="json", by_alias=True, warnings="error"
            )
        except ValidationError as error:
            raise InvalidOutput(
                f"the output of step {self.step!r} does not fit "
                f"{describe_failure(error)}"
            ) from error
        except ValueError as error:  # of a serializer, or bytes that are no text
            raise InvalidOutput(
                f"the output of step {self.step!r} cannot be dumped: {error}"
            ) from error
        return dumped
