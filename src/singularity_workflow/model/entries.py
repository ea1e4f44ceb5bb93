"""
Steps as they were written down, and the edges that follow from them.

A dependency may be written as a name, a function or a parameter, and before the step
that it names; so edges are resolved when the definition is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.definition import StepDefinition, StepKind
from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.model.options import StepOptions
from singularity_workflow.model.roles import edge_names
from singularity_workflow.model.signature import Signature, StepFunction

__all__ = [
    "Reference",
    "StepEntry",
    "function_key",
    "function_name",
    "read_references",
    "resolve_entries",
]

Reference = str | StepFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntry:
    """
    One step as its author wrote it.

    Args:
        name: Its name.
        kind: Single or map.
        function: Its function.
        given: The function as other steps may refer to it.
        signature: What the function takes and returns.
        depends_on: Names and functions of steps.
        has_edges_by_name: Whether parameters named like steps are dependencies too.
        over: Name or function of the step that a map maps over.
        initial_tasks: Number of a map's tasks.
        child: The workflow, or its name, of which each task is a child run.
        compensate: What undoes a task of the step.
        undo_signature: What that takes.
        options: Its options.
    """

    name: str
    kind: StepKind
    function: StepFunction
    given: StepFunction
    signature: Signature
    depends_on: tuple[Reference, ...] = ()
    has_edges_by_name: bool
    over: Reference | None = None
    initial_tasks: int | None = None
    child: Any = None
    compensate: StepFunction | None = None
    undo_signature: Signature | None = None
    options: StepOptions

    @property
    def child_name(self) -> str | None:
        """Name of the child workflow."""
        return self.child if isinstance(self.child, str | None) else self.child.name


def function_name(function: StepFunction) -> str:
    """Return what *function* is called in the source, as a step's name."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return str(name) if name else type(function).__name__


def read_references(value: object, what: str) -> tuple[Reference, ...]:
    """
    Return *value* as names and functions of steps.

    Args:
        value: None, one of them, or several.
        what: The option and its step, for the message.

    Raises:
        DefinitionError: If something else is among them.
    """
    if value is None:
        return ()
    if isinstance(value, str) or callable(value):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, (bytes, dict)):
        raise DefinitionError(
            f"{what} must be names or functions of steps, got {value!r}"
        )
    members = tuple(value)
    for member in members:
        if not isinstance(member, str) and not callable(member):
            raise DefinitionError(
                f"{what} must be names or functions of steps, got {member!r}"
            )
    return members


def resolve_entries(
    entries: Sequence[StepEntry],
) -> tuple[tuple[StepDefinition, ...], list[Issue]]:
    """Return the steps with their edges as names, and the references to no step."""
    resolver = _Resolver(entries)
    steps = tuple(resolver.resolve(number, one) for number, one in enumerate(entries))
    return steps, resolver.issues


class _Resolver:
    """Turn references into names."""

    def __init__(self, entries: Sequence[StepEntry]) -> None:
        self.issues: list[Issue] = []
        self._names = frozenset(entry.name for entry in entries)
        self._by_function: dict[object, list[str]] = {}
        for entry in entries:
            for key in {function_key(entry.function), function_key(entry.given)}:
                self._by_function.setdefault(key, []).append(entry.name)

    def resolve(self, number: int, entry: StepEntry) -> StepDefinition:
        pointer = json_pointer("steps", number)
        named = [
            self._name(one, entry, f"{pointer}/depends_on/{position}")
            for position, one in enumerate(entry.depends_on)
        ]
        over = None
        if entry.over is not None:
            over = self._name(entry.over, entry, f"{pointer}/over")
            named.append(over)
        depends_on = [one for one in named if one is not None]
        if entry.has_edges_by_name:
            depends_on += edge_names(
                entry.signature,
                step=entry.name,
                kind=entry.kind,
                all_step_names=self._names,
            )
        return StepDefinition(
            name=entry.name,
            kind=entry.kind,
            depends_on=tuple(dict.fromkeys(depends_on)),
            over=over,
            initial_tasks=entry.initial_tasks,
            workflow=entry.child_name,
            options=entry.options,
        )

    def _name(self, one: Reference, entry: StepEntry, pointer: str) -> str | None:
        if isinstance(one, str):
            return one
        names = self._by_function.get(function_key(one), [])
        if len(names) == 1:
            return names[0]
        shown = function_name(one)
        if names:
            listed = ", ".join(map(repr, names))
            message = f"function {shown!r}, which is more than one step: {listed}"
            hint = "Use the name of the step."
        else:
            message = f"function {shown!r}, which is no step of this workflow"
            hint = "Decorate it, or use the name of a step."
        self.issues.append(
            Issue(
                code="unknown_dependency",
                pointer=pointer,
                message=f"step {entry.name!r} depends on the {message}",
                hint=hint,
            )
        )
        return None


def function_key(function: Any) -> object:
    """
    Return what makes *function* the same one, for as long as it lives.

    Bound methods are made anew each time that one is asked for.
    """
    if isinstance(function, MethodType):
        return id(function.__self__), id(function.__func__)
    return id(function)
