"""
Which types a run's input must have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singularity_workflow.model.definition import Definition
from singularity_workflow.model.roles import Role, assign_roles
from singularity_workflow.model.signature import Signature, is_checked

__all__ = ["find_input_types"]


def find_input_types(
    definition: Definition, signatures: Mapping[str, Signature], declared: Any
) -> list[tuple[Any, str]]:
    """
    Return the types that must hold, each with whose it is, for messages.

    Args:
        definition: The workflow.
        signatures: What its functions take, by step.
        declared: The type that was given to the workflow, None if none was.

    Returns:
        The declared type; else what root steps' parameters `run_input` and, in
        single steps, `input` are annotated as, each type once.
    """
    if declared is not None:
        return [(declared, f"the input of workflow {definition.name!r}")]
    found: list[tuple[Any, str]] = []
    for step in definition.steps:
        if step.depends_on:
            continue
        roles = assign_roles(
            signatures[step.name], step=step.name, kind=step.kind, depends_on=()
        )
        for parameter, role in roles:
            holds = role is Role.RUN_INPUT or (
                role is Role.MERGED and parameter.name == "input" and not step.is_map
            )
            annotation = parameter.annotation
            known = [one for one, _ in found]
            if holds and is_checked(annotation) and annotation not in known:
                what = f"parameter {parameter.name!r} of step {step.name!r}"
                found.append((annotation, what))
    return found
