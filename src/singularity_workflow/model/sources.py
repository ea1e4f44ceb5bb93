"""
Read `__workflow_steps__` of classes, instances and modules.

It is called without arguments and returns `(name, function)` or
`(name, function, options)` tuples. A class is instantiated, without arguments, only
if something needs a `self`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any, Final

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.signature import StepFunction

__all__ = ["SourceStep", "read_source", "source_name"]

_STEPS: Final = "__workflow_steps__"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStep:
    """
    One entry of `__workflow_steps__`.

    Args:
        name: The step's name, as given.
        function: Its function, bound to the instance if it needs one.
        given: The function as it stands in the entry.
        options: Keywords of the decorator.
    """

    name: Any
    function: StepFunction
    given: StepFunction
    options: Mapping[str, object] = field(default_factory=dict)


def source_name(source: object) -> Any:
    """Return the name of the workflow that *source* defines."""
    name = getattr(source, "__workflow_name__", None)
    if name is not None:
        return name
    named = source if hasattr(source, "__name__") else type(source)
    return str(getattr(named, "__name__", "")).rpartition(".")[2]


def read_source(source: object) -> list[SourceStep]:
    """
    Return the steps that *source* lists.

    Raises:
        DefinitionError: If it lists none, or not in the form of tuples.
    """
    owner = _Owner(source)
    listed = owner.list_steps()
    if not isinstance(listed, Iterable) or isinstance(listed, (str, bytes, Mapping)):
        raise DefinitionError(
            f"{_STEPS} of {owner.name} must return a list of tuples, "
            f"got {type(listed).__name__}"
        )
    return [owner.read(number, entry) for number, entry in enumerate(listed)]


class _Owner:
    """The object that has `__workflow_steps__`, and its instance when needed."""

    def __init__(self, source: object) -> None:
        self.name = repr(source_name(source))
        self._source = source
        is_instance = not isinstance(source, (type, ModuleType))
        self._instance: object = source if is_instance else None

    def list_steps(self) -> object:
        source: Any = self._source
        if not callable(getattr(source, _STEPS, None)):
            raise DefinitionError(
                f"{self.name} has no {_STEPS} method and is no workflow",
                hint=f"Pass a Workflow, or define {_STEPS}() that lists the steps.",
            )
        method = inspect.getattr_static(source, _STEPS, None)
        if not isinstance(method, FunctionType):
            return getattr(source, _STEPS)()
        if not _needs_arguments(method):
            return method()
        return method(self._make_instance())

    def read(self, number: int, entry: object) -> SourceStep:
        if not isinstance(entry, (tuple, list)) or len(entry) not in (2, 3):
            raise DefinitionError(
                f"entry {number} of {_STEPS} of {self.name} must be (name, function) "
                f"or (name, function, options), got {entry!r}"
            )
        name, function, options = (*entry, {})[:3]
        if not callable(function):
            raise DefinitionError(
                f"step {name!r} of {self.name} has {function!r} where its function "
                "should be"
            )
        if not isinstance(options, Mapping):
            raise DefinitionError(
                f"options of step {name!r} of {self.name} must be a mapping, "
                f"got {options!r}"
            )
        return SourceStep(
            name=name, function=self._bind(function), given=function, options=options
        )

    def _bind(self, function: Any) -> StepFunction:
        if isinstance(function, FunctionType) and not isinstance(
            self._source, ModuleType
        ):
            first = next(iter(inspect.signature(function).parameters), None)
            if first == "self":
                bound: StepFunction = function.__get__(self._make_instance())
                return bound
        found: StepFunction = function
        return found

    def _make_instance(self) -> object:
        if self._instance is None:
            kind: Any = self._source
            try:
                self._instance = kind()
            except TypeError as error:
                raise DefinitionError(
                    f"{self.name} cannot be made without arguments: {error}",
                    hint="Pass an instance instead of the class.",
                ) from error
        return self._instance


def _needs_arguments(function: FunctionType) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(
        one.default is one.empty
        and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        for one in parameters
    )
