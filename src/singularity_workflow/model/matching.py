"""
Match the functions that somebody gave by name with the steps of a definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from singularity_workflow.model.definition import Definition
from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.model.names import did_you_mean

__all__ = ["match_functions"]

_MAX_SUGGESTIONS: Final = 20


def match_functions(
    definition: Definition, functions: Mapping[str, object]
) -> list[Issue]:
    """
    Return what keeps *functions* from being those of the steps, none if all is well.

    Args:
        definition: A valid definition; a step that is a run of another workflow may
            have a function, which then makes the input of that run.
        functions: By step name.
    """
    names = {step.name for step in definition.steps}
    surplus = [name for name in functions if name not in names]
    missing = [
        (number, step.name)
        for number, step in enumerate(definition.steps)
        if step.name not in functions and step.workflow is None
    ]
    given = [name for name in surplus if isinstance(name, str)]
    wanted = [name for _, name in missing]
    issues = [
        Issue(
            code="missing_function",
            pointer=json_pointer("steps", number),
            message=f"step {name!r} has no function",
            hint=_hint(place, name, given) or f"Add step_functions[{name!r}].",
        )
        for place, (number, name) in enumerate(missing)
    ]
    issues += [
        Issue(
            code="surplus_function",
            pointer=json_pointer("step_functions", str(name)),
            message=f"step_functions has {name!r}, and there is no such step",
            hint=_hint(place, str(name), wanted or list(names)),
        )
        for place, name in enumerate(surplus)
    ]
    issues += [
        Issue(
            code="bad_function",
            pointer=json_pointer("step_functions", name),
            message=f"step {name!r} has {function!r} where its function should be",
        )
        for name, function in functions.items()
        if name in names and not callable(function)
    ]
    return issues


def _hint(place: int, name: str, others: list[str]) -> str | None:
    """Return what was probably meant; for the first ones, as it takes its time."""
    return did_you_mean(name, others) if place < _MAX_SUGGESTIONS else None
