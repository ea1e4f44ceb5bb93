"""
The workflow that undoes another one.

It has a step for each step with `compensate`, of the same name; what came after in the
one is undone before in the other. So an undoing is a run like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.options import StepOptions

__all__ = ["COMPENSATION_SUFFIX", "compensation_of"]

COMPENSATION_SUFFIX = "__compensation"


def compensation_of(
    definition: Definition, functions: Mapping[str, object]
) -> Definition | None:
    """
    Return the definition of the compensation, None if nothing can be undone.

    Args:
        definition: A valid workflow in normal form.
        functions: The undoing functions by step name.
    """
    if not functions:
        return None
    later = _nearest_later(definition, functions)
    steps = [
        StepDefinition(
            name=step.name,
            kind=StepKind.UNDO,
            depends_on=later[step.name],
            options=_options(step.options),
        )
        for step in definition.steps
        if step.name in functions
    ]
    return Definition(
        name=definition.name + COMPENSATION_SUFFIX,
        steps=tuple(steps),
        options=replace(
            definition.options, deadline=None, on_failure=None, on_unmet=None
        ),
        undoes=definition.name,
    ).normalized()


def _options(options: StepOptions) -> StepOptions:
    """Return what of a step's options holds for its undoing too."""
    return StepOptions(
        max_attempts=options.max_attempts,
        retry=options.retry,
        timeout=options.timeout,
        queue=options.queue,
        priority=options.priority,
        max_lost=options.max_lost,
        executor=options.executor,
    )


def _nearest_later(
    definition: Definition, functions: Mapping[str, object]
) -> dict[str, tuple[str, ...]]:
    """Return, for each step, the next ones downstream that can be undone."""
    dependents: dict[str, list[str]] = {step.name: [] for step in definition.steps}
    for step in definition.steps:
        for name in step.depends_on:
            dependents[name].append(step.name)
    parents = {step.name: step.depends_on for step in definition.steps}
    missing = {name: len(found) for name, found in dependents.items()}

    found: dict[str, dict[str, None]] = {}
    ready = [name for name, count in missing.items() if not count]
    while ready:
        name = ready.pop()
        nearest: dict[str, None] = {}
        for dependent in dependents[name]:
            if dependent in functions:
                nearest[dependent] = None
            else:
                nearest |= found[dependent]
        found[name] = nearest
        for parent in parents[name]:
            missing[parent] -= 1
            if not missing[parent]:
                ready.append(parent)
    return {name: tuple(one) for name, one in found.items()}
