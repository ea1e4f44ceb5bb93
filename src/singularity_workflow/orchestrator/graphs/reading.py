"""
Read a task graph from whatever a decomposer answered.

Accepted are a `TaskGraph`, an object with `tasks`, a list of tasks, and text with
either as JSON; a task is a `TaskSpec` or an object, of which `{"id", "description",
"depends_on"}` is the simplest. What is wrong becomes issues, never an exception, and no
task is left out: with issues there is no graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from singularity_workflow.model.issues import Issue
from singularity_workflow.model.names import did_you_mean, name_problem
from singularity_workflow.orchestrator.graphs.graph import (
    ID_PATTERN,
    MAX_ID_LENGTH,
    Ref,
    TaskGraph,
    TaskSpec,
)
from singularity_workflow.orchestrator.graphs.limits import MAX_TASKS
from singularity_workflow.orchestrator.graphs.scanning import to_plain
from singularity_workflow.orchestrator.graphs.schema_paths import pointer_to
from singularity_workflow.orchestrator.graphs.texts import find_plan

__all__ = ["parse_graph"]

_GRAPH_MEMBERS: Final = ("version", "goal", "tasks", "outputs")
_TASK_MEMBERS: Final = tuple(TaskSpec.model_fields)
_ID: Final = re.compile(ID_PATTERN.removeprefix("^").removesuffix("$"))
_MAX_SUGGESTIONS: Final = 20


def parse_graph(
    data: object, *, goal: object = None
) -> tuple[TaskGraph | None, list[Issue]]:
    """
    Return the graph that *data* describes, or what is wrong with it.

    Args:
        data: Anything; see the module.
        goal: The graph's goal, if *data* names none.

    Returns:
        A graph and no issues, or None and at least one. What only shows when tasks are
        seen together is left to `validate`.

    .. versionadded:: 0.1
    """
    if isinstance(data, TaskGraph):
        issues = _value_issues(data)
        return (None, issues) if issues else (_with_goal(data, goal), [])
    is_nothing = data is None
    if isinstance(data, (str, bytes, bytearray)):
        text = data if isinstance(data, str) else bytes(data)
        data, issues = find_plan(text)
        if issues:
            return None, issues
    plain, issues = to_plain(data)
    if issues:
        return None, issues
    if isinstance(plain, list):
        if plain[:1] in (["ok"], ["error"]):
            message = f"the plan is a pair that begins with {plain[0]!r}"
            return None, [_issue("bad_type", "", message, _NO_PAIR)]
        plain = {"tasks": plain}
    if not isinstance(plain, dict):
        message = f"the plan must be an object with tasks, got {_kind(plain)}"
        hint = _NOTHING if is_nothing else _FORM
        return None, [_issue("bad_type", "", message, hint)]
    return _read_object(plain, goal)


def _value_issues(graph: TaskGraph) -> list[Issue]:
    """Return what in the values of a graph that was made by code cannot be stored."""
    wrong = [n for n, one in enumerate(graph.tasks) if not isinstance(one, TaskSpec)]
    if wrong:
        message = (
            f"a task must be a TaskSpec, got {type(graph.tasks[wrong[0]]).__name__}"
        )
        return [_issue("bad_type", pointer_to("tasks", wrong[0]), message, _FORM)]
    values = {
        "goal": graph.goal,
        "tasks": [
            {
                "description": one.description,
                "goal": one.goal,
                "args": {
                    name: None if isinstance(value, Ref) else value
                    for name, value in one.args.items()
                },
            }
            for one in graph.tasks
        ],
    }
    return to_plain(values)[1]


_FORM: Final = 'Write {"tasks": [{"id": ..., "depends_on": [...]}, ...]}.'
_NOTHING: Final = (
    "Return a plan for every goal, or raise an exception; a function without `return` "
    "returns None."
)
_NO_PAIR: Final = "Return just the tasks, and raise an exception if there are none."


def _read_object(
    plain: dict[str, Any], goal: object
) -> tuple[TaskGraph | None, list[Issue]]:
    issues = _unknown(plain, _GRAPH_MEMBERS, "", "the plan")
    version = plain.get("version", 1)
    if version != 1 or isinstance(version, bool):
        message = f"version {_shown(version)} of the plan's form is not known"
        issues.append(_issue("bad_value", "/version", message, "Write 1."))
    tasks = plain.get("tasks")
    if "tasks" not in plain:
        issues.append(_issue("missing_member", "", "the plan has no tasks", _FORM))
    elif isinstance(tasks, Mapping):
        tasks = _from_mapping(tasks)
    elif not isinstance(tasks, list):
        message = f"tasks must be an array, got {_kind(tasks)}"
        issues.append(_issue("bad_type", "/tasks", message, _FORM))
    listed = tasks if isinstance(tasks, list) else []
    if len(listed) > MAX_TASKS:
        message = f"{len(listed)} tasks are more than {MAX_TASKS}"
        return None, [*issues, _issue("too_many_tasks", "/tasks", message)]
    reader = _TaskReader()
    specs = [reader.read(number, one) for number, one in enumerate(listed)]
    issues += reader.issues
    if issues:
        return None, issues
    members = {"goal": plain.get("goal", goal), "tasks": specs}
    if plain.get("outputs") is not None:
        members["outputs"] = plain["outputs"]
    try:
        return TaskGraph.model_validate(members), []
    except ValidationError as error:
        return None, _from_pydantic(error, ())


def _from_mapping(tasks: Mapping[str, Any]) -> list[Any]:
    """Return tasks that are given by id as a list."""
    return [
        {"id": key, **one} if isinstance(one, Mapping) and "id" not in one else one
        for key, one in tasks.items()
    ]


class _TaskReader:
    """Read the tasks of one plan; suggestions are made for the first problems only."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def read(self, number: int, data: object) -> TaskSpec | None:
        """Return a task, or None after keeping what is wrong with it."""
        pointer = pointer_to("tasks", number)
        if not isinstance(data, dict):
            message = f"a task must be an object, got {_kind(data)}"
            self.issues.append(_issue("bad_type", pointer, message, _FORM))
            return None
        before = len(self.issues)
        has_room = before < _MAX_SUGGESTIONS
        what = (
            f"task {_shown(data['id'])}"
            if isinstance(data.get("id"), str)
            else "the task"
        )
        self.issues += _unknown(data, _TASK_MEMBERS, pointer, what, hints=has_room)
        if "id" not in data:
            message = "the task has no id"
            add = 'Write "id" instead of "name".' if "name" in data else 'Add "id".'
            self.issues.append(_issue("missing_member", pointer, message, add))
        elif problem := _id_problem(data["id"]):
            hint = _suggest_id(data["id"])
            message = f"the task id {_shown(data['id'])} {problem}"
            self.issues.append(_issue("bad_name", f"{pointer}/id", message, hint))
        if len(self.issues) > before:
            return None
        try:
            return TaskSpec.model_validate(data)
        except ValidationError as error:
            self.issues += _from_pydantic(error, ("tasks", number), what)
            return None


def _id_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be a string, got {_kind(value)}"
    if problem := name_problem(value):
        return problem
    if not _ID.fullmatch(value):
        return (
            "must begin with a lower-case letter and have lower-case letters, digits "
            f"and underscores, at most {MAX_ID_LENGTH}"
        )
    return None


def _suggest_id(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    better = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")[:MAX_ID_LENGTH]
    if better[:1].isdigit() or (better and name_problem(better)):
        better = f"task_{better}"[:MAX_ID_LENGTH]
    return f"{better!r} would do." if better else None


def _from_pydantic(
    error: ValidationError, prefix: tuple[str | int, ...], what: str = "the plan"
) -> list[Issue]:
    return [
        Issue(
            code=_CODES.get(one["type"], "bad_value"),
            pointer=pointer_to(
                *prefix,
                *(part for part in one["loc"] if part not in _TAGS),
            ),
            message=f"{what}: {_short(_in_words(one))}",
            hint=_HINTS.get(one["loc"][0]) if one["loc"] else None,
        )
        for one in error.errors(include_url=False, include_context=False)[:20]
    ]


def _in_words(one: ErrorDetails) -> str:
    """Return what pydantic says, with the member first."""
    said = one["msg"].removeprefix("Value error, ")
    said = said.removeprefix("Input should be ").removeprefix("Input ")
    if said != one["msg"] and not said.startswith("must "):
        said = f"must be {said}"
    member = next((part for part in one["loc"] if isinstance(part, str)), None)
    return said if member is None else f"{member!r} {said}"


_HINTS: Final[Mapping[str | int, str]] = {
    "args": 'Write {"name": value}, or {"name": {"task": "id", "path": "/x"}}.',
    "depends_on": 'Write a list of task ids: ["fetch"].',
    "map_over": 'Write {"task": "id"}, and "path" if it is a part of its output.',
    "outputs": 'Write {"name": {"task": "id", "path": "/x"}}.',
    "retry": 'Write {"max_attempts": 5, "delay": 0.5}.',
    "timeout": "Write seconds, as a number.",
}

_TAGS: Final = ("ref", "value", "constrained-str", "timedelta", "json-or-python")
_CODES: Final = {
    "extra_forbidden": "unknown_member",
    "missing": "missing_member",
    "string_type": "bad_type",
    "bool_type": "bad_type",
    "dict_type": "bad_type",
    "tuple_type": "bad_type",
    "float_type": "bad_type",
    "model_type": "bad_type",
    "bool_parsing": "bad_type",
    "float_parsing": "bad_type",
}


def _unknown(
    data: Mapping[str, Any],
    known: tuple[str, ...],
    pointer: str,
    what: str,
    *,
    hints: bool = True,
) -> list[Issue]:
    return [
        _issue(
            "unknown_member",
            pointer + pointer_to(key),
            f"{what} has {_shown(key)}, which is no member of it",
            (did_you_mean(key, known) if hints else None)
            or f"The members are {', '.join(known)}.",
        )
        for key in list(data)[:100]
        if key not in known
    ]


def _with_goal(graph: TaskGraph, goal: object) -> TaskGraph:
    if graph.goal is not None or goal is None:
        return graph
    return graph.model_copy(update={"goal": goal})


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."


def _issue(code: str, pointer: str, message: str, hint: str | None = None) -> Issue:
    return Issue(code=code, pointer=pointer, message=message, hint=hint)
