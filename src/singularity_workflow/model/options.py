"""
The options of steps and workflows: one field each.

A new option is one field here and one place that reads it. None always means "not
given": a step then inherits its workflow's value, a workflow takes the default. The
whole object travels as one JSON value, with only what was given in it.
"""

# ruff: noqa: RUF009 - option() is dataclasses.field() with another name
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Literal, Self, TypeAlias, TypeVar, cast

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.conditions import (
    Condition,
    Predicate,
    condition_to_json,
    to_condition,
)
from singularity_workflow.model.durations import LONGEST, to_duration
from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.model.names import (
    MAX_NAME_LENGTH,
    NAME_PATTERN,
    did_you_mean,
    name_problem,
)
from singularity_workflow.model.retry import MAX_ATTEMPTS_LIMIT, RetryPolicy

__all__ = [
    "DEFAULT_ON_ERROR",
    "DEFAULT_ON_FAILURE",
    "DEFAULT_ON_UNMET",
    "DEFAULT_QUEUE",
    "MAP_ONLY",
    "MAP_OPTIONS",
    "Mode",
    "OnError",
    "SharedOptions",
    "StepOptions",
    "WorkflowOptions",
    "effective_options",
    "effective_retry",
    "option_docs",
    "option_schemas",
]

Mode: TypeAlias = Literal["fail", "skip", "skip_cascade"]
OnError: TypeAlias = Literal["fail", "collect", "skip"]

DEFAULT_QUEUE = "default"
DEFAULT_ON_FAILURE: Mode = "fail"
DEFAULT_ON_UNMET: Mode = "skip"
DEFAULT_ON_ERROR: OnError = "fail"
MAP_ONLY = ("over", "initial_tasks")
"""Keywords of map steps; they stand in the step itself, not in its options."""

MAP_OPTIONS = ("max_concurrency", "on_error")
"""Options that only map steps have."""

_MODES: tuple[Mode, ...] = ("fail", "skip", "skip_cascade")
_ON_ERROR: tuple[OnError, ...] = ("fail", "collect", "skip")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How one option is read (raising ValueError) and what it means."""

    parse: Callable[[object], object]
    doc: str


def option(parse: Callable[[object], _T], doc: str) -> _T | None:
    """Declare an option as a dataclass field that defaults to None."""
    metadata = {"rule": _Rule(parse=parse, doc=doc)}
    return cast("_T | None", field(default=None, metadata=metadata))


@dataclass(frozen=True, slots=True)
class _Whole:
    """Read an integer that is within bounds."""

    lowest: int
    highest: int

    def __call__(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be an integer, got {value!r}")
        if not self.lowest <= value <= self.highest:
            bounds = f"from {self.lowest} to {self.highest}"
            raise ValueError(f"must be {bounds}, got {value}")
        return value


def _whole(lowest: int, highest: int) -> Callable[[object], int]:
    return _Whole(lowest, highest)


def _positive(value: object) -> timedelta:
    return to_duration(value, may_be_zero=False)


def _policy(value: object) -> RetryPolicy:
    if isinstance(value, RetryPolicy):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a RetryPolicy, got {value!r}")
    try:
        return RetryPolicy.from_json(value)
    except DefinitionError as error:
        raise ValueError(f"is not possible: {error.message}") from None


def _queue(value: object) -> str:
    problem = name_problem(value, allow_reserved=True)
    if problem:
        raise ValueError(f"{value!r} {problem}")
    return str(value).lower()


def _executor(value: object) -> str:
    problem = name_problem(value, allow_reserved=True)
    if problem:
        raise ValueError(f"{value!r} {problem}")
    return str(value)


def _mode(value: object) -> Mode:
    for mode in _MODES:
        if value == mode:
            return mode
    raise ValueError(f"must be one of {', '.join(_MODES)}, got {value!r}")


def _on_error(value: object) -> OnError:
    for mode in _ON_ERROR:
        if value == mode:
            return mode
    raise ValueError(f"must be one of {', '.join(_ON_ERROR)}, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOptions:
    """What a step may say for itself, and a workflow for all of its steps."""

    max_attempts: int | None = option(
        _whole(1, MAX_ATTEMPTS_LIMIT),
        "Attempts of a task in all, the first included; at least 1. Short for a "
        "`retry` of which only this differs. Default 3.",
    )
    retry: RetryPolicy | None = option(
        _policy, "How failed tasks are tried again. Default `RetryPolicy()`."
    )
    timeout: timedelta | None = option(
        _positive, "Longest time of one attempt, in seconds; > 0. Default: no limit."
    )
    queue: str | None = option(
        _queue, "Queue that workers serve; lower case. Default `default`."
    )
    priority: int | None = option(
        _whole(-1000, 1000), "Higher goes first; from -1000 to 1000. Default 0."
    )
    queue_timeout: timedelta | None = option(
        _positive,
        "Longest time that a task waits in its queue, in seconds; > 0. Then it fails. "
        "Default: no limit.",
    )
    max_lost: int | None = option(
        _whole(1, MAX_ATTEMPTS_LIMIT),
        "How often a task's worker may die with it before the task fails; at least 1. "
        "Default 3.",
    )
    executor: str | None = option(
        _executor,
        "Where the step runs: `process`, or the name of an executor that the worker "
        "has. Default: coroutines on the event loop, plain functions in threads.",
    )
    on_failure: Mode | None = option(
        _mode,
        "When the attempts are used up: `fail` the run, `skip` the step, or "
        "`skip_cascade` it with all that depends on it. Default `fail`.",
    )
    on_unmet: Mode | None = option(
        _mode, "The same, for when a condition is not met. Default `skip`."
    )

    @classmethod
    def read(
        cls, given: Mapping[str, object], *, pointer: str = "/options"
    ) -> tuple[Self, list[Issue]]:
        """
        Return the options that *given* describes, and what is wrong with it.

        Args:
            given: Keywords of a decorator, or a JSON object.
            pointer: Where *given* stands in the definition.
        """
        if not given:
            return cls(), []
        rules = _rules_of(cls)
        values: dict[str, Any] = {}
        issues: list[Issue] = []
        for name, value in given.items():
            rule = rules.get(name)
            if rule is None:
                issues.append(_unknown(name, rules, pointer))
            elif value is not None:
                try:
                    values[name] = rule.parse(value)
                except ValueError as error:
                    issues.append(_bad(name, f"{name} {error}", pointer))
        if values.keys() >= {"max_attempts", "retry"}:
            del values["max_attempts"]
            issues.append(
                _bad("retry", "max_attempts and retry are both given", pointer)
            )
        return cls(**values), issues

    def to_json(self) -> dict[str, object]:
        """Return what was given, and nothing else; times in seconds."""
        return {
            name: _dump(value)
            for name in _rules_of(type(self))
            if (value := getattr(self, name)) is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions(SharedOptions):
    """Options of one step; None inherits from the workflow."""

    start_delay: timedelta | None = option(
        to_duration, "Wait before the step's tasks start, in seconds; >= 0. Default 0."
    )
    when: Condition | None = option(
        to_condition, "Run only if this holds. Default: always."
    )
    when_not: Condition | None = option(
        to_condition, "Run only if this does not hold. Default: always."
    )
    max_concurrency: int | None = option(
        _whole(1, MAX_ATTEMPTS_LIMIT),
        "Of a map: the most of its tasks under way at once, in the whole fleet; at "
        "least 1. Default: no limit.",
    )
    on_error: OnError | None = option(
        _on_error,
        "Of a map, when an element has used up its attempts: `fail` the step, "
        "`collect` the error in the element's place, or `skip` the element. Default "
        "`fail`.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowOptions(SharedOptions):
    """Options of a workflow: defaults of its steps, and its own."""

    deadline: timedelta | None = option(
        _positive, "Longest time of a run, in seconds; > 0. Default: no limit."
    )


def option_docs(kind: type[SharedOptions]) -> dict[str, str]:
    """Return the description of each option of *kind*, by name."""
    return {name: rule.doc for name, rule in _rules_of(kind).items()}


def option_schemas(kind: type[SharedOptions]) -> dict[str, dict[str, object]]:
    """Return the JSON Schema of each option of *kind*, by name; null is "not given"."""
    return {
        name: {**_schema_of(rule.parse), "description": rule.doc}
        for name, rule in _rules_of(kind).items()
    }


def effective_retry(step: SharedOptions, workflow: SharedOptions) -> RetryPolicy:
    """
    Return the policy that holds for a step.

    The nearest `retry` counts, else the default one; a nearer `max_attempts` then
    changes the attempts and nothing else.
    """
    if step.retry is not None:
        return step.retry
    policy = workflow.retry or RetryPolicy()
    attempts = step.max_attempts or workflow.max_attempts
    return policy.with_max_attempts(attempts) if attempts else policy


def effective_options(step: StepOptions, workflow: WorkflowOptions) -> StepOptions:
    """Return the step's options with the workflow's, and the defaults, filled in."""
    inherited: dict[str, Any] = {
        one.name: getattr(workflow, one.name)
        for one in fields(SharedOptions)
        if getattr(step, one.name) is None
    }
    filled = replace(step, **inherited)
    retry = effective_retry(step, workflow)
    return replace(
        filled,
        max_attempts=retry.max_attempts,
        retry=retry,
        queue=filled.queue or DEFAULT_QUEUE,
        priority=filled.priority or 0,
        on_failure=filled.on_failure or DEFAULT_ON_FAILURE,
        on_unmet=filled.on_unmet or DEFAULT_ON_UNMET,
        start_delay=filled.start_delay or timedelta(0),
    )


def _rules_of(kind: type[SharedOptions]) -> dict[str, _Rule]:
    return {one.name: one.metadata["rule"] for one in fields(kind)}


def _dump(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, RetryPolicy):
        return value.to_json()
    if isinstance(value, (Predicate, Mapping)):
        return condition_to_json(value)
    return value


def _bad(name: str, message: str, pointer: str) -> Issue:
    return Issue(
        code="bad_option", pointer=pointer + json_pointer(name), message=message
    )


def _unknown(name: object, rules: Mapping[str, _Rule], pointer: str) -> Issue:
    hint = did_you_mean(str(name), (*rules, *MAP_ONLY))
    for owners, names in _OWNERS:
        if name in names:
            hint = f"It is an option of {owners}."
    return Issue(
        code="unknown_option",
        pointer=pointer + json_pointer(str(name)),
        message=f"there is no option {name!r} here",
        hint=hint or f"The options are {', '.join(rules)}.",
    )


_OWNERS: tuple[tuple[str, Collection[str]], ...] = (
    ("map steps", MAP_ONLY),
    ("steps", _rules_of(StepOptions)),
    ("the workflow", _rules_of(WorkflowOptions)),
)


def _schema_of(parse: Callable[[object], object]) -> dict[str, object]:
    if isinstance(parse, _Whole):
        return {
            "type": ["integer", "null"],
            "minimum": parse.lowest,
            "maximum": parse.highest,
        }
    return dict(_SCHEMAS.get(parse, {}))


_SECONDS = {"type": ["number", "null"], "maximum": LONGEST.total_seconds()}
_NAME_OR_NULL = {
    "type": ["string", "null"],
    "pattern": NAME_PATTERN,
    "maxLength": MAX_NAME_LENGTH,
}
_SCHEMAS: dict[Callable[[object], object], Mapping[str, object]] = {
    _positive: {**_SECONDS, "exclusiveMinimum": 0},
    to_duration: {**_SECONDS, "minimum": 0},
    _policy: {"anyOf": [{"$ref": "#/$defs/retry"}, {"type": "null"}]},
    _queue: _NAME_OR_NULL,
    _executor: _NAME_OR_NULL,
    _mode: {"enum": [*_MODES, None]},
    _on_error: {"enum": [*_ON_ERROR, None]},
    to_condition: {"anyOf": [{"$ref": "#/$defs/condition"}, {"type": "null"}]},
}
"""What the functions above take, as JSON Schema."""
