"""
What goals do, and what becomes of them: status, figures, results, failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.errors import RunFailed, RunNotFound, StepNotFound
from singularity_workflow.model.runs import RunMetadata
from singularity_workflow.model.statuses import RunStatus
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.step_names import (
    DECOMPOSE,
    EXECUTE,
    JUDGE,
    REPLAN,
)
from singularity_workflow.orchestrator.planning.task_functions import unwrap
from singularity_workflow.orchestrator.results import GoalResult
from singularity_workflow.orchestrator.running.events import emit
from singularity_workflow.orchestrator.running.failures import FailedTask, find_failure
from singularity_workflow.orchestrator.running.program import GoalProgram
from singularity_workflow.orchestrator.running.revisions import revision_name

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session

__all__ = ["Executions"]


class Executions:
    """
    The goals that an engine can look at.

    Args:
        engine: A connected engine.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def status(self, run_id: UUID) -> tuple[RunStatus, RunMetadata]:
        """Return where a goal is; see `Orchestrator.get_execution_status`."""
        status, told = await self._engine.get_run_status(run_id)
        if told["error"]:
            store = self._session.store
            found = await find_failure(store, told["run_id"], told["error"])
            told["error"] = found.to_json()
        children = await self._engine.list_workflow_runs(parent=run_id, limit=1)
        if not children.items:
            return status, told
        newest = children.items[0]
        if newest.workflow == revision_name(told["workflow"]):
            under = await self._engine.list_workflow_runs(parent=newest.id, limit=1)
            newest = under.items[0] if under.items else newest
        _, figures = await self._engine.get_run_status(newest.id)
        names = (
            "total_steps", "completed_steps", "skipped_steps", "failed_steps",
            "total_tasks", "completed_tasks", "failed_tasks", "started_tasks",
            "queued_tasks", "waiting_tasks", "steps",
        )  # fmt: skip
        merged: Any = {**told, **{name: figures[name] for name in names}}  # type: ignore[literal-required]
        return status, merged

    async def stats(self, run_id: UUID) -> dict[str, Any]:
        """Return the figures of one goal; see `Orchestrator.get_execution_stats`."""
        status, told = await self._engine.get_run_status(run_id)
        if not _is_goal(told):
            raise StepNotFound(
                f"run {run_id} of workflow {told['workflow']!r} is not that of a goal",
                hint="get_run_status tells of other runs.",
            )
        plan = await self._read_plan(told["run_id"])
        own: dict[str, Any] = {} if plan is None else dict(plan["stats"])
        duration = told["duration"]
        spent = own.get("decomposition_time")
        return {
            "status": status,
            **own,
            "revisions": len(await self._revised(run_id)),
            "execution_time": (
                None if duration is None else round(duration - (spent or 0), 6)
            ),
            "optimization_level": told["metadata"].get("optimization_level"),
        }

    async def finish(
        self, program: GoalProgram, run: RunHandle, timeout: float | None
    ) -> GoalResult:
        """Return what a goal gave, or raise what became of it."""
        try:
            result = await run.result(timeout)
        except RunFailed as error:
            found = await self._failure(run.id)
            if found is None:
                raise
            raise found.to_error(run.id) from error
        plan = program.answers.pop(run.id, None) or await self._read_plan(run.id)
        plans = [plan]
        if set(result.get(EXECUTE, {})) == {JUDGE}:
            plans += await self._revised(run.id)
        trees = [GoalTree.model_validate(one["tree"]) for one in plans]
        tree = trees[-1]
        stats = {**plan["stats"], "revisions": len(plans) - 1}
        emit("goal_completed", run.id, {"stats": stats}, is_full=plan["is_told"])
        return GoalResult(
            result=unwrap(result.get(EXECUTE, {})),
            run_id=run.id,
            graph=tree.graph,
            tree=tree,
            graphs=tuple(one.graph for one in trees),
            revisions=len(plans) - 1,
            stats=stats,
        )

    async def _revised(self, run_id: UUID) -> list[Any]:
        """Return the further plans of a goal, in order."""
        store = self._session.store
        found = []
        for one in await store.task_children(run_id, EXECUTE):
            if one["workflow"].endswith(revision_name("")):
                plan = await store.step_output(UUID(one["id"]), REPLAN)
                if plan is not None and plan.get("revision"):
                    found.append(plan)
        return found

    async def _failure(self, run_id: UUID) -> FailedTask | None:
        """Return the task that a goal has failed with; None: its run is gone."""
        store = self._session.store
        try:
            told = await store.run_status(run_id)
        except RunNotFound:
            return None
        return await find_failure(store, run_id, told["error"] or {})

    async def _read_plan(self, run_id: UUID) -> Any:
        return await self._session.store.step_output(run_id, DECOMPOSE)

    @property
    def _session(self) -> Session:
        return self._engine.session


def _is_goal(told: RunMetadata) -> bool:
    return {step["name"] for step in told["steps"]} == {DECOMPOSE, EXECUTE}
