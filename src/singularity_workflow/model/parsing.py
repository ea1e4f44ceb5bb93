"""
Definitions from JSON: what `to_json` wrote, a person typed, or a model generated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.issues import Issue, json_pointer, raise_issues
from singularity_workflow.model.names import did_you_mean, name_issue
from singularity_workflow.model.options import (
    SharedOptions,
    StepOptions,
    WorkflowOptions,
)
from singularity_workflow.model.validation import validate

__all__ = ["definition_from_json", "read_definition"]

_WORKFLOW_MEMBERS: Final = (
    "name",
    "options",
    "input_schema",
    "steps",
    "compensation",
    "undoes",
)
_STEP_MEMBERS: Final = (
    "name",
    "kind",
    "depends_on",
    "over",
    "initial_tasks",
    "workflow",
    "options",
)
_Options = TypeVar("_Options", bound=SharedOptions)


def definition_from_json(data: object) -> Definition:
    """
    Return the definition that *data* describes, in its normal form.

    Raises:
        DefinitionError: With every problem that was found.
    """
    definition, issues = read_definition(data)
    raise_issues(definition.name, issues)
    return definition.normalized()


def read_definition(data: object) -> tuple[Definition, list[Issue]]:
    """Return as much of a definition as *data* holds, and every problem of it."""
    if not isinstance(data, Mapping):
        issue = _mistyped("", "a definition", "an object", data)
        return Definition(name=""), [issue]

    issues = _unknown_members(data, _WORKFLOW_MEMBERS, "")
    options = _read_options(WorkflowOptions, data.get("options"), "", issues)
    schema = data.get("input_schema")
    if schema is not None and not isinstance(schema, Mapping):
        issues.append(_mistyped("/input_schema", "input_schema", "an object", schema))
        schema = None
    name: Any = data.get("name")
    definition = Definition(
        name=name,
        steps=_read_steps(data.get("steps"), issues),
        options=options,
        input_schema=schema,
        compensation=_read_name(data, "compensation", "", issues),
        undoes=_read_name(data, "undoes", "", issues),
    )
    return definition, [*issues, *validate(definition)]


def _read_steps(data: object, issues: list[Issue]) -> tuple[StepDefinition, ...]:
    if data is None:
        return ()
    if not isinstance(data, (list, tuple)):
        issues.append(_mistyped("/steps", "steps", "an array", data))
        return ()
    return tuple(_read_step(number, one, issues) for number, one in enumerate(data))


def _read_step(number: int, data: object, issues: list[Issue]) -> StepDefinition:
    pointer = json_pointer("steps", number)
    if not isinstance(data, Mapping):
        issues.append(_mistyped(pointer, "a step", "an object", data))
        return StepDefinition(name=f"step_{number}")

    issues.extend(_unknown_members(data, _STEP_MEMBERS, pointer))
    depends_on = data.get("depends_on")
    if depends_on is not None and not isinstance(depends_on, (list, tuple)):
        what = "depends_on"
        issues.append(_mistyped(f"{pointer}/{what}", what, "an array", depends_on))
        depends_on = None
    name: Any = data.get("name")
    over: Any = data.get("over")
    initial_tasks: Any = data.get("initial_tasks")
    return StepDefinition(
        name=name,
        kind=_read_kind(data.get("kind"), pointer, issues),
        depends_on=tuple(depends_on or ()),
        over=over,
        initial_tasks=initial_tasks,
        workflow=_read_name(data, "workflow", pointer, issues),
        options=_read_options(StepOptions, data.get("options"), pointer, issues),
    )


def _read_name(
    data: Mapping[Any, Any], member: str, pointer: str, issues: list[Issue]
) -> str | None:
    name: str | None = data.get(member)
    if name is None:
        return None
    if found := name_issue(name, "workflow", f"{pointer}/{member}"):
        issues.append(found)
        return None
    return name


def _read_kind(value: object, pointer: str, issues: list[Issue]) -> StepKind:
    if value is None:
        return StepKind.SINGLE
    for kind in StepKind:
        if value == kind.value:
            return kind
    issues.append(
        Issue(
            code="bad_kind",
            pointer=f"{pointer}/kind",
            message=f"{value!r} is not a kind of step",
            hint=f"The kinds are {', '.join(StepKind)}.",
        )
    )
    return StepKind.SINGLE


def _read_options(
    kind: type[_Options], data: object, pointer: str, issues: list[Issue]
) -> _Options:
    if data is None:
        return kind()
    if not isinstance(data, Mapping):
        issues.append(_mistyped(f"{pointer}/options", "options", "an object", data))
        return kind()
    options, found = kind.read(data, pointer=f"{pointer}/options")
    issues.extend(found)
    return options


def _unknown_members(
    data: Mapping[Any, object], known: tuple[str, ...], pointer: str
) -> list[Issue]:
    return [
        Issue(
            code="unknown_member",
            pointer=pointer + json_pointer(str(name)),
            message=f"there is no member {name!r} here",
            hint=did_you_mean(str(name), known),
        )
        for name in data
        if name not in known
    ]


def _mistyped(pointer: str, what: str, wanted: str, got: object) -> Issue:
    return Issue(
        code="bad_type",
        pointer=pointer,
        message=f"{what} must be {wanted}, got {type(got).__name__}",
    )
