"""
Find everything that is wrong with a definition.

Linear in steps and edges, and without recursion: a chain of ten thousand steps is
checked like any other workflow. Raising is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from singularity_workflow.model.cycles import find_cycles
from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.model.names import did_you_mean, name_issue
from singularity_workflow.model.options import MAP_OPTIONS

__all__ = ["MAX_INITIAL_TASKS", "MAX_STEPS", "initial_tasks_issue", "validate"]

MAX_STEPS: Final = 32_767
"""Step numbers are a `smallint` in the database."""

MAX_INITIAL_TASKS: Final = 999_999_999

_MAX_SUGGESTIONS: Final = 20
_SHOWN: Final = 12


def validate(definition: Definition) -> list[Issue]:
    """Return every problem of *definition*, in the order of its steps."""
    issues: list[Issue] = []
    if found := name_issue(definition.name, "workflow", "/name"):
        issues.append(found)
    issues.extend(_count_issues(definition))

    numbers = _number_steps(definition)
    dependencies = _Dependencies(definition, numbers)
    twins = _find_twins(definition)
    for number, step in enumerate(definition.steps):
        issues.extend(_name_issues(definition, number, step, twins))
        issues.extend(dependencies.check(number, step))
        issues.extend(_kind_issues(definition, number, step))
        issues.extend(_map_issues(number, step))
    issues.extend(_cycle_issues(definition, numbers))
    return issues


def _number_steps(definition: Definition) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for number, step in enumerate(definition.steps):
        if isinstance(step.name, str):
            numbers.setdefault(step.name, number)
    return numbers


def _count_issues(definition: Definition) -> Iterator[Issue]:
    if not definition.steps:
        yield Issue(
            code="no_steps", pointer="/steps", message="the workflow has no steps"
        )
    elif len(definition.steps) > MAX_STEPS:
        yield Issue(
            code="too_many_steps",
            pointer="/steps",
            message=f"{len(definition.steps)} steps are more than {MAX_STEPS}",
        )


def _find_twins(definition: Definition) -> dict[int, int]:
    """Return, for each step whose name is taken, the number of the earlier step."""
    first: dict[str, int] = {}
    twins: dict[int, int] = {}
    for number, step in enumerate(definition.steps):
        if isinstance(step.name, str):
            earlier = first.setdefault(step.name.lower(), number)
            if earlier != number:
                twins[number] = earlier
    return twins


def _name_issues(
    definition: Definition, number: int, step: StepDefinition, twins: dict[int, int]
) -> Iterator[Issue]:
    pointer = json_pointer("steps", number, "name")
    if found := name_issue(step.name, "step", pointer):
        yield found
    if number in twins:
        other = definition.steps[twins[number]].name
        if other == step.name:
            yield Issue(
                code="duplicate_step",
                pointer=pointer,
                message=f"there are two steps {step.name!r}",
                hint="Give one of them another name.",
            )
        else:
            yield Issue(
                code="case_twins",
                pointer=pointer,
                message=f"steps {other!r} and {step.name!r} differ only by case",
                hint="Give one of them another name.",
            )


class _Dependencies:
    """Check the edges; suggestions are made for the first unknown names only."""

    def __init__(self, definition: Definition, numbers: dict[str, int]) -> None:
        self._workflow = definition.name
        self._numbers = numbers
        self._suggestions = _MAX_SUGGESTIONS

    def check(self, number: int, step: StepDefinition) -> Iterator[Issue]:
        for position, name in enumerate(step.depends_on):
            if isinstance(name, str) and name != step.name and name in self._numbers:
                continue
            pointer = json_pointer("steps", number, "depends_on", position)
            if not isinstance(name, str):
                yield Issue(
                    code="bad_dependency",
                    pointer=pointer,
                    message=f"step {step.name!r} depends on {name!r}, "
                    "which is not the name of a step",
                )
            elif name == step.name:
                yield Issue(
                    code="self_dependency",
                    pointer=pointer,
                    message=f"step {step.name!r} depends on itself",
                )
            else:
                yield Issue(
                    code="unknown_dependency",
                    pointer=pointer,
                    message=f"step {step.name!r} depends on {name!r}, "
                    "which does not exist",
                    hint=self._suggest(name, step),
                )

    def _suggest(self, name: str, step: StepDefinition) -> str | None:
        if not self._suggestions:
            return None
        self._suggestions -= 1
        others = [other for other in self._numbers if other != step.name]
        return did_you_mean(name, others)


def _kind_issues(
    definition: Definition, number: int, step: StepDefinition
) -> Iterator[Issue]:
    if step.kind is StepKind.UNDO and definition.undoes is None:
        yield Issue(
            code="bad_kind",
            pointer=json_pointer("steps", number, "kind"),
            message=f"step {step.name!r} undoes, but the workflow undoes no other one",
            hint="Give the step that is to be undone compensate=...",
        )
    if step.kind is StepKind.MAP:
        return
    for key in MAP_OPTIONS:
        if getattr(step.options, key) is not None:
            yield Issue(
                code="map_only_option",
                pointer=json_pointer("steps", number, "options", key),
                message=f"step {step.name!r} has {key}, which only maps have",
                hint="Make it a map step.",
            )


def _map_issues(number: int, step: StepDefinition) -> Iterator[Issue]:
    if step.kind is not StepKind.MAP:
        for key, value in (("over", step.over), ("initial_tasks", step.initial_tasks)):
            if value is not None:
                yield Issue(
                    code="map_only_option",
                    pointer=json_pointer("steps", number, key),
                    message=f"step {step.name!r} has {key}, which only maps have",
                    hint="Make it a map step.",
                )
        return

    if step.over is None and len(set(map(str, step.depends_on))) > 1:
        yield Issue(
            code="over_missing",
            pointer=json_pointer("steps", number, "over"),
            message=f"map step {step.name!r} has several dependencies and does not "
            "say which one it maps over",
            hint=f"Set over to one of {_listed(step.depends_on)}.",
        )
    elif step.over is not None and step.over not in step.depends_on:
        yield Issue(
            code="over_unknown",
            pointer=json_pointer("steps", number, "over"),
            message=f"map step {step.name!r} maps over {step.over!r}, "
            "which is not one of its dependencies",
            hint=did_you_mean(str(step.over), [str(d) for d in step.depends_on]),
        )
    if found := initial_tasks_issue(
        step.name, step.initial_tasks, json_pointer("steps", number)
    ):
        yield found


def initial_tasks_issue(step: object, value: object, pointer: str) -> Issue | None:
    """Return the issue of a bad number of tasks, or None for a good one or None."""
    if value is None or _is_count(value):
        return None
    return Issue(
        code="bad_option",
        pointer=f"{pointer}/initial_tasks",
        message=f"initial_tasks of step {step!r} must be an integer from 0 "
        f"to {MAX_INITIAL_TASKS}, got {value!r}",
    )


def _is_count(value: object) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 0 <= value <= MAX_INITIAL_TASKS
    )


def _cycle_issues(definition: Definition, numbers: dict[str, int]) -> Iterator[Issue]:
    steps = definition.steps
    edges = [
        sorted(
            {
                numbers[name]
                for name in step.depends_on
                if isinstance(name, str) and numbers.get(name, number) != number
            }
        )
        for number, step in enumerate(steps)
    ]
    for cycle in find_cycles(edges):
        names = [steps[number].name for number in cycle]
        yield Issue(
            code="cycle",
            pointer=json_pointer("steps", cycle[0], "depends_on"),
            message="these steps wait for each other in a circle: "
            + _path([*names, names[0]]),
            hint="Read the arrow as 'waits for' and take out one of them.",
        )


def _path(names: list[str]) -> str:
    if len(names) > _SHOWN:
        left = len(names) - _SHOWN
        names = [*names[: _SHOWN - 2], f"({left} more)", *names[-2:]]
    return " → ".join(names)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(dict.fromkeys(repr(name) for name in names[:_SHOWN]))
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
