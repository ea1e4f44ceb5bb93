"""
A workflow that is ready to run: its definition, functions, bindings and codecs.

`compiler` makes these objects; workers and engines only read them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from singularity_workflow.model.binding import Binding
from singularity_workflow.model.definition import Definition, StepDefinition
from singularity_workflow.model.input_codec import InputCodec
from singularity_workflow.model.options import StepOptions
from singularity_workflow.model.output import OutputCodec
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.signature import StepFunction

__all__ = [
    "MADE_BY",
    "ByKeyword",
    "CompiledPredicate",
    "CompiledStep",
    "CompiledWorkflow",
]


MADE_BY: Final = "x-made-by"
"""Member of an input schema: name of the workflow that can make this one again."""


class ByKeyword:
    """
    A function with positional-only parameters, to be called by keyword.

    Args:
        function: The function.
        defaults: Its positional-only parameters in order, each with its default.
    """

    __slots__ = ("defaults", "function")

    def __init__(self, function: StepFunction, defaults: Mapping[str, object]) -> None:
        self.function = function
        self.defaults = defaults

    def __call__(self, **arguments: object) -> object:
        """Call the function; what is absent keeps its default."""
        row = [arguments.pop(name, value) for name, value in self.defaults.items()]
        return self.function(*row, **arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPredicate:
    """A predicate and how it gets its arguments; true means that it holds."""

    name: str
    function: StepFunction
    is_async: bool
    binding: Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStep:
    """
    One step, ready to run.

    Args:
        number: Its position in the workflow.
        definition: The step as data.
        function: To be called with keyword arguments only.
        is_async: Whether the call makes a coroutine.
        binding: Where the arguments come from.
        output: How the result is checked and encoded.
        options: The options that hold, with the workflow's and the defaults.
        retry: The retry policy that holds.
        when: The predicate of `when`, if that is one.
        when_not: The predicate of `when_not`, if that is one.
        original: The function as its author gave it.
        child: Of a child step: the version that it calls, and its code, where the step
            brings them with it.
    """

    number: int
    definition: StepDefinition
    function: StepFunction
    is_async: bool
    binding: Binding
    output: OutputCodec
    options: StepOptions
    retry: RetryPolicy
    when: CompiledPredicate | None = None
    when_not: CompiledPredicate | None = None
    original: StepFunction
    child: tuple[int, CompiledWorkflow] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The step's name."""
        return self.definition.name

    @property
    def has_predicates(self) -> bool:
        """Whether a condition of the step is decided by its worker."""
        return self.when is not None or self.when_not is not None

    @property
    def timeout(self) -> timedelta | None:
        """Longest time of one attempt, None without a limit."""
        return self.options.timeout

    @property
    def queue(self) -> str:
        """The queue of its tasks."""
        return self.options.queue or ""


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class CompiledWorkflow:
    """
    A workflow, ready to run.

    Args:
        definition: The workflow as data, in normal form.
        steps: Its steps in the order of their numbers.
        input: How a run's input is checked and encoded.
        by_name: The steps by name.
        make: Makes the workflows that its runs have registered, where they are not
            known; takes a definition and the names of resources.
    """

    definition: Definition
    steps: tuple[CompiledStep, ...]
    input: InputCodec
    by_name: Mapping[str, CompiledStep] = field(repr=False)
    make: Callable[[Definition, Collection[str]], CompiledWorkflow | None] | None = (
        field(default=None, repr=False)
    )

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.definition.name

    @property
    def queues(self) -> frozenset[str]:
        """The queues that a worker of this workflow serves."""
        return frozenset(step.queue for step in self.steps)
