"""
Run a workflow within the test: what a worker does, without one.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any
from uuid import UUID

from singularity_workflow import Context, Workflow
from singularity_workflow.model.inputs import StepInputs
from singularity_workflow.model.json_codec import decode_json
from singularity_workflow.orchestrator import Catalog, as_decomposer, expand


def decompose(decomposer, goal="goal", functions=None, limits=None, **options):
    """Expand a goal with functions by name, and return what became of it."""
    catalog = Catalog(functions or {})
    planner = as_decomposer(decomposer)
    return asyncio.run(expand(goal, planner.decompose, catalog, limits, **options))


def run_here(workflow: Workflow, run_input: Any) -> dict[str, Any]:
    """Return the outputs of the final steps of a workflow, as `execute` does."""
    compiled = workflow.compile()
    children = {child.name: child for child in workflow.children}
    outputs: dict[str, Any] = {}
    waiting = list(compiled.steps)
    while waiting:
        step = next(s for s in waiting if set(s.definition.depends_on) <= set(outputs))
        waiting.remove(step)
        child = children.get(step.definition.workflow or "")
        given = {name: outputs[name] for name in step.definition.depends_on}
        if step.definition.over is None:
            outputs[step.name] = _task(step, StepInputs(run_input, given), child)
        else:
            outputs[step.name] = [
                _task(step, StepInputs(run_input, given, item, index), child)
                for index, item in enumerate(given[step.definition.over])
            ]
    needed = {name for step in compiled.steps for name in step.definition.depends_on}
    return {name: one for name, one in outputs.items() if name not in needed}


def result_of(workflow: Workflow, run_input: Any) -> dict[str, Any]:
    """Return what the goal gives: the outputs that its plan names, if it names some."""
    found = run_here(workflow, run_input)
    return found.get("_outputs", found)


def _task(step: Any, inputs: StepInputs, child: Workflow | None) -> Any:
    context = Context(UUID(int=1), "workflow", step.name)
    value = step.function(**step.binding.arguments(inputs, context, {}))
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    output = decode_json(step.output.encode(value))
    return output if child is None else run_here(child, output)
