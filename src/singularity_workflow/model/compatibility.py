"""
Find outputs and inputs that can never fit the parameters that take them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from singularity_workflow.model.adapters import show_type
from singularity_workflow.model.definition import Definition, StepDefinition
from singularity_workflow.model.input_types import InputType
from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.model.roles import Role, assign_roles
from singularity_workflow.model.signature import Parameter, Signature, Unresolved
from singularity_workflow.model.typing_check import (
    can_fit,
    element_type,
    produced_kinds,
)

__all__ = ["check_types"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """
    Where a parameter's value comes from.

    Args:
        annotation: The type of what is there.
        what: What that is, for messages: `step 'fetch' returns`.
        is_input: Whether it is the run's input, or a part of that.
    """

    annotation: Any
    what: str
    is_input: bool = False


def check_types(
    definition: Definition,
    signatures: Mapping[str, Signature],
    inputs: Sequence[InputType] = (),
) -> Iterator[Issue]:
    """
    Yield the misfits between annotations that are certain.

    Args:
        definition: A valid definition.
        signatures: What the functions of its steps take and return, by step.
        inputs: The types that the run's input must have.
    """
    outputs: dict[str, Any] = {
        step.name: _output_type(step, signatures[step.name])
        for step in definition.steps
    }
    checker = _Checker(outputs, inputs)
    for number, step in enumerate(definition.steps):
        signature = signatures[step.name]
        for issue in checker.check(step, signature, json_pointer("steps", number)):
            yield replace(issue, location=signature.location)


def _output_type(step: StepDefinition, signature: Signature) -> Any:
    """Return the type of the whole output, as dependents see it."""
    # the function of a child step makes the child's input, not the step's output
    returns = dict if step.workflow is not None else signature.returns
    if not step.is_map:
        return returns
    return list[Any] if isinstance(returns, Unresolved) else list[returns]  # type: ignore[valid-type]


class _Checker:
    """Compare what one step's parameters take with what there will be."""

    def __init__(self, outputs: Mapping[str, Any], inputs: Sequence[InputType]) -> None:
        self._outputs = outputs
        self._inputs = [
            _Source(
                annotation=one.annotation,
                what=f"{one.what} is annotated as"
                if one.pointer
                else f"{one.what} is declared as",
                is_input=True,
            )
            for one in inputs
        ]

    def check(
        self, step: StepDefinition, signature: Signature, pointer: str
    ) -> Iterator[Issue]:
        if step.is_map:
            yield from self._check_elements(step, pointer)
        roles = assign_roles(
            signature, step=step.name, kind=step.kind, depends_on=step.depends_on
        )
        for parameter, role in roles:
            for source in self._sources(step, parameter, role):
                if not can_fit(
                    source.annotation, parameter.annotation, is_input=source.is_input
                ):
                    yield _misfit(step, parameter, source, pointer)
                    break

    def _check_elements(self, step: StepDefinition, pointer: str) -> Iterator[Issue]:
        """Find the source of a map's elements that can never be an array."""
        if step.over is not None:
            sources = [self._output(step.over)]
            arrays = {"array"}
        elif step.initial_tasks is None:
            sources = self._inputs
            arrays = {"array", "object"}  # which may have its elements in `items`
        else:
            return
        for source in sources:
            kinds = produced_kinds(source.annotation, is_input=source.is_input)
            if kinds is not None and not kinds & arrays:
                yield Issue(
                    code="not_an_array",
                    pointer=f"{pointer}/over",
                    message=f"map step {step.name!r} needs an array, but {source.what} "
                    f"{show_type(source.annotation)}",
                    hint="Map over something else, or make that a list.",
                )

    def _sources(
        self, step: StepDefinition, parameter: Parameter, role: Role
    ) -> list[_Source]:
        if role is Role.OUTPUT:
            return [self._output(parameter.name)]
        if role is Role.RUN_INPUT:
            return self._required_of(parameter.annotation)
        is_element = role is Role.ITEM
        if role is Role.MERGED and parameter.name == "input":
            is_element = step.is_map
            if not is_element and step.depends_on:
                what = f"the merged view of step {step.name!r} is"
                return [_Source(annotation=dict, what=what)]
            if not is_element:
                return self._required_of(parameter.annotation)
        return self._elements(step) if is_element else []

    def _required_of(self, annotation: Any) -> list[_Source]:
        """Return the types of the input that stand before *annotation* in its list."""
        required: list[_Source] = []
        for source in self._inputs:
            if source.annotation == annotation:
                break
            required.append(source)
        return required

    def _output(self, name: str) -> _Source:
        return _Source(
            annotation=self._outputs.get(name, Any), what=f"step {name!r} returns"
        )

    def _elements(self, step: StepDefinition) -> list[_Source]:
        """Return what is known of the elements that *step* maps over."""
        if step.over is not None:
            whole = self._output(step.over)
            what = f"the elements of step {step.over!r} are"
            return [_Source(annotation=element_type(whole.annotation), what=what)]
        return [
            _Source(
                annotation=element_type(one.annotation),
                what="the elements of the run's input are",
                is_input=True,
            )
            for one in self._inputs
            if produced_kinds(one.annotation, is_input=True) == frozenset({"array"})
        ]


def _misfit(
    step: StepDefinition, parameter: Parameter, source: _Source, pointer: str
) -> Issue:
    return Issue(
        code="type_misfit",
        pointer=pointer,
        message=f"parameter {parameter.name!r} of step {step.name!r} is annotated as "
        f"{show_type(parameter.annotation)}, but {source.what} "
        f"{show_type(source.annotation)}",
        hint="Change one of the annotations.",
    )
