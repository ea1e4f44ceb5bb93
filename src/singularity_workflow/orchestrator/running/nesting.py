"""
Start the goals that tasks of a plan are.

A task that is a goal becomes a run of the goal's workflow; one with a handler too is
tried first, in a run of its own, and becomes a goal when that has failed for good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from uuid import UUID

from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.model.signals import Fail
from singularity_workflow.orchestrator.graphs.goals import goal_hash, goal_mark
from singularity_workflow.orchestrator.planning.plan import PlannedTask
from singularity_workflow.orchestrator.running.signals import NEEDS_REPLAN, NeedsReplan
from singularity_workflow.orchestrator.running.stored_errors import (
    DECOMPOSITION_FAILED,
    cause_of,
    error_of,
    to_decomposition_failed,
)

__all__ = ["ChildStore", "Nesting"]


class ChildStore(Protocol):
    """What this module asks of the database."""

    async def task_children(
        self, run_id: UUID, step: str, index: int = 0
    ) -> list[dict[str, Any]]: ...


class Nesting:
    """
    See `GoalCalls`.

    Args:
        name: Name of the goals' workflow.
        store: Where runs are.
        workflow: Returns that workflow, which the database has.
    """

    def __init__(
        self,
        name: str,
        store: ChildStore,
        workflow: Callable[[], Awaitable[tuple[int, CompiledWorkflow]]],
    ) -> None:
        self._name = name
        self._store = store
        self._workflow = workflow

    async def call(
        self,
        task: PlannedTask,
        ctx: Context,
        carried: Mapping[str, Any],
        inputs: Mapping[str, Any],
        given: Mapping[str, Any],
    ) -> ChildCall | Any:
        """Return the call of the child run that the task stands for, or its input."""
        if not task.spec.is_compound:
            tried: list[dict[str, Any]] = []
            if ctx.attempt > 1:
                tried = await self._store.task_children(ctx.run_id, ctx.step, ctx.index)
            if not tried:
                return given
            self._check(tried[-1])
        above = carried["nest"]
        hashes: list[str] = []
        scope = task.scope
        while scope is not None:
            hashes.insert(0, goal_hash(scope.goal))
            scope = scope.outer
        data: dict[str, Any] = {
            "goal": task.spec.own_goal,
            "options": carried["options"],
            "inputs": inputs,
            "nest": {
                "root": above["root"],
                "depth": above["depth"] + len(task.path),
                "ancestors": [*above["ancestors"], *hashes],
                "path": [*above["path"], *task.path],
            },
        }
        if task.tree is not None:
            data["tree"] = task.tree.to_json()
        workflow_id, workflow = await self._workflow()
        nest = data["nest"]
        return ChildCall(
            workflow_id=workflow_id,
            workflow=workflow,
            input=data,
            goal=goal_mark(data["goal"], nest["ancestors"][-1], nest["depth"]),
        )

    def _check(self, last: Mapping[str, Any]) -> None:
        """
        Tell whether the goal comes next, after what has become of the last run.

        Raises:
            DecompositionFailed: No plan could be made of the goal.
            NeedsReplan: The handler has asked for another plan.
            Fail: The goal has failed too, or the run was ended by somebody.
        """
        kind, message = cause_of(last)
        if last["workflow"] == self._name and kind == DECOMPOSITION_FAILED:
            raise to_decomposition_failed(error_of(last))
        if last["status"] != "failed" or last["workflow"] == self._name:
            raise Fail(message)
        if kind == NEEDS_REPLAN:
            raise NeedsReplan(message)
