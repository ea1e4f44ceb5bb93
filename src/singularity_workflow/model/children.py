"""
Steps that are runs of other workflows: what their input is when nobody says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.signature import StepFunction

__all__ = ["ChildCall", "child_step", "default_input"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCall:
    """
    What the function of a child step returns to say which workflow it means.

    Args:
        workflow_id: The version, which the database has.
        workflow: The same, ready to run here.
        input: The child's input.
        goal: Of a goal's run, what the database tells of it; None: it is none.
    """

    workflow_id: int
    workflow: CompiledWorkflow
    input: Any
    goal: Mapping[str, Any] | None = None


def child_step(
    depends_on: object, over: object, initial_tasks: int | None
) -> tuple[StepKind, dict[str, object]]:
    """Return the kind of a child step, and the options that say so."""
    if over is None and initial_tasks is None:
        return StepKind.SINGLE, {"depends_on": depends_on}
    options = {"depends_on": depends_on, "over": over, "initial_tasks": initial_tasks}
    return StepKind.MAP, options


def default_input(kind: StepKind) -> StepFunction:
    """Return the function that makes a child's input when none was given."""
    return _merged_view if kind is StepKind.SINGLE else _element


def _merged_view(input: Any) -> Any:
    return input


def _element(item: Any) -> Any:
    return item
