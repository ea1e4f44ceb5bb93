"""
Which types a run's input must have, and the codec that follows from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from singularity_workflow.model.adapters import Adapters
from singularity_workflow.model.definition import Definition
from singularity_workflow.model.input_codec import InputCodec
from singularity_workflow.model.issues import Issue, IssueCollector, json_pointer
from singularity_workflow.model.roles import Role, assign_roles
from singularity_workflow.model.signature import Signature, is_checked

__all__ = ["InputType", "build_input_codec", "find_input_types"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputType:
    """
    One type that a run's input must have.

    Args:
        annotation: The type.
        what: Whose it is, for messages.
        pointer: Where the workflow or the step stands in the definition.
        location: `file:line` of the step's function.
    """

    annotation: Any
    what: str
    pointer: str = ""
    location: str | None = None


def find_input_types(
    definition: Definition, signatures: Mapping[str, Signature], declared: Any
) -> list[InputType]:
    """
    Return the types that must hold.

    Args:
        definition: The workflow.
        signatures: What its functions take, by step.
        declared: The type that was given to the workflow, None if none was.

    Returns:
        The declared type; else what root steps' parameters `run_input` and, in
        single steps, `input` are annotated as, each type once.
    """
    if declared is not None:
        what = f"the input of workflow {definition.name!r}"
        return [InputType(annotation=declared, what=what)]
    found: list[InputType] = []
    for number, step in enumerate(definition.steps):
        if step.depends_on:
            continue
        signature = signatures[step.name]
        roles = assign_roles(signature, step=step.name, kind=step.kind, depends_on=())
        for parameter, role in roles:
            holds = role is Role.RUN_INPUT or (
                role is Role.MERGED and parameter.name == "input" and not step.is_map
            )
            annotation = parameter.annotation
            known = [one.annotation for one in found]
            if holds and is_checked(annotation) and annotation not in known:
                one = InputType(
                    annotation=annotation,
                    what=f"parameter {parameter.name!r} of step {step.name!r}",
                    pointer=json_pointer("steps", number),
                    location=signature.location,
                )
                found.append(one)
    return found


def build_input_codec(
    workflow: str, types: Iterable[InputType], adapters: Adapters
) -> tuple[InputCodec, list[Issue]]:
    """Return the codec of a run's input, and the types that cannot be checked."""
    issues: list[Issue] = []
    checked = []
    for one in types:
        found = IssueCollector(one.pointer, one.location)
        adapter = found.catch(
            partial(adapters.get, one.annotation, one.what), "bad_annotation"
        )
        issues.extend(found.issues)
        if adapter is not None:
            checked.append(adapter)
    return InputCodec(workflow, checked), issues
