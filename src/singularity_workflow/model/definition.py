"""
A workflow as plain data: what every way of writing one compiles to.

A `Definition` may be wrong; `validation.validate` says how. `normalized` puts a
valid one into the form in which equal definitions are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from singularity_workflow.model.conditions import condition_to_json
from singularity_workflow.model.options import (
    DEFAULT_ON_ERROR,
    DEFAULT_ON_FAILURE,
    DEFAULT_ON_UNMET,
    StepOptions,
    WorkflowOptions,
)

__all__ = ["Definition", "StepDefinition", "StepKind"]


class StepKind(StrEnum):
    """
    `SINGLE` is one task, `MAP` is one task per element.

    `UNDO` is a step of a compensation: one task for each completed task of the step
    of the same name in the run that is undone.
    """

    SINGLE = "single"
    MAP = "map"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """
    One step.

    Args:
        name: Unique in its workflow, whatever the case.
        kind: Single or map.
        depends_on: Names of the steps whose outputs it needs.
        over: Of a map: the dependency whose output it maps over; None for a root.
        initial_tasks: Of a map: the number of its tasks, None for "as the array".
        workflow: Name of the workflow of which each task is a child run, if it is one.
        options: Its options.
    """

    name: str
    kind: StepKind = StepKind.SINGLE
    depends_on: tuple[str, ...] = ()
    over: str | None = None
    initial_tasks: int | None = None
    workflow: str | None = None
    options: StepOptions = field(default_factory=StepOptions)

    @property
    def is_map(self) -> bool:
        """Whether the step has one task per element."""
        return self.kind is not StepKind.SINGLE

    def to_json(self) -> dict[str, object]:
        """Return the step as the database takes it."""
        data: dict[str, object] = {
            "name": self.name,
            "kind": self.kind.value,
            "depends_on": list(self.depends_on),
            "over": self.over,
            "initial_tasks": self.initial_tasks,
            "options": self.options.to_json(),
        }
        if self.workflow is not None:
            data["workflow"] = self.workflow
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """
    A workflow: its steps in the order of their numbers, options and input schema.

    Args:
        name: The workflow's name, which is its id.
        steps: The steps; a step's number is its position here.
        options: The workflow's options.
        input_schema: JSON Schema of the run's input; None if anything goes.
        compensation: Name of the workflow that undoes a run that failed.
        undoes: Name of the workflow whose compensation it is.
    """

    name: str
    steps: tuple[StepDefinition, ...] = ()
    options: WorkflowOptions = field(default_factory=WorkflowOptions)
    input_schema: Mapping[str, object] | None = None
    compensation: str | None = None
    undoes: str | None = None

    def normalized(self) -> Definition:
        """
        Return the same workflow in its one form.

        Dependencies stand once each in the order of step numbers, and a map over its
        only dependency says so. Unknown dependencies come last.
        """
        numbers = {step.name: number for number, step in enumerate(self.steps)}
        last = len(numbers)

        def normalize(step: StepDefinition) -> StepDefinition:
            found = dict.fromkeys(step.depends_on)
            names = tuple(sorted(found, key=lambda name: numbers.get(name, last)))
            over = step.over
            if step.kind is StepKind.MAP and over is None and len(names) == 1:
                over = names[0]
            if names == step.depends_on and over == step.over:
                return step
            return replace(step, depends_on=names, over=over)

        return replace(self, steps=tuple(normalize(step) for step in self.steps))

    def to_json(self) -> dict[str, object]:
        """Return the definition as the database takes it; `parsing` reads it back."""
        schema = self.input_schema
        data: dict[str, object] = {
            "name": self.name,
            "options": self.options.to_json(),
            "input_schema": None if schema is None else dict(schema),
            "steps": [step.to_json() for step in self.steps],
        }
        if self.compensation is not None:
            data["compensation"] = self.compensation
        if self.undoes is not None:
            data["undoes"] = self.undoes
        return data

    def shape(self) -> dict[str, object]:
        """
        Return what decides the version: another shape is another version.

        Structure is in it, with the modes that hold after inheritance; what can be
        tuned while runs are under way (attempts, times, queue, priority) is not.
        """
        return {"steps": [self._step_shape(step) for step in self.normalized().steps]}

    def _step_shape(self, step: StepDefinition) -> dict[str, object]:
        own, common = step.options, self.options
        shape: dict[str, object] = {
            "name": step.name,
            "kind": step.kind.value,
            "depends_on": list(step.depends_on),
            "over": step.over,
            "initial_tasks": step.initial_tasks,
            "workflow": step.workflow,
            "on_error": None if own.on_error == DEFAULT_ON_ERROR else own.on_error,
            "when": None if own.when is None else condition_to_json(own.when),
            "when_not": (
                None if own.when_not is None else condition_to_json(own.when_not)
            ),
            "on_unmet": own.on_unmet or common.on_unmet or DEFAULT_ON_UNMET,
            "on_failure": own.on_failure or common.on_failure or DEFAULT_ON_FAILURE,
        }
        return {key: value for key, value in shape.items() if value is not None}
