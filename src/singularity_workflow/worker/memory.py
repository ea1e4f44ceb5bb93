"""
The payloads of the runs that have tasks here.

The database sends each payload once: a run's input until the run has no task here any
more, and a map's dependencies likewise. So this memory is a promise: what it holds, the
next reply may leave out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from singularity_workflow.model.compiled import CompiledStep, CompiledWorkflow
from singularity_workflow.model.inputs import StepInputs
from singularity_workflow.store.replies import HandedTask, Reply, TaskRef

__all__ = ["RunMemory"]


class _Run:
    __slots__ = ("input", "maps", "task_count", "workflow")

    def __init__(self, workflow: CompiledWorkflow, run_input: object) -> None:
        self.workflow = workflow
        self.input = run_input
        self.task_count = 0
        self.maps: dict[int, _Map] = {}


class _Map:
    __slots__ = ("outputs", "task_count")

    def __init__(self, outputs: dict[str, object]) -> None:
        self.outputs = outputs
        self.task_count = 0


class RunMemory:
    """Inputs and outputs, for as long as tasks refer to them."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._known_maps: set[tuple[str, int]] = set()

    def add_run(self, run_id: str, workflow: CompiledWorkflow, value: object) -> None:
        """Keep the input of a run; does nothing for one that is known."""
        if run_id not in self._runs:
            self._runs[run_id] = _Run(workflow, value)

    def has_run(self, run_id: str) -> bool:
        """Tell whether the run's input is here."""
        return run_id in self._runs

    def forget_idle(self, run_ids: Iterable[str]) -> None:
        """Drop those of the runs that have no tasks here."""
        for run_id in run_ids:
            run = self._runs.get(run_id)
            if run is not None and not run.task_count:
                del self._runs[run_id]

    def known_maps(self) -> list[str]:
        """Return the map steps whose dependencies are here, as step keys."""
        return [f"({run_id},{step_no})" for run_id, step_no in self._known_maps]

    def outputs_of(self, reply: Reply) -> dict[str, dict[int, Any]]:
        """Return the outputs that came with *reply*, by run and step number."""
        found: dict[str, dict[int, Any]] = {}
        for run_id, step_no, output in reply.outputs:
            found.setdefault(run_id, {})[step_no] = output
        return found

    def take(
        self, task: HandedTask, outputs: dict[str, dict[int, Any]]
    ) -> tuple[CompiledWorkflow, CompiledStep, StepInputs]:
        """
        Return what *task* is and works on, and keep its payloads until `release`.

        Args:
            task: A task of a run that is known.
            outputs: The outputs that came with it.
        """
        run = self._runs[task.run_id]
        run.task_count += 1
        step = run.workflow.steps[task.step_no]
        if not step.definition.is_map:
            found = _named(run.workflow, step, outputs.get(task.run_id))
            return run.workflow, step, StepInputs(run.input, found)

        entry = run.maps.get(task.step_no)
        if entry is None:
            found = _named(run.workflow, step, outputs.get(task.run_id))
            entry = run.maps[task.step_no] = _Map(found)
            self._known_maps.add((task.run_id, task.step_no))
        entry.task_count += 1
        inputs = StepInputs(run.input, entry.outputs, task.item, task.task_index)
        return run.workflow, step, inputs

    def release(self, task: TaskRef) -> None:
        """Give up what `take` kept for *task*."""
        run = self._runs.get(task.run_id)
        if run is None:
            return
        entry = run.maps.get(task.step_no)
        if entry is not None:
            entry.task_count -= 1
            if not entry.task_count:
                del run.maps[task.step_no]
                self._known_maps.discard((task.run_id, task.step_no))
        run.task_count -= 1
        if not run.task_count:
            del self._runs[task.run_id]


def _named(
    workflow: CompiledWorkflow, step: CompiledStep, outputs: dict[int, Any] | None
) -> dict[str, object]:
    """Return the outputs of the step's dependencies, in the order of step numbers."""
    if not outputs or not step.definition.depends_on:
        return {}
    numbers = (workflow.by_name[name].number for name in step.definition.depends_on)
    return {
        workflow.steps[number].name: outputs[number]
        for number in numbers
        if number in outputs
    }
