"""
The types of events: those of the engine, and what an application may call its own.
"""

from __future__ import annotations

import re
from typing import Final

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.names import did_you_mean

__all__ = [
    "ENDS_OF_RUNS",
    "EVENT_TYPES",
    "GOAL_EVENTS",
    "PROGRESS",
    "check_event_type",
    "check_wanted_type",
]

PROGRESS: Final = "task_progress"

EVENT_TYPES: Final = (
    "workflow_started",
    "workflow_paused",
    "workflow_resumed",
    "workflow_completed",
    "workflow_failed",
    "workflow_cancelled",
    "step_started",
    "step_completed",
    "step_failed",
    "step_skipped",
    "task_started",
    "task_completed",
    "task_failed",
    "task_retried",
    "task_skipped",
    PROGRESS,
    "goal_started",
    "goal_completed",
    "goal_failed",
    "goal_cancelled",
    "goal_decomposition_started",
    "goal_decomposition_completed",
    "goal_decomposition_failed",
    "goal_decomposition_repaired",
    "goal_replan_started",
    "goal_replan_failed",
    "plan_revised",
)
"""The types that the engine writes, those of goals with them."""

GOAL_EVENTS: Final = frozenset(
    one for one in EVENT_TYPES if one.startswith(("goal_", "plan_"))
)
"""Those that tell of goals; of the run's level, though a step may tell them."""

ENDS_OF_RUNS: Final = frozenset({
    "workflow_completed",
    "workflow_failed",
    "workflow_cancelled",
})  # fmt: skip
"""After one of these there is no other event of the run."""

_RESERVED: Final = (
    "workflow_", "step_", "task_", "goal_", "plan_", "optimization_",
)  # fmt: skip
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


def check_wanted_type(name: str) -> None:
    """
    Refuse the type of an event that never comes.

    Raises:
        InvalidSetting: If the engine has none of this name, and nobody else may.
    """
    if name.startswith(_RESERVED) and name not in EVENT_TYPES:
        raise InvalidSetting(
            f"there are no events of type {name!r}",
            hint=did_you_mean(name, EVENT_TYPES)
            or f"The engine's are {', '.join(EVENT_TYPES)}.",
        )


def check_event_type(name: object) -> None:
    """
    Refuse what cannot be the type of an event of an application.

    Raises:
        InvalidSetting: If it is none.
    """
    if not isinstance(name, str) or not _TYPE.fullmatch(name):
        raise InvalidSetting(
            f"an event's type must be a word in snake_case, got {name!r}",
            hint="Begin with a letter, 63 characters at most.",
        )
    if name.startswith(_RESERVED):
        raise InvalidSetting(
            f"the event type {name!r} is the engine's own",
            hint=f"Types do not begin with {', '.join(_RESERVED)}.",
        )
