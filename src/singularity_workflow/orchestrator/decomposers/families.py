"""
Ready-made rules for goals of four common kinds.

Each returns a `RuleDecomposer`; its tasks name the functions that a catalog must have.
What a goal says of itself, such as its services or sources, is in the members of a
mapping; a goal in words gets one of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from singularity_workflow.orchestrator.decomposers.rules import Rule, RuleDecomposer
from singularity_workflow.orchestrator.graphs.graph import MAX_ID_LENGTH

__all__ = ["data_pipeline", "microservices", "ml_pipeline", "simple"]

_Tasks = list[dict[str, Any]]


def simple() -> RuleDecomposer:
    """
    Decompose any goal into `design`, `implement` and `test`, one after the other.

    .. versionadded:: 0.1
    """
    return RuleDecomposer(
        [
            Rule(
                when=None,
                tasks=[
                    {"id": "design", "description": "Design a solution"},
                    {
                        "id": "implement",
                        "description": "Implement the design",
                        "depends_on": ["design"],
                    },
                    {
                        "id": "test",
                        "description": "Test the implementation",
                        "depends_on": ["implement"],
                    },
                ],
            )
        ]
    )


def microservices() -> RuleDecomposer:
    """
    Decompose the building of services: contracts, each one, integration, deployment.

    The goal's `services` are names. Functions: `design_contracts`, `build_service` and
    `test_service` (with the argument `service`), `integrate`, `deploy`.

    .. versionadded:: 0.1
    """
    return _family(("microservice", "services"), _microservices)


def data_pipeline() -> RuleDecomposer:
    """
    Decompose a pipeline of data: extract from each source, validate, transform, load.

    The goal's `sources` are names. Functions: `extract` and `validate` (with the
    argument `source`), `transform`, `load`, `report`.

    .. versionadded:: 0.1
    """
    return _family(("pipeline", "etl", "sources"), _data_pipeline)


def ml_pipeline() -> RuleDecomposer:
    """
    Decompose the making of a model: data, features, training of each model, choice.

    The goal's `models` are names. Functions: `collect_data`, `prepare_data`,
    `engineer_features`, `train` and `evaluate` (with the argument `model`),
    `select_model`, `deploy_model`.

    .. versionadded:: 0.1
    """
    return _family(("model", "machine learning", "ml", "models"), _ml_pipeline)


def _family(words: tuple[str, ...], tasks: Callable[[Any], _Tasks]) -> RuleDecomposer:
    *spoken, member = words
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, spoken))})s?\b", re.IGNORECASE)
    found = RuleDecomposer(
        [
            Rule(when=lambda goal: bool(_names(goal, member)), tasks=tasks),
            Rule(when=pattern, tasks=tasks),
        ]
    )
    found.help = (
        f'Give a mapping such as {{"{member}": ["a", "b"]}}, or words with '
        f"{' or '.join(map(repr, spoken))}."
    )
    return found


def _microservices(goal: Any) -> _Tasks:
    services = _ids(goal, "services", "service")
    tasks: _Tasks = [
        {"id": "design_contracts", "description": "Agree on the interfaces"}
    ]
    for key, service in services.items():
        tasks += [
            {
                "id": f"build_{key}",
                "description": f"Build the service {service}",
                "handler": "build_service",
                "args": {"service": service},
                "depends_on": ["design_contracts"],
            },
            {
                "id": f"test_{key}",
                "description": f"Test the service {service}",
                "handler": "test_service",
                "args": {"service": service},
                "depends_on": [f"build_{key}"],
            },
        ]
    tested = [f"test_{key}" for key in services]
    return [
        *tasks,
        {
            "id": "integrate",
            "description": "Test the services together",
            "depends_on": tested,
        },
        {
            "id": "deploy",
            "description": "Deploy the services",
            "depends_on": ["integrate"],
        },
    ]


def _data_pipeline(goal: Any) -> _Tasks:
    sources = _ids(goal, "sources", "source")
    tasks: _Tasks = []
    for key, source in sources.items():
        tasks += [
            {
                "id": f"extract_{key}",
                "description": f"Extract from {source}",
                "handler": "extract",
                "args": {"source": source},
            },
            {
                "id": f"validate_{key}",
                "description": f"Validate what came from {source}",
                "handler": "validate",
                "args": {"source": source},
                "depends_on": [f"extract_{key}"],
            },
        ]
    return [
        *tasks,
        {
            "id": "transform",
            "description": "Bring it into one form",
            "depends_on": [f"validate_{key}" for key in sources],
        },
        {"id": "load", "description": "Load it", "depends_on": ["transform"]},
        {"id": "report", "description": "Report on it", "depends_on": ["load"]},
    ]


def _ml_pipeline(goal: Any) -> _Tasks:
    models = _ids(goal, "models", "model")
    tasks: _Tasks = [
        {"id": "collect_data", "description": "Collect the data"},
        {
            "id": "prepare_data",
            "description": "Clean and split the data",
            "depends_on": ["collect_data"],
        },
        {
            "id": "engineer_features",
            "description": "Make features",
            "depends_on": ["prepare_data"],
        },
    ]
    for key, model in models.items():
        tasks += [
            {
                "id": f"train_{key}",
                "description": f"Train {model}",
                "handler": "train",
                "args": {"model": model},
                "depends_on": ["engineer_features"],
            },
            {
                "id": f"evaluate_{key}",
                "description": f"Evaluate {model}",
                "handler": "evaluate",
                "args": {"model": model},
                "depends_on": [f"train_{key}", "prepare_data"],
            },
        ]
    return [
        *tasks,
        {
            "id": "select_model",
            "description": "Choose the best model",
            "depends_on": [f"evaluate_{key}" for key in models],
        },
        {
            "id": "deploy_model",
            "description": "Deploy the chosen model",
            "depends_on": ["select_model"],
        },
    ]


_LONGEST: Final = MAX_ID_LENGTH - len("evaluate__00")


def _ids(goal: Any, member: str, word: str) -> dict[str, str]:
    """Return the names that a goal has, by what they are called in ids."""
    found: dict[str, str] = {}
    for name in _names(goal, member) or [word]:
        key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST] or word
        number = 2
        taken = key
        while taken in found:
            taken = f"{key}_{number}"
            number += 1
        found[taken] = name
    return found


def _names(goal: Any, member: str) -> list[str]:
    listed = goal.get(member) if isinstance(goal, Mapping) else None
    if not isinstance(listed, (list, tuple)):
        return []
    return [one for one in listed if isinstance(one, str)]
