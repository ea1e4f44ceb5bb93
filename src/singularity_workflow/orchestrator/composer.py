"""
The short way: from goals to their results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, overload
from uuid import UUID

from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.engine import Engine
from singularity_workflow.errors import InvalidInput, InvalidSetting, RunCancelled
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.runs import RunMetadata
from singularity_workflow.model.statuses import RunStatus
from singularity_workflow.orchestrator.goal_handle import GoalHandle
from singularity_workflow.orchestrator.goal_requests import (
    Functions,
    GoalRequest,
    read_plan,
    read_request,
    read_requests,
)
from singularity_workflow.orchestrator.graphs.graph import TaskGraph
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.orchestrator import (
    CALL_CANCELLED,
    Orchestrator,
    RunId,
)
from singularity_workflow.orchestrator.results import GoalResult
from singularity_workflow.orchestrator.settings import GOAL_TAG

if TYPE_CHECKING:
    from singularity_workflow.orchestrator.sync import SyncWorkflowComposer

__all__ = ["Policy", "WorkflowComposer"]

Policy: TypeAlias = Literal["all", "fail_fast", "best_effort"]

_POLICIES: Final = ("all", "fail_fast", "best_effort")
_Outcome: TypeAlias = GoalResult | BaseException


class WorkflowComposer:
    """
    Run goals, task graphs, and many of them at once.

    Args:
        engine: A connected `AsyncEngine`. With an `Engine` this makes a
            `SyncWorkflowComposer`, whose methods block.

    Options of goals are the fields of `GoalOptions`; one that is unknown is an error.

    .. versionadded:: 0.1
    """

    @overload
    def __new__(cls, engine: AsyncEngine) -> WorkflowComposer: ...

    @overload
    def __new__(  # type: ignore[misc]
        cls, engine: Engine
    ) -> SyncWorkflowComposer: ...

    def __new__(  # type: ignore[misc]
        cls, engine: AsyncEngine | Engine
    ) -> WorkflowComposer | SyncWorkflowComposer:
        """Return what fits the engine."""
        if isinstance(engine, Engine):
            # which imports this module
            from singularity_workflow.orchestrator.sync import (  # noqa: PLC0415
                SyncWorkflowComposer,
            )

            return SyncWorkflowComposer(engine)
        if not isinstance(engine, AsyncEngine):
            raise InvalidSetting(
                f"a WorkflowComposer needs an engine, got {type(engine).__name__}",
                hint="Write WorkflowComposer(engine), with an Engine or AsyncEngine.",
            )
        return super().__new__(cls)

    def __init__(self, engine: AsyncEngine) -> None:
        self._orchestrator = Orchestrator(engine)
        self._engine = engine

    async def compose_from_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalResult:
        """
        Decompose a goal, run it to its end, and return what it gave.

        Args:
            goal: Words, a mapping, or any other JSON value.
            decomposer: As of `as_decomposer`.
            step_functions: The functions that tasks may use, by name.
            options: As of `GoalOptions`.

        Raises:
            DecompositionFailed: No plan could be made, or only one that is wrong; no
                task has run.
            RunFailed: A task used up its attempts: which one, it says.
            RunCancelled: The goal was cancelled.
            RunTimeout: Its time is over.

        Cancelling the call cancels the goal.
        """
        return await self._orchestrator.execute_goal(
            goal, decomposer, step_functions, **options
        )

    async def compose_from_task_graph(
        self,
        task_graph: Any,
        step_functions: Functions,
        *,
        goal: Any = None,
        decomposer: Any = None,
        **options: Any,
    ) -> GoalResult:
        """
        Run a plan that is there already.

        Args:
            task_graph: A `TaskGraph` or `GoalTree`, or what `parse_graph` reads.
            step_functions: The functions that tasks may use, by name.
            goal: What its tasks see as the goal; by default the graph's own.
            decomposer: Who decomposes its compound tasks.
            options: As of `GoalOptions`.

        Raises:
            DecompositionFailed: The plan is wrong; no task has run.
            InvalidInput: There is none.
            RunFailed: As of `compose_from_goal`, like all others.
        """
        tree = read_plan(task_graph, goal)
        request = read_request(goal, decomposer, step_functions, options, tree)
        (handle,) = await self._orchestrator.start_requests([request], is_waited=True)
        return await self._orchestrator.wait_or_cancel(handle)

    async def compose_multiple_workflows(
        self,
        goals: Iterable[Any],
        decomposer: Any,
        step_functions: Functions,
        *,
        policy: Policy = "all",
        max_concurrent: int | None = None,
        **options: Any,
    ) -> list[Any]:
        """
        Run several goals at once, and return their results in order.

        Args:
            goals: Goals; a `TaskGraph` or `GoalTree` among them is run as it is.
            decomposer: As of `as_decomposer`, for all of them.
            step_functions: The functions that tasks may use, by name.
            policy: "all": when all have ended, the first error is raised. "fail_fast":
                the first error cancels the others. "best_effort": errors cancel nobody.
                With these two nothing is raised: an error stands in the place of its
                result.
            max_concurrent: The most goals that run at once; at least 1. Without it all
                start in one transaction: either each of them or none.
            options: As of `GoalOptions`, for each goal.

        Raises:
            DecompositionFailed: With "all": a goal has no plan.
            RunError: With "all": a goal did not complete.

        Cancelling the call cancels the goals that have not ended.
        """
        _check_policy(policy, max_concurrent)
        for name in ("allow", "tags"):
            if isinstance(options.get(name), Iterator):
                options[name] = [*options[name]]  # they are read for each goal
        if options.get("idempotency_key") is not None:
            raise InvalidSetting(
                "several goals cannot share one idempotency_key",
                hint="Start them one by one, each with its own.",
            )
        listed = _read_goals(goals)
        requests = read_requests(listed, decomposer, step_functions, options)
        if not requests:
            return []
        run_ids: list[UUID | None] = [None] * len(requests)
        if max_concurrent is None:
            handles = await self._orchestrator.start_requests(requests, is_waited=True)
            run_ids = [one.id for one in handles]
            waits = [self._orchestrator.wait_or_cancel(one) for one in handles]
        else:
            gate = asyncio.Semaphore(max_concurrent)
            waits = [
                self._run_one(one, gate, run_ids, place)
                for place, one in enumerate(requests)
            ]
        found = await _gather(waits, is_fast=policy == "fail_fast")
        outcomes = [
            _told(one, run_id) for one, run_id in zip(found, run_ids, strict=True)
        ]
        if policy == "all":
            for one in outcomes:
                if isinstance(one, BaseException):
                    raise one
        return outcomes

    async def get_composition_stats(
        self,
        workflow_name: str | None = None,
        *,
        since: datetime | None = None,
        limit: int = 1_000,
    ) -> dict[str, Any]:
        """
        Return how the latest goals have gone.

        Args:
            workflow_name: Only goals of this name.
            since: Only goals started at this time or later.
            limit: The most goals that are looked at, newest first; from 1 to 1,000.

        Returns:
            `total`, the number of goals of each status by its name, `success_rate` of
            those that have ended (None if none has), and `mean_duration` in seconds of
            those that completed (None if none has).
        """
        page = await self._engine.list_workflow_runs(
            workflow=workflow_name, tags=[GOAL_TAG], since=since, limit=limit
        )
        counts = {str(status): 0 for status in RunStatus}
        durations: list[float] = []
        for run in page:
            counts[str(run.status)] += 1
            if run.status is RunStatus.COMPLETED and run.started_at and run.ended_at:
                durations.append((run.ended_at - run.started_at).total_seconds())
        ended = sum(counts[one] for one in ("completed", "failed", "cancelled"))
        return {
            "total": len(page),
            **counts,
            "success_rate": counts["completed"] / ended if ended else None,
            "mean_duration": sum(durations) / len(durations) if durations else None,
        }

    async def get_execution_status(
        self, run_id: RunId
    ) -> tuple[RunStatus, RunMetadata]:
        """Return where a goal is; as of `Orchestrator.get_execution_status`."""
        return await self._orchestrator.get_execution_status(run_id)

    async def cancel_execution(self, run_id: RunId, reason: str | None = None) -> None:
        """Cancel a goal; as of `Orchestrator.cancel_execution`."""
        await self._orchestrator.cancel_execution(run_id, reason)

    async def get_execution_stats(self, run_id: RunId) -> dict[str, Any]:
        """Return the figures of one goal; as of `Orchestrator.get_execution_stats`."""
        return await self._orchestrator.get_execution_stats(run_id)

    async def _run_one(
        self,
        request: GoalRequest,
        gate: asyncio.Semaphore,
        run_ids: list[UUID | None],
        place: int,
    ) -> GoalResult:
        async with gate:
            handle: GoalHandle
            (handle,) = await self._orchestrator.start_requests(
                [request], is_waited=True
            )
            run_ids[place] = handle.id
            return await self._orchestrator.wait_or_cancel(handle)

    def __repr__(self) -> str:
        return f"<WorkflowComposer of {self._engine!r}>"


async def _gather(waits: list[Any], *, is_fast: bool) -> list[Any]:
    """Return the outcome of each; with *is_fast*, cancel the others after an error."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        # so that each has begun, and does what it does when it is cancelled
        await asyncio.sleep(0)
        if is_fast:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _told(outcome: Any, run_id: UUID | None) -> _Outcome:
    """Return what stands in the place of a goal's result; no run: it never began."""
    if isinstance(outcome, asyncio.CancelledError):
        return RunCancelled(
            "the goal was cancelled: another one of the same call failed",
            run_id=run_id,
            reason=CALL_CANCELLED,
        )
    if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
        raise outcome
    found: _Outcome = outcome
    return found


def _read_goals(goals: object) -> list[Any]:
    """Return the goals; one alone, or none, is no list of goals."""
    if not isinstance(goals, Iterable) or isinstance(
        goals, (str, bytes, Mapping, TaskGraph, GoalTree)
    ):
        raise InvalidInput(
            f"goals must be a list of goals, got {type(goals).__name__}",
            hint="Write [goal] for a single one.",
        )
    return list(goals)


def _check_policy(policy: object, max_concurrent: object) -> None:
    if policy not in _POLICIES:
        raise InvalidSetting(
            f"policy must be one of {', '.join(_POLICIES)}, got {policy!r}",
            hint=did_you_mean(str(policy), _POLICIES),
        )
    if max_concurrent is None:
        return
    is_number = isinstance(max_concurrent, int) and not isinstance(max_concurrent, bool)
    if not is_number or max_concurrent < 1:  # type: ignore[operator]
        raise InvalidSetting(
            f"max_concurrent must be an integer of at least 1, got {max_concurrent!r}"
        )
