"""
Find outputs that can never fit the parameters that take them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from singularity_workflow.model.adapters import show_type
from singularity_workflow.model.definition import Definition, StepDefinition
from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.model.roles import Role, assign_roles
from singularity_workflow.model.signature import Parameter, Signature, Unresolved
from singularity_workflow.model.typing_check import (
    can_fit,
    element_type,
    produced_kinds,
)

__all__ = ["check_types"]


def check_types(
    definition: Definition, signatures: Mapping[str, Signature]
) -> Iterator[Issue]:
    """
    Yield the misfits between annotations that are certain.

    Args:
        definition: A valid definition.
        signatures: What the functions of its steps take and return, by step.
    """
    outputs: dict[str, Any] = {
        step.name: _output_type(step, signatures[step.name])
        for step in definition.steps
        if step.name in signatures
    }
    for number, step in enumerate(definition.steps):
        if step.name in signatures:
            pointer = json_pointer("steps", number)
            yield from _check_over(step, outputs, pointer)
            yield from _check_step(step, signatures[step.name], outputs, pointer)


def _output_type(step: StepDefinition, signature: Signature) -> Any:
    """Return the type of the whole output, as dependents see it."""
    returns = signature.returns
    if not step.is_map:
        return returns
    return list[Any] if isinstance(returns, Unresolved) else list[returns]  # type: ignore[valid-type]


def _check_over(
    step: StepDefinition, outputs: Mapping[str, Any], pointer: str
) -> Iterator[Issue]:
    if not step.is_map or step.over is None:
        return
    produced = outputs.get(step.over, Any)
    kinds = produced_kinds(produced)
    if kinds is not None and "array" not in kinds:
        yield Issue(
            code="not_an_array",
            pointer=f"{pointer}/over",
            message=f"map step {step.name!r} maps over {step.over!r}, which returns "
            f"{show_type(produced)} and no array",
            hint="Return a list, or map over another step.",
        )


def _check_step(
    step: StepDefinition,
    signature: Signature,
    outputs: Mapping[str, Any],
    pointer: str,
) -> Iterator[Issue]:
    roles = assign_roles(
        signature, step=step.name, kind=step.kind, depends_on=step.depends_on
    )
    for parameter, role in roles:
        produced: Any = Any
        if role is Role.OUTPUT:
            produced = outputs.get(parameter.name, Any)
        elif role is Role.ITEM and step.over is not None:
            produced = element_type(outputs.get(step.over, Any))
        if not can_fit(produced, parameter.annotation):
            yield _misfit(step, parameter, produced, role, pointer)


def _misfit(
    step: StepDefinition,
    parameter: Parameter,
    produced: Any,
    role: Role,
    pointer: str,
) -> Issue:
    source = f"step {parameter.name!r} returns"
    if role is Role.ITEM:
        source = f"the elements of step {step.over!r} are"
    return Issue(
        code="type_misfit",
        pointer=pointer,
        message=f"parameter {parameter.name!r} of step {step.name!r} is annotated as "
        f"{show_type(parameter.annotation)}, but {source} {show_type(produced)}",
        hint="Change one of the annotations.",
    )
