"""
Goals over an engine: decompose, make workflows of them, execute.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload
from uuid import UUID

from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.engine import Engine
from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.ids import IdMaker
from singularity_workflow.model.runs import RunMetadata
from singularity_workflow.model.statuses import RunStatus
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.executions import Executions
from singularity_workflow.orchestrator.goal_handle import GoalHandle
from singularity_workflow.orchestrator.goal_requests import (
    Functions,
    GoalRequest,
    read_plan,
    read_request,
)
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.compilation import (
    raise_decomposition,
    to_workflow,
)
from singularity_workflow.orchestrator.programs import Programs
from singularity_workflow.orchestrator.results import GoalResult, to_goal_run

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session
    from singularity_workflow.orchestrator.sync import SyncGoalHandle, SyncOrchestrator

__all__ = [
    "CALL_CANCELLED",
    "Orchestrator",
    "RunId",
]

RunId: TypeAlias = "UUID | str | GoalHandle | SyncGoalHandle | GoalResult"
"""Whatever names the run of a goal."""

CALL_CANCELLED: Final = "its call was cancelled"
"""Why a goal was cancelled for which nobody waits any more."""


class Orchestrator:
    """
    Make task graphs of goals, workflows of task graphs, and run them.

    Args:
        engine: A connected `AsyncEngine`. With an `Engine` this makes a
            `SyncOrchestrator`, whose methods block.

    Options of goals are the fields of `GoalOptions`; one that is unknown is an error.

    .. versionadded:: 0.1
    """

    @overload
    def __new__(cls, engine: AsyncEngine) -> Orchestrator: ...

    @overload
    def __new__(  # type: ignore[misc]
        cls, engine: Engine
    ) -> SyncOrchestrator: ...

    def __new__(  # type: ignore[misc]
        cls, engine: AsyncEngine | Engine
    ) -> Orchestrator | SyncOrchestrator:
        """Return what fits the engine."""
        if isinstance(engine, Engine):
            # which imports this module
            from singularity_workflow.orchestrator.sync import (  # noqa: PLC0415
                SyncOrchestrator,
            )

            return SyncOrchestrator(engine)
        if not isinstance(engine, AsyncEngine):
            raise InvalidSetting(
                f"an Orchestrator needs an engine, got {type(engine).__name__}",
                hint="Write Orchestrator(engine), with an Engine or AsyncEngine.",
            )
        return super().__new__(cls)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._programs = Programs(engine)
        self._executions = Executions(engine)
        self._ids = IdMaker()

    async def decompose_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalTree:
        """
        Return what *goal* is decomposed into, without running or storing anything.

        Args:
            goal: Words, a mapping, or any other JSON value.
            decomposer: As of `as_decomposer`.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`.

        Raises:
            DecompositionFailed: With everything that is wrong with the plan.
        """
        request = read_request(goal, decomposer, step_functions, options)
        program = self._programs.make(request)
        found = await program.preview(request.run_input())
        raise_decomposition(request.goal, list(found.issues))
        assert found.tree is not None
        return found.tree

    async def create_workflow(
        self, task_graph: Any, step_functions: Functions, **options: Any
    ) -> Workflow:
        """
        Return the workflow of a task graph, known to the engine, ready to be executed.

        Args:
            task_graph: A graph or tree, or anything that `parse_graph` reads.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`; those about runs have no effect.

        Raises:
            DecompositionFailed: With everything that is wrong with the graph.
            InvalidInput: There is none.
        """
        tree = read_plan(task_graph)
        request = read_request(None, None, step_functions, options, tree)
        given = request.options
        catalog = Catalog.of(request.functions, self._engine.resources)
        workflow = to_workflow(
            tree,
            catalog if given.allow is None else catalog.only(given.allow),
            name=given.workflow_name,
            is_flat=not given.preserve_structure,
            max_attempts=given.retry_attempts,
        )
        await self._programs.bind(workflow)
        return workflow

    async def execute_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalResult:
        """
        Decompose a goal, run what came of it to its end, and return what it gave.

        Args:
            goal: Words, a mapping, or any other JSON value.
            decomposer: As of `as_decomposer`.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`.

        Raises:
            DecompositionFailed: No plan could be made, or only one that is wrong. If it
                was the first one, no task has run.
            RunFailed: A task used up its attempts: which one, it says.
            RunCancelled: The goal was cancelled.
            RunTimeout: Its time is over.

        Cancelling the call cancels the goal.
        """
        request = read_request(goal, decomposer, step_functions, options)
        (handle,) = await self.start_requests([request], is_waited=True)
        return await self.wait_or_cancel(handle)

    async def start_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalHandle:
        """
        Start a goal and return its handle at once.

        Args:
            goal: As of `execute_goal`, like all others.
            decomposer: Who decomposes it.
            step_functions: The functions that tasks may use.
            options: As of `GoalOptions`.
        """
        request = read_request(goal, decomposer, step_functions, options)
        (handle,) = await self.start_requests([request])
        return handle

    async def recover(
        self, decomposer: Any, step_functions: Functions, **options: Any
    ) -> list[GoalHandle]:
        """
        Go on with local goals whose process is gone.

        Args:
            decomposer: As they were started with.
            step_functions: The same.
            options: The same `workflow_name`, and others of `GoalOptions`.

        Returns:
            Handles of those that were taken over.
        """
        request = read_request("-", decomposer, step_functions, options)
        program = await self._programs.get(request)
        return [
            GoalHandle(self._executions, program, run)
            for run in await self._programs.recover(program)
        ]

    async def goal_workflow(
        self, decomposer: Any, step_functions: Functions, **options: Any
    ) -> Workflow:
        """
        Return the goal's workflow, for a `Worker` that is to serve distributed goals.

        Args:
            decomposer: As of `execute_goal`, like all others.
            step_functions: The functions that tasks may use.
            options: As of `GoalOptions`.
        """
        request = read_request("-", decomposer, step_functions, options)
        return (await self._programs.get(request)).workflow

    async def get_execution_status(
        self, run_id: RunId
    ) -> tuple[RunStatus, RunMetadata]:
        """
        Return where a goal is, and the figures of what runs for it.

        Until its plan runs these are the figures of the goal's own two steps. `error`
        is that of the task which the goal has failed with; its `run_id` says of which
        run that is.

        Args:
            run_id: The id of the goal's run, or its handle or result.

        Raises:
            RunNotFound: There is no such run.
        """
        return await self._executions.status(to_goal_run(run_id))

    async def cancel_execution(self, run_id: RunId, reason: str | None = None) -> None:
        """
        Cancel a goal with all that runs for it.

        Args:
            run_id: As of `get_execution_status`.
            reason: Why; told with the cancellation.

        Raises:
            RunNotFound: There is no such run.
            StateTransitionError: It has ended.
        """
        await self._engine.cancel_workflow_run(to_goal_run(run_id), reason=reason)

    async def get_execution_stats(self, run_id: RunId) -> dict[str, Any]:
        """
        Return the figures of one goal, which may still be under way.

        Args:
            run_id: As of `get_execution_status`.

        Returns:
            `status`; once there is a plan, its `tasks`, `depth`, `expansions`, `calls`,
            `tokens`, `decomposition_time` in seconds and `cached`; `revisions`;
            `execution_time` in seconds, up to now or to the end; `optimization_level`.

        Raises:
            RunNotFound: There is no such run.
            StepNotFound: It is not a goal's run.
        """
        return await self._executions.stats(to_goal_run(run_id))

    # inside

    async def start_requests(
        self, requests: list[GoalRequest], *, is_waited: bool = False
    ) -> list[GoalHandle]:
        """
        Start goals in one transaction and return their handles, in order.

        Args:
            requests: The goals.
            is_waited: The caller waits for them: cancelled meanwhile, it cancels them.
        """
        programs = [await self._programs.get(one) for one in requests]
        registry = self._session.registry
        starts = [
            one.to_start(self._ids.new_id(), await registry.resolve(program.workflow))
            for program, one in zip(programs, requests, strict=True)
        ]
        execution = requests[0].options.execution
        starting = asyncio.ensure_future(self._session.start(starts, execution))
        try:
            run_ids = await asyncio.shield(starting)
        except asyncio.CancelledError:
            if is_waited:
                await self._session.cancel_abandoned(starting)
            raise
        handles = []
        for program, run_id, start in zip(programs, run_ids, starts, strict=True):
            is_ours = execution == "local" and run_id == start.run_id
            run = RunHandle(self._engine, run_id, is_ours=is_ours)
            handles.append(GoalHandle(self._executions, program, run))
        return handles

    async def wait_or_cancel(self, handle: GoalHandle) -> GoalResult:
        """Wait for a goal; if the wait is cancelled, so is the goal."""
        try:
            return await handle.result()
        except asyncio.CancelledError:
            await asyncio.shield(self._session.cancel([handle.id], CALL_CANCELLED))
            raise

    @property
    def _session(self) -> Session:
        return self._engine.session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._engine!r}>"
