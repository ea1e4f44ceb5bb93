"""
The JSON Schema of a flow, from the options and the rules for names.

Written for those who generate flows, programs and language models: each member says
what it does.
"""

from __future__ import annotations

from typing import Any, Final

from singularity_workflow.model.names import (
    MAX_NAME_LENGTH,
    NAME_PATTERN,
    RESERVED_NAMES,
)
from singularity_workflow.model.options import (
    MAP_OPTIONS,
    StepOptions,
    WorkflowOptions,
    option_schemas,
)
from singularity_workflow.model.validation import MAX_INITIAL_TASKS, MAX_STEPS

__all__ = ["flow_schema"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def flow_schema() -> dict[str, Any]:
    """Return the schema."""
    name = {"$ref": "#/$defs/name"}
    return {
        "$schema": _DIALECT,
        "$id": "urn:singularity-workflow:flow",
        "title": "Flow",
        "description": "A workflow: steps that depend on each other without a circle. "
        "Each step is a function of the application, known by the step's name.",
        "type": "object",
        "required": ["name", "steps"],
        "additionalProperties": False,
        "properties": {
            "name": {**name, "description": "The workflow's name, which is its id."},
            "options": _nullable(
                "workflow_options",
                "What holds for all steps that do not say otherwise.",
            ),
            "compensation": {
                "anyOf": [name, {"type": "null"}],
                "description": "Name of the workflow that undoes a run that failed.",
            },
            "input_schema": {
                "type": ["object", "null"],
                "description": "JSON Schema of the input of a run.",
            },
            "steps": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_STEPS,
                "items": {"$ref": "#/$defs/step"},
                "description": "The steps. Their order does not decide when they run: "
                "a step starts when all that it depends on has completed.",
            },
        },
        "examples": [_EXAMPLE],
        "$defs": {
            "name": {
                "type": "string",
                "pattern": NAME_PATTERN,
                "minLength": 1,
                "maxLength": MAX_NAME_LENGTH,
                "not": {"pattern": _reserved_pattern()},
                "description": "Letters, digits and underscores, no digit first. "
                "Names that differ only by case count as the same. Reserved: "
                f"{', '.join(sorted(RESERVED_NAMES))}.",
            },
            "step": _step_schema(name),
            "step_options": _options_schema(
                StepOptions, "Options of one step; what is absent is inherited."
            ),
            "workflow_options": _options_schema(
                WorkflowOptions, "Defaults of the steps' options, and the run's own."
            ),
            "retry": _RETRY,
            "condition": _CONDITION,
        },
    }


def _step_schema(name: dict[str, Any]) -> dict[str, Any]:
    map_only = {
        "over": {
            "anyOf": [name, {"type": "null"}],
            "description": "Of a map: the step whose output, an array, it maps over. "
            "By default its only dependency; without dependencies it maps over the "
            "run's input, or its `items`.",
        },
        "initial_tasks": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": MAX_INITIAL_TASKS,
            "description": "Of a map: the number of its tasks. An array must have so "
            "many elements; without an array each task gets its index.",
        },
    }
    return {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {**name, "description": "The step's name, unique in the workflow."},
            "kind": {
                "enum": ["single", "map", None],
                "description": "`single` (the default) is one task; `map` is one task "
                "per element of an array, its output the array of their results.",
            },
            "depends_on": {
                "type": ["array", "null"],
                "items": name,
                "description": "Names of the steps whose outputs this one needs. "
                "Absent or empty: it starts with the run.",
            },
            **map_only,
            "workflow": {
                "anyOf": [name, {"type": "null"}],
                "description": "Name of a workflow of which each task of the step is a "
                "run: its input is what the step would get, its result the output.",
            },
            "options": _nullable("step_options", "Options of this step."),
        },
        "if": {"properties": {"kind": {"const": "map"}}, "required": ["kind"]},
        "else": {
            "properties": {
                **{key: {"type": "null"} for key in map_only},
                "options": {
                    "properties": {key: {"type": "null"} for key in MAP_OPTIONS}
                },
            }
        },
    }


def _options_schema(
    kind: type[StepOptions | WorkflowOptions], text: str
) -> dict[str, Any]:
    given = {"not": {"type": "null"}}
    return {
        "type": "object",
        "description": text,
        "additionalProperties": False,
        "properties": option_schemas(kind),
        "not": {
            "properties": {"max_attempts": given, "retry": given},
            "required": ["max_attempts", "retry"],
        },
    }


def _nullable(definition: str, text: str) -> dict[str, Any]:
    return {
        "anyOf": [{"$ref": f"#/$defs/{definition}"}, {"type": "null"}],
        "description": text,
    }


def _reserved_pattern() -> str:
    """Return a pattern of the reserved words; flags for the case are not portable."""
    words = (
        "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in word)
        for word in sorted(RESERVED_NAMES)
    )
    return f"^(?:{'|'.join(words)})$"


_SECONDS: Final = {"type": ["number", "null"], "minimum": 0, "maximum": 3_153_600_000}

_RETRY: Final[dict[str, Any]] = {
    "type": "object",
    "description": "How failed tasks are tried again. The wait after failure f is "
    "min(max_delay, delay * backoff^(f - 1)).",
    "additionalProperties": False,
    "properties": {
        "max_attempts": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 2**31 - 1,
            "description": "Attempts in all, the first included. Default 3.",
        },
        "delay": {
            **_SECONDS,
            "description": "Seconds to wait after the first failure. Default 1.",
        },
        "backoff": {
            "type": ["number", "null"],
            "minimum": 1,
            "description": "Factor by which each further wait grows. Default 2.",
        },
        "max_delay": {
            **_SECONDS,
            "description": "No wait is longer than this, in seconds. Default 60.",
        },
        "jitter": {
            "type": ["boolean", "null"],
            "description": "Whether a wait is spread at random from half to one and a "
            "half of it. Default true.",
        },
    },
}

_CONDITION: Final[dict[str, Any]] = {
    "description": "An object is a pattern that must be contained, a string an "
    "SQL/JSON path. It sees, in a step without dependencies, the run's input; else an "
    "object of `run_input` and each completed dependency's output under its name.",
    "anyOf": [
        {"type": "string", "pattern": "\\S"},
        {"type": "object", "not": {"required": ["$predicate"]}},
    ],
}

_EXAMPLE: Final[dict[str, Any]] = {
    "name": "etl",
    "options": {"max_attempts": 5},
    "steps": [
        {"name": "fetch", "options": {"timeout": 30}},
        {"name": "price", "kind": "map", "over": "fetch"},
        {"name": "total", "depends_on": ["price"]},
    ],
}
