"""
The workflows of goals that an engine can run: made, bound, and found again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final
from uuid import UUID

from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.errors import WorkflowNotFound
from singularity_workflow.model.parsing import definition_from_json
from singularity_workflow.model.statuses import RunStatus
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.goal_requests import GoalRequest
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.running.plan_workflows import (
    MOST_PLANS,
    descendants,
)
from singularity_workflow.orchestrator.running.program import GoalProgram

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session

__all__ = ["Programs"]

_MOST_PROGRAMS: Final = 64
_LIVE: Final = (RunStatus.PENDING, RunStatus.STARTED, RunStatus.PAUSED)


class Programs:
    """
    The goal programs of one engine, the latest of them kept.

    Args:
        engine: A connected engine.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._programs: OrderedDict[object, GoalProgram] = OrderedDict()
        self._lock = asyncio.Lock()

    async def get(self, request: GoalRequest) -> GoalProgram:
        """Return the two steps for a request, known to the engine."""
        key = request.program_key
        async with self._lock:
            program = self._programs.get(key)
            if program is None:
                program = self._programs[key] = self.make(request)
            self._programs.move_to_end(key)
            await self.bind(program.workflow)
            while len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        return program

    def make(self, request: GoalRequest) -> GoalProgram:
        """Return the two steps for a request, of which the engine knows nothing."""
        catalog = Catalog.of(request.functions, self._engine.resources)
        name = request.workflow_name(catalog)
        return GoalProgram(name, request.planner, catalog, self._session.store)

    async def bind(self, workflow: Workflow) -> None:
        """
        Make a workflow runnable here for as long as it, or a run of it, lives.

        Others of its name may have other functions: each run keeps those that it was
        started with.
        """
        session = self._session
        if workflow.bound is not None and session.registry.is_bound(workflow):
            return
        for child in workflow.children:
            await self.bind(child)
        compiled = session.registry.compile(workflow)
        data = await session.store.register_workflow(compiled.definition.to_json())
        session.registry.bind(workflow, compiled, data)

    async def recover(self, program: GoalProgram) -> list[RunHandle]:
        """Take over the local goals of a program whose process is gone."""
        revisions = program.revisions
        workflows = [program.workflow]
        plans: set[str] = set()
        for name in (program.name, revisions.name):
            async for run_id in self._live(name):
                page = await self._engine.list_workflow_runs(
                    parent=run_id, status=_LIVE
                )
                plans |= {child.workflow for child in page}
        if revisions.name in plans:
            plans.discard(revisions.name)
            await self.bind(revisions.workflow)
            workflows.append(revisions.workflow)
        for plan in plans:
            workflows += await self._revive(program, plan)
        adopted = await self._engine.recover(*workflows)
        goals: list[RunHandle] = []
        for run in adopted:
            _, told = await run.status()
            if told["workflow"] == program.name and told["parent_id"] is None:
                goals.append(run)
        return goals

    async def _revive(self, program: GoalProgram, name: str) -> list[Workflow]:
        """Return the workflow of a plan that another process has made."""
        for known in program.revived:
            if known.name == name:
                await self.bind(known)
                return [known, *descendants(known)]
        try:
            data = await self._session.store.read_flow(name)
        except WorkflowNotFound:
            return []
        members = {
            key: data[key] for key in ("name", "options", "input_schema", "steps")
        }
        for step in members["steps"]:
            step.pop("created_at", None)
        workflow = program.plans.revive(definition_from_json(members))
        if workflow is None:
            return []
        await self.bind(workflow)
        program.revived.append(workflow)  # which keeps its functions here
        del program.revived[:-MOST_PLANS]  # runs that go on here hold their own
        return [workflow, *descendants(workflow)]

    async def _live(self, name: str) -> AsyncIterator[UUID]:
        cursor: str | None = None
        while True:
            page = await self._engine.list_workflow_runs(
                workflow=name, status=_LIVE, limit=1_000, cursor=cursor
            )
            for one in page:
                yield one.id
            cursor = page.next_cursor
            if cursor is None:
                return

    @property
    def _session(self) -> Session:
        return self._engine.session
