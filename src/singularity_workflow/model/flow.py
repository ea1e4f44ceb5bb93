"""
A workflow as a document: steps without functions, written by a program or a model.

Owns the fluent form and its JSON. Nothing is checked while it is written down, so that
`validate` can name every problem at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.conditions import (
    Predicate,
    condition_to_json,
    to_condition,
)
from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.flow_schema import flow_schema
from singularity_workflow.model.issues import Issue, json_pointer, raise_issues
from singularity_workflow.model.json_codec import (
    NotJson,
    decode_json,
    encode_json,
    find_problem,
)
from singularity_workflow.model.mermaid import to_mermaid
from singularity_workflow.model.parsing import read_definition
from singularity_workflow.model.retry import RetryPolicy

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Flow", "describe_step", "read_step"]

_STEP: Final = json_pointer("steps", 0)
_OF_THE_WHOLE: Final = ("unknown_dependency", "cycle")
"""What can only be said of a step among the others."""


class Flow:
    """
    A workflow that is written down step by step, or comes as JSON.

    Args:
        name: Its name, which is its id in the database.
        input_schema: JSON Schema of the run's input, for people and forms.
        options: Defaults of the steps' options, and `deadline`; as of `Workflow`.

    Each method that adds something returns the flow itself. What is wrong is told by
    `validate`, and refused by `FlowBuilder.save`; its steps get their functions when it
    is run, by `execute_dynamic`.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        name: str,
        *,
        input_schema: Mapping[str, object] | None = None,
        **options: object,
    ) -> None:
        self._data: dict[str, Any] = {"name": name}
        if options:
            self._data["options"] = options
        if input_schema is not None:
            self._data["input_schema"] = input_schema
        self._data["steps"] = []

    def step(
        self, name: str, depends_on: str | Iterable[str] = (), **options: object
    ) -> Self:
        """
        Add a step: one task per run.

        Args:
            name: The step's name.
            depends_on: Names of the steps whose outputs it needs.
            options: As of `Workflow.step`; and `workflow`, the name of a workflow of
                which the step is a run.
        """
        return self._add(describe_step(name, depends_on, options))

    def map(
        self,
        name: str,
        depends_on: str | Iterable[str] = (),
        initial_tasks: int | None = None,
        *,
        over: str | None = None,
        **options: object,
    ) -> Self:
        """
        Add a map step: one task per element of an array, their order kept.

        Args:
            name: The step's name.
            depends_on: Names of the steps whose outputs it needs.
            initial_tasks: The number of its tasks.
            over: The step whose output it maps over, by default its only
                dependency; without dependencies it maps over the run's input.
            options: As of `Workflow.map`; and `workflow`, as of `step`.
        """
        step = describe_step(
            name, depends_on, options, over=over, initial_tasks=initial_tasks
        )
        step["kind"] = StepKind.MAP.value
        return self._add(step)

    @property
    def name(self) -> str:
        """The workflow's name."""
        name: str = self._data.get("name", "")
        return name

    @property
    def steps(self) -> tuple[StepDefinition, ...]:
        """The steps in the order of their numbers, as far as they can be read."""
        return self._read[0].steps

    @property
    def definition(self) -> Definition:
        """
        The flow as data, in normal form.

        Raises:
            DefinitionError: With everything that is wrong.
        """
        definition, issues = self._read
        raise_issues(self.name, issues)
        return definition.normalized()

    def validate(self) -> list[Issue]:
        """
        Return everything that is wrong, each with its place and how to mend it.

        Returns:
            The issues in the order of the document; none if it can be run. Their
            pointers are JSON pointers into `to_dict()`.
        """
        return list(self._read[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the flow as plain JSON values; `from_dict` takes it back."""
        plain: dict[str, Any] = _plain(self._data)
        return plain

    def to_json(self) -> str:
        """
        Return the flow as JSON text; `from_json` takes it back.

        Raises:
            DefinitionError: If something in it has no form in JSON.
        """
        try:
            return encode_json(self.to_dict()).decode()
        except NotJson as error:
            raise DefinitionError(
                f"workflow {self.name!r} cannot be written as JSON: {error}"
            ) from error

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Flow:
        """
        Return the flow that *data* describes, right or wrong; see `validate`.

        Args:
            data: As `json_schema` says.

        Raises:
            DefinitionError: If it is no mapping.
        """
        if not isinstance(data, Mapping):
            message = f"a flow must be an object, got {type(data).__name__}"
            issue = Issue(code="bad_type", pointer="", message=message)
            raise DefinitionError(message, issues=[issue])
        flow = cls("")
        flow._data = _plain(data)
        return flow

    @classmethod
    def from_json(cls, text: str | bytes) -> Flow:
        """
        Return the flow that *text* describes, right or wrong; see `validate`.

        Args:
            text: A JSON document, as `json_schema` says.

        Raises:
            DefinitionError: If it is not JSON, or no object.
        """
        try:
            data: Any = decode_json(text)
        except ValueError as error:
            message = f"a flow must be JSON: {error}"
            issue = Issue(code="bad_json", pointer="", message=message)
            raise DefinitionError(message, issues=[issue]) from error
        return cls.from_dict(data)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """
        Return the JSON Schema (draft 2020-12) of the document.

        It describes each member, for whoever writes such documents; what concerns
        several steps at once, such as circles, only `validate` finds.
        """
        return flow_schema()

    def to_mermaid(self) -> str:
        """Return the flow as a Mermaid graph."""
        return to_mermaid(self.definition)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flow) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"<Flow {self.name!r} with {len(self._read[0].steps)} steps>"

    def _add(self, step: dict[str, Any]) -> Self:
        if not isinstance(self._data.get("steps"), list):
            self._data["steps"] = []
        self._data["steps"].append(step)
        self.__dict__.pop("_read", None)
        return self

    @cached_property
    def _read(self) -> tuple[Definition, list[Issue]]:
        data, moved = _with_sources(self._data)
        definition, issues = read_definition(data)
        found = [_moved_back(issue, moved) for issue in issues]
        found += [*_undoing_issues(self._data), *_predicate_issues(definition)]
        if schema := self._data.get("input_schema"):
            found = [*_schema_issues(schema), *found]
        return definition, found


def describe_step(
    name: object,
    depends_on: object,
    options: Mapping[str, object],
    *,
    over: object = None,
    initial_tasks: object = None,
) -> dict[str, Any]:
    """Return a step as a document has it, with what was given and nothing else."""
    step: dict[str, Any] = {"name": name}
    if isinstance(depends_on, str):
        depends_on = [depends_on]
    elif isinstance(depends_on, Iterable) and not isinstance(
        depends_on, (bytes, Mapping)
    ):
        depends_on = list(depends_on)
    if depends_on:
        step["depends_on"] = depends_on
    if over is not None:
        step["over"] = over
    if initial_tasks is not None:
        step["initial_tasks"] = initial_tasks
    rest = dict(options)
    child = rest.pop("workflow", None)
    if child is not None:
        step["workflow"] = child
    if rest:
        step["options"] = rest
    return step


def read_step(flow: str, step: dict[str, Any]) -> StepDefinition:
    """
    Return one step of a flow, checked as far as that is possible without the others.

    Args:
        flow: Name of the workflow.
        step: The step, as `describe_step` returns it.

    Raises:
        DefinitionError: With everything that is wrong; pointers begin at the step.
    """
    data, moved = _with_sources({"name": flow, "steps": [step]})
    definition, issues = read_definition(data)
    issues = [issue for issue in issues if issue.code not in _OF_THE_WHOLE]
    issues += _predicate_issues(definition)
    raise_issues(flow, [_within_step(_moved_back(issue, moved)) for issue in issues])
    return definition.normalized().steps[0]


def _with_sources(
    data: Mapping[str, Any],
) -> tuple[Mapping[str, Any], dict[str, str]]:
    """
    Return *data* with the source of each map among its dependencies.

    Beside it, where the pointers to those that were added have to point.
    """
    steps = data.get("steps")
    if not isinstance(steps, (list, tuple)):
        return data, {}
    moved: dict[str, str] = {}
    completed: list[object] = []
    for number, step in enumerate(steps):
        completed.append(step)
        if not isinstance(step, Mapping) or step.get("kind") != StepKind.MAP.value:
            continue
        over, listed = step.get("over"), step.get("depends_on") or []
        if not isinstance(over, str) or not isinstance(listed, (list, tuple)):
            continue
        if over not in listed:
            completed[-1] = {**step, "depends_on": [*listed, over]}
            pointer = json_pointer("steps", number, "depends_on", len(listed))
            moved[pointer] = json_pointer("steps", number, "over")
    return {**data, "steps": completed}, moved


def _moved_back(issue: Issue, moved: Mapping[str, str]) -> Issue:
    pointer = moved.get(issue.pointer)
    return issue if pointer is None else _at(issue, pointer)


def _within_step(issue: Issue) -> Issue:
    if issue.pointer.startswith(f"{_STEP}/"):
        return _at(issue, issue.pointer.removeprefix(_STEP))
    return issue


def _at(issue: Issue, pointer: str) -> Issue:
    return Issue(
        code=issue.code, pointer=pointer, message=issue.message, hint=issue.hint
    )


def _undoing_issues(data: Mapping[str, Any]) -> list[Issue]:
    """Return what only the compensation of a workflow in code may be."""
    if data.get("undoes") is None:
        return []
    message = "a flow cannot undo another workflow"
    return [Issue(code="unknown_member", pointer="/undoes", message=message)]


def _predicate_issues(definition: Definition) -> list[Issue]:
    """Return the conditions that are functions, which a document cannot hold."""
    return [
        Issue(
            code="bad_option",
            pointer=json_pointer("steps", number, "options", option),
            message=f"{option} of step {step.name!r} is a function, and a flow is data",
            hint="Write a pattern or an SQL/JSON path.",
        )
        for number, step in enumerate(definition.steps)
        for option in ("when", "when_not")
        if isinstance(getattr(step.options, option), Predicate)
    ]


def _schema_issues(schema: object) -> list[Issue]:
    if not isinstance(schema, Mapping):
        return []  # which is told already
    problem = find_problem(schema)
    if problem is None:
        return []
    message = f"input_schema cannot be stored: {problem[0]}: {problem[1]}"
    return [Issue(code="bad_type", pointer="/input_schema", message=message)]


def _plain(value: object) -> Any:
    """Return *value* with what only Python has replaced by what JSON has for it."""
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, RetryPolicy):
        return value.to_json()
    if callable(value) or isinstance(value, Predicate):
        return condition_to_json(to_condition(value))
    return value
