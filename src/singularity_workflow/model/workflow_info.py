"""
What the database knows of a workflow: its latest version, or the draft of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.flow import Flow

__all__ = ["StepInfo", "WorkflowInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """
    One step of a workflow.

    Args:
        name: Its name.
        number: Its place in the workflow, from 0.
        kind: Single or map.
        depends_on: Names of the steps whose outputs it needs.
        over: Of a map: the dependency whose output it maps over; None for a root.
        initial_tasks: Of a map: the number of its tasks, None for "as the array".
        workflow: Name of the workflow of which each task is a run, if it is one.
        options: What was given for it; the rest is inherited.
        created_at: When it was added.
    """

    name: str
    number: int
    kind: StepKind
    depends_on: tuple[str, ...]
    over: str | None
    initial_tasks: int | None
    workflow: str | None
    options: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowInfo:
    """
    A workflow, as a start of it would run it.

    Args:
        name: Its name, which is its id.
        version: Hash of its latest version's shape; None before its first start.
        is_draft: Whether there are changes that the next start makes a version.
        steps: Its steps in the order of their numbers.
        options: Its options, as given.
        input_schema: JSON Schema of the run's input, None if anything goes.
        created_at: When this version, or the draft, was made.
    """

    name: str
    version: str | None
    is_draft: bool
    steps: tuple[StepInfo, ...]
    options: Mapping[str, object]
    input_schema: Mapping[str, object] | None
    created_at: datetime

    def to_flow(self) -> Flow:
        """Return the workflow as a flow, to change it and save it again."""
        flow = Flow(self.name, input_schema=self.input_schema, **self.options)
        for step in self.steps:
            options = {**step.options}
            if step.workflow is not None:
                options["workflow"] = step.workflow
            if step.kind is StepKind.MAP:
                flow.map(
                    step.name,
                    step.depends_on,
                    step.initial_tasks,
                    over=step.over,
                    **options,
                )
            else:
                flow.step(step.name, step.depends_on, **options)
        return flow
