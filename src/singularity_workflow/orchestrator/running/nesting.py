"""
Start the goals that tasks of a plan are.

A task that is a goal becomes a run of the goal's workflow; one with a handler too is
tried first, in a run of its own, and becomes a goal when that has failed for good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from singularity_workflow.errors import DecompositionFailed
from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.model.signals import Fail
from singularity_workflow.orchestrator.graphs.goals import goal_hash, goal_mark
from singularity_workflow.orchestrator.planning.plan import PlannedTask
from singularity_workflow.orchestrator.running.signals import NEEDS_REPLAN, NeedsReplan

__all__ = ["DECOMPOSITION_FAILED", "ChildStore", "Nesting", "cause_of"]

DECOMPOSITION_FAILED: Final = (
    f"{DecompositionFailed.__module__}.{DecompositionFailed.__qualname__}"
)
"""As what it is stored."""


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
        passed_on: Returns the failure of a plan, for the run above.
    """

    def __init__(
        self,
        name: str,
        store: ChildStore,
        workflow: Callable[[], Awaitable[tuple[int, CompiledWorkflow]]],
        passed_on: Callable[[UUID, UUID, str], DecompositionFailed],
    ) -> None:
        self._passed_on = passed_on
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
            self._check(tried[-1], ctx)
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

    def _check(self, last: Mapping[str, Any], ctx: Context) -> None:
        """
        Tell whether the goal comes next, after what has become of the last run.

        Raises:
            DecompositionFailed: No plan could be made of the goal.
            NeedsReplan: The handler has asked for another plan.
            Fail: The goal has failed too, or the run was ended by somebody.
        """
        kind, message = cause_of(last)
        if last["workflow"] == self._name and kind == DECOMPOSITION_FAILED:
            raise self._passed_on(UUID(last["id"]), ctx.run_id, message)
        if last["status"] != "failed" or last["workflow"] == self._name:
            raise Fail(message)
        if kind == NEEDS_REPLAN:
            raise NeedsReplan(message)


def cause_of(run: Mapping[str, Any]) -> tuple[str, str]:
    """Return the type and the message of what has ended a run."""
    error = (run["error"] or {}).get("error") or {}
    if error:
        return str(error.get("type", "")), str(error.get("message", ""))
    why = f": {run['reason']}" if run["reason"] else ""
    what = f"run {run['id']} of workflow {run['workflow']!r}"
    return "", f"{what} was {run['status']}{why}"
