"""
The payloads of the runs that have tasks here.

The database sends each payload once: a run's input until the run has no task here any
more, and a map's dependencies likewise. So this memory is a promise: what it holds, the
next reply may leave out. What a call under way relies on is pinned until its reply is
there, whatever tasks end meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from singularity_workflow.model.compiled import CompiledStep, CompiledWorkflow
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.inputs import UNDONE, StepInputs
from singularity_workflow.store.replies import HandedTask, Reply, TaskRef

__all__ = ["MapKey", "RunMemory"]

MapKey: TypeAlias = tuple[str, int]
"""Run and number of a map step."""


class _Run:
    __slots__ = (
        "input", "is_redacted", "maps", "task_count", "traceparent", "workflow",
    )  # fmt: skip

    def __init__(
        self,
        workflow: CompiledWorkflow,
        run_input: object,
        traceparent: str | None,
        is_redacted: bool | None,
    ) -> None:
        self.workflow = workflow
        self.input = run_input
        self.traceparent = traceparent
        self.is_redacted = bool(is_redacted)
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
        self._known_maps: set[MapKey] = set()

    def add_run(
        self,
        run_id: str,
        workflow: CompiledWorkflow,
        value: object,
        traceparent: str | None = None,
        is_redacted: bool | None = None,
    ) -> None:
        """Keep the input of a run; does nothing for one that is known."""
        if run_id not in self._runs:
            self._runs[run_id] = _Run(workflow, value, traceparent, is_redacted)

    def has_run(self, run_id: str) -> bool:
        """Tell whether the run's input is here."""
        return run_id in self._runs

    def traceparent_of(self, run_id: str) -> str | None:
        """Return the trace of a run that is known, None if it has none."""
        run = self._runs.get(run_id)
        return None if run is None else run.traceparent

    def is_redacted(self, run_id: str) -> bool:
        """Tell whether nothing of a run that is known is to be quoted."""
        run = self._runs.get(run_id)
        return run is not None and run.is_redacted

    def pin_run(
        self,
        run_id: str,
        workflow: CompiledWorkflow,
        value: object,
        traceparent: str | None = None,
        is_redacted: bool | None = None,
    ) -> None:
        """Keep the input of a run until `unpin_runs`, tasks or no tasks."""
        self.add_run(run_id, workflow, value, traceparent, is_redacted)
        self._runs[run_id].task_count += 1

    def unpin_runs(self, run_ids: Iterable[str]) -> None:
        """Let those of the runs go that have no tasks here."""
        for run_id in run_ids:
            self._let_go(run_id)

    def pin_maps(self) -> list[MapKey]:
        """Return the map steps whose dependencies are here, and stay until `unpin`."""
        pinned = list(self._known_maps)
        for run_id, step_no in pinned:
            run = self._runs[run_id]
            run.task_count += 1
            run.maps[step_no].task_count += 1
        return pinned

    def unpin_maps(self, pinned: Iterable[MapKey]) -> None:
        """Let those of the maps go that have no tasks here."""
        for run_id, step_no in pinned:
            self._let_go(run_id, step_no)

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
        if step.definition.kind is StepKind.UNDO:
            return run.workflow, step, _undone(run.input, step.name, task.item)
        inputs = StepInputs(run.input, entry.outputs, task.item, task.task_index)
        return run.workflow, step, inputs

    def release(self, task: TaskRef) -> None:
        """Give up what `take` kept for *task*."""
        self._let_go(task.run_id, task.step_no)

    def _let_go(self, run_id: str, step_no: int | None = None) -> None:
        run = self._runs.get(run_id)
        if run is None:
            return
        entry = None if step_no is None else run.maps.get(step_no)
        if entry is not None and step_no is not None:
            entry.task_count -= 1
            if not entry.task_count:
                del run.maps[step_no]
                self._known_maps.discard((run_id, step_no))
        run.task_count -= 1
        if not run.task_count:
            del self._runs[run_id]


def _undone(run_input: object, step: str, done: dict[str, Any]) -> StepInputs:
    """Return what an undoing works on: a task that completed, with its output."""
    outputs = {step: done["output"], UNDONE: done["output"]}
    return StepInputs(run_input, outputs, done["item"], done["index"])


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
