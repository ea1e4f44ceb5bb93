"""
Build the definition of a workflow from the entries of its steps.

Every check is made here that needs no resources; `compiler` makes the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from singularity_workflow.model.adapters import Adapters
from singularity_workflow.model.compatibility import check_types
from singularity_workflow.model.compensation import COMPENSATION_SUFFIX
from singularity_workflow.model.definition import Definition
from singularity_workflow.model.entries import StepEntry, resolve_entries
from singularity_workflow.model.input_codec import InputCodec
from singularity_workflow.model.input_types import build_input_codec, find_input_types
from singularity_workflow.model.issues import Issue, raise_issues
from singularity_workflow.model.names import MAX_NAME_LENGTH
from singularity_workflow.model.options import WorkflowOptions
from singularity_workflow.model.validation import validate

__all__ = ["build_definition"]


def build_definition(
    name: str,
    options: WorkflowOptions,
    entries: Sequence[StepEntry],
    *,
    declared: Any,
    adapters: Adapters,
) -> tuple[Definition, InputCodec]:
    """
    Return the definition in normal form, and how the run's input is checked.

    Args:
        name: The workflow's name.
        options: Its options.
        entries: Its steps as they were written.
        declared: The type that was given for the run's input, None if none was.
        adapters: Where built type adapters are kept.

    Raises:
        DefinitionError: With everything that is wrong.
    """
    steps, issues = resolve_entries(entries)
    definition = Definition(name=name, steps=steps, options=options)
    issues += validate(definition)
    raise_issues(name, [_locate(issue, entries) for issue in issues])

    compensation = None
    if any(entry.compensate for entry in entries):
        compensation = name + COMPENSATION_SUFFIX
        raise_issues(name, _compensation_issues(compensation))
    definition = definition.normalized()
    signatures = {entry.name: entry.signature for entry in entries}
    types = find_input_types(definition, signatures, declared)
    codec, issues = build_input_codec(name, types, adapters)
    raise_issues(name, [*issues, *check_types(definition, signatures, types)])
    definition = replace(
        definition, input_schema=codec.schema() or None, compensation=compensation
    )
    return definition, codec


def _compensation_issues(name: str) -> list[Issue]:
    """Return what is wrong with the name that the compensation would have."""
    if len(name) <= MAX_NAME_LENGTH:
        return []
    longest = MAX_NAME_LENGTH - len(COMPENSATION_SUFFIX)
    return [
        Issue(
            code="bad_name",
            pointer="/name",
            message=f"the name has {len(name) - len(COMPENSATION_SUFFIX)} characters; "
            f"with compensate at most {longest} are possible",
            hint=f"The workflow that undoes it is called as it, with "
            f"{COMPENSATION_SUFFIX!r} at the end.",
        )
    ]


def _locate(issue: Issue, entries: Sequence[StepEntry]) -> Issue:
    """Return *issue* with the place of the function that it is about."""
    parts = issue.pointer.split("/")
    if len(parts) < 3 or parts[1] != "steps":
        return issue
    return replace(issue, location=entries[int(parts[2])].signature.location)
