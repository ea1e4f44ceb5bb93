"""
What runs and tasks have failed with, as the database has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from singularity_workflow.errors import DecompositionFailed
from singularity_workflow.model.issues import Issue

__all__ = [
    "CHILD_FAILED",
    "DECOMPOSITION_FAILED",
    "cause_of",
    "error_of",
    "to_decomposition_failed",
]

CHILD_FAILED: Final = "child_failed"
"""Type of the error of a task whose child run has failed."""

DECOMPOSITION_FAILED: Final = (
    f"{DecompositionFailed.__module__}.{DecompositionFailed.__qualname__}"
)


def error_of(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the task that has failed a run raised; empty if none has."""
    found: Mapping[str, Any] = (run["error"] or {}).get("error") or {}
    return found


def cause_of(run: Mapping[str, Any]) -> tuple[str, str]:
    """Return the type and the message of what has ended a run."""
    error = error_of(run)
    if error:
        return str(error.get("type", "")), str(error.get("message", ""))
    why = f": {run['reason']}" if run["reason"] else ""
    what = f"run {run['id']} of workflow {run['workflow']!r}"
    return "", f"{what} was {run['status']}{why}"


def to_decomposition_failed(error: Mapping[str, Any]) -> DecompositionFailed:
    """Return what was raised because a goal has no plan, as far as it is stored."""
    return DecompositionFailed(
        str(error.get("message", "")),
        hint=error.get("hint"),
        issues=[
            Issue(
                code=one["code"],
                pointer=one["pointer"],
                message=one["message"],
                hint=one.get("hint"),
            )
            for one in error.get("issues", ())
        ],
    )
