"""
Task graphs: what a decomposer answers, as data.

Owns the types and their JSON. A graph may be wrong in all that concerns more than one
member; `validation.validate` says how.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.durations import to_duration
from singularity_workflow.model.retry import RetryPolicy

__all__ = [
    "ID_PATTERN",
    "MAX_ID_LENGTH",
    "Argument",
    "OnFailure",
    "Ref",
    "TaskGraph",
    "TaskId",
    "TaskSpec",
    "is_ref",
]

MAX_ID_LENGTH: Final = 63
MAX_ATTEMPTS: Final = 1_000
"""Of a task: a plan is not to keep a worker for ever."""

ID_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"

TaskId: TypeAlias = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
OnFailure: TypeAlias = Literal["fail", "replan", "skip", "decompose"]

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")


class Ref(BaseModel):
    """
    The output of another task, or a part of it.

    Args:
        task: Id of the task.
        path: JSON pointer (RFC 6901) into its output, `""` for all of it.

    In JSON it is an object with just these members: `{"task": "fetch", "path": "/0"}`.

    .. versionadded:: 0.1
    """

    model_config = _CONFIG

    task: str
    path: str = ""


def is_ref(value: object) -> bool:
    """Tell whether *value* is a reference: an object with `task`, and maybe `path`."""
    if isinstance(value, Ref):
        return True
    return (
        isinstance(value, dict)
        and value.keys() <= {"task", "path"}
        and isinstance(value.get("task"), str)
        and isinstance(value.get("path", ""), str)
    )


def _argument_kind(value: object) -> str:
    return "ref" if is_ref(value) else "value"


Argument: TypeAlias = Annotated[
    Annotated[Ref, Tag("ref")] | Annotated[JsonValue, Tag("value")],
    Discriminator(_argument_kind),
]


def _to_policy(value: object) -> RetryPolicy:
    if isinstance(value, dict):
        try:
            value = RetryPolicy.from_json(value)
        except DefinitionError as error:
            raise ValueError(error.message) from None
    if not isinstance(value, RetryPolicy):
        raise ValueError(f"must be an object, got {value!r}")
    if value.max_attempts > MAX_ATTEMPTS:
        raise ValueError(f"max_attempts must be at most {MAX_ATTEMPTS}")
    return value


def _to_timeout(value: object) -> timedelta | Literal["auto"]:
    if value == "auto":
        return "auto"
    return to_duration(value, may_be_zero=False)


def _from_timeout(value: timedelta | str) -> float | str:
    return value if isinstance(value, str) else value.total_seconds()


Policy: TypeAlias = Annotated[
    RetryPolicy,
    PlainValidator(_to_policy),
    PlainSerializer(RetryPolicy.to_json),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "max_attempts": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_ATTEMPTS,
                },
                "delay": {"type": "number", "minimum": 0},
                "backoff": {"type": "number", "minimum": 1},
                "max_delay": {"type": "number", "minimum": 0},
                "jitter": {"type": "boolean"},
            },
            "additionalProperties": False,
        }
    ),
]
Timeout: TypeAlias = Annotated[
    timedelta | Literal["auto"],
    PlainValidator(_to_timeout),
    PlainSerializer(_from_timeout),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"const": "auto"}]}),
]


def _to_names(value: object) -> object:
    """Let one name stand for itself, and null for none."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


class TaskSpec(BaseModel):
    """
    One task of a graph.

    Args:
        id: Lower-case letters, digits and underscores; unique in its graph.
        description: What it is to do, in words.
        handler: The function of the catalog that does it. Without one, and without a
            goal, it is the function called as the task.
        goal: What is to be decomposed further. With a handler only if that fails.
        args: The handler's arguments: values, or references to outputs.
        depends_on: Tasks that must complete first.
        map_over: An array: the task runs once for each element of it.
        retry: How it is tried again; at most 1,000 attempts.
        timeout: Longest time of an attempt, in seconds. "auto" leaves it to what was
            learned.
        pure: Whether the same arguments always give the same output.
        idempotent: Whether it may run twice.
        on_failure: When its attempts are used up: `fail` the goal, `skip` the task,
            `replan` what is left, or `decompose` its goal, which without one is its
            description or its id. A goal that fails in the task's place fails the goal.
        size_hint: How much work it is, next to others; > 0.
        resources: What it needs, by name.

    .. versionadded:: 0.1
    """

    model_config = _CONFIG

    id: TaskId
    description: str = ""
    handler: str | None = None
    goal: JsonValue | None = None
    args: dict[str, Argument] = Field(default_factory=dict)
    depends_on: Annotated[tuple[str, ...], BeforeValidator(_to_names)] = ()
    map_over: Ref | None = None
    retry: Policy | None = None
    timeout: Timeout | None = None
    pure: bool = False
    idempotent: bool = False
    on_failure: OnFailure = "fail"
    size_hint: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    resources: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Name just what differs from the default: graphs are printed to be read."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value != field.get_default(call_default_factory=True):
                yield name, value

    @property
    def is_compound(self) -> bool:
        """Whether it is a goal that must be decomposed, rather than a function."""
        return self.handler is None and self.goal is not None

    @property
    def becomes_goal(self) -> bool:
        """Whether it is decomposed, if only when its handler has failed."""
        return self.goal is not None or self.on_failure == "decompose"

    @property
    def own_goal(self) -> Any:
        """What is decomposed in its place: its goal, else its words."""
        return self.goal if self.goal is not None else self.description or self.id

    @property
    def function(self) -> str:
        """Name of its function in the catalog: its handler, else its id."""
        return self.handler or self.id

    @property
    def refs(self) -> dict[str, Ref]:
        """The arguments that are references, by name."""
        return {name: one for name, one in self.args.items() if isinstance(one, Ref)}

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of all tasks whose outputs it can see, each once."""
        refs = [one.task for one in self.args.values() if isinstance(one, Ref)]
        over = [self.map_over.task] if self.map_over is not None else []
        return tuple(dict.fromkeys([*self.depends_on, *refs, *over]))


class TaskGraph(BaseModel):
    """
    The tasks of one goal.

    Args:
        version: Of this form.
        goal: The goal.
        tasks: Its tasks, in any order.
        outputs: What the goal's result is, by name; by default the outputs of the
            tasks on which nothing depends.

    .. versionadded:: 0.1
    """

    model_config = _CONFIG

    version: Literal[1] = 1
    goal: JsonValue = None
    tasks: tuple[TaskSpec, ...]
    outputs: dict[str, Ref] | None = None

    @property
    def final_tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks that no other one needs."""
        needed = {name for task in self.tasks for name in task.needs}
        return tuple(task for task in self.tasks if task.id not in needed)

    def to_json(self) -> dict[str, Any]:
        """Return the graph as plain JSON values, without what was left out."""
        tasks = [
            task.model_dump(mode="json", exclude_defaults=True) for task in self.tasks
        ]
        data: dict[str, Any] = {"version": 1, "goal": self.goal, "tasks": tasks}
        if self.outputs is not None:
            data["outputs"] = {
                name: one.model_dump(mode="json") for name, one in self.outputs.items()
            }
        return data
