"""
Goals, for programs without coroutines.

Thin: each method blocks on the one of its twin, whose signature a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.sync_messages import SyncSubscription, subscribe
from singularity_workflow.model.events import Event
from singularity_workflow.model.runs import RunMetadata
from singularity_workflow.model.statuses import RunStatus
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.composer import Policy, WorkflowComposer
from singularity_workflow.orchestrator.goal_handle import GoalHandle
from singularity_workflow.orchestrator.goal_requests import Functions
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.notifications import OrchestratorNotifications
from singularity_workflow.orchestrator.orchestrator import Orchestrator, RunId
from singularity_workflow.orchestrator.results import GoalResult

if TYPE_CHECKING:
    from singularity_workflow.engine.engine import Engine

__all__ = [
    "SyncGoalHandle",
    "SyncOrchestrator",
    "SyncOrchestratorNotifications",
    "SyncWorkflowComposer",
]


class SyncGoalHandle:
    """
    A goal that was started by a blocking program; see `GoalHandle`.

    .. versionadded:: 0.1
    """

    def __init__(self, engine: Engine, handle: GoalHandle) -> None:
        self._engine = engine
        self._handle = handle

    @property
    def id(self) -> UUID:
        """The goal's run."""
        return self._handle.id

    def result(self, timeout: float | None = None) -> GoalResult:
        """Wait for the end of the goal; see `GoalHandle.result`."""
        return self._engine._call(self._handle.result(timeout))

    def events(self, after: str | None = None) -> SyncSubscription[Event]:
        """Return the events of its run; see `GoalHandle.events`."""
        return subscribe(self._engine._call, lambda: self._handle.events(after))

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the goal; see `GoalHandle.cancel`."""
        self._engine._call(self._handle.cancel(reason))

    def __repr__(self) -> str:
        return f"<SyncGoalHandle {self.id}>"


class SyncOrchestrator:
    """
    Make task graphs of goals and run them, from blocking code; see `Orchestrator`.

    .. versionadded:: 0.1
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orchestrator = Orchestrator(engine._engine)

    def decompose_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalTree:
        """Return what a goal is decomposed into; see `Orchestrator.decompose_goal`."""
        return self._engine._call(
            self._orchestrator.decompose_goal(
                goal, decomposer, step_functions, **options
            )
        )

    def create_workflow(
        self, task_graph: Any, step_functions: Functions, **options: Any
    ) -> Workflow:
        """Return the workflow of a graph; see `Orchestrator.create_workflow`."""
        return self._engine._call(
            self._orchestrator.create_workflow(task_graph, step_functions, **options)
        )

    def execute_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalResult:
        """Run a goal to its end; see `Orchestrator.execute_goal`."""
        return self._engine._call(
            self._orchestrator.execute_goal(goal, decomposer, step_functions, **options)
        )

    def start_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> SyncGoalHandle:
        """Start a goal; see `Orchestrator.start_goal`."""
        handle = self._engine._call(
            self._orchestrator.start_goal(goal, decomposer, step_functions, **options)
        )
        return SyncGoalHandle(self._engine, handle)

    def recover(
        self, decomposer: Any, step_functions: Functions, **options: Any
    ) -> list[SyncGoalHandle]:
        """Go on with goals whose process is gone; see `Orchestrator.recover`."""
        handles = self._engine._call(
            self._orchestrator.recover(decomposer, step_functions, **options)
        )
        return [SyncGoalHandle(self._engine, one) for one in handles]

    def goal_workflow(
        self, decomposer: Any, step_functions: Functions, **options: Any
    ) -> Workflow:
        """Return the goal's workflow; see `Orchestrator.goal_workflow`."""
        return self._engine._call(
            self._orchestrator.goal_workflow(decomposer, step_functions, **options)
        )

    def get_execution_status(self, run_id: RunId) -> tuple[RunStatus, RunMetadata]:
        """Return where a goal is; see `Orchestrator.get_execution_status`."""
        return self._engine._call(self._orchestrator.get_execution_status(run_id))

    def cancel_execution(self, run_id: RunId, reason: str | None = None) -> None:
        """Cancel a goal; see `Orchestrator.cancel_execution`."""
        self._engine._call(self._orchestrator.cancel_execution(run_id, reason))

    def get_execution_stats(self, run_id: RunId) -> dict[str, Any]:
        """Return the figures of a goal; see `Orchestrator.get_execution_stats`."""
        return self._engine._call(self._orchestrator.get_execution_stats(run_id))

    def __repr__(self) -> str:
        return f"<SyncOrchestrator of {self._engine!r}>"


class SyncWorkflowComposer:
    """
    Run goals and task graphs from blocking code; see `WorkflowComposer`.

    .. versionadded:: 0.1
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._composer = WorkflowComposer(engine._engine)

    def compose_from_goal(
        self, goal: Any, decomposer: Any, step_functions: Functions, **options: Any
    ) -> GoalResult:
        """Run a goal to its end; see `WorkflowComposer.compose_from_goal`."""
        return self._engine._call(
            self._composer.compose_from_goal(
                goal, decomposer, step_functions, **options
            )
        )

    def compose_from_task_graph(
        self,
        task_graph: Any,
        step_functions: Functions,
        *,
        goal: Any = None,
        decomposer: Any = None,
        **options: Any,
    ) -> GoalResult:
        """Run a plan; see `WorkflowComposer.compose_from_task_graph`."""
        return self._engine._call(
            self._composer.compose_from_task_graph(
                task_graph, step_functions, goal=goal, decomposer=decomposer, **options
            )
        )

    def compose_multiple_workflows(
        self,
        goals: Iterable[Any],
        decomposer: Any,
        step_functions: Functions,
        *,
        policy: Policy = "all",
        max_concurrent: int | None = None,
        **options: Any,
    ) -> list[Any]:
        """Run several goals; see `WorkflowComposer.compose_multiple_workflows`."""
        return self._engine._call(
            self._composer.compose_multiple_workflows(
                goals,
                decomposer,
                step_functions,
                policy=policy,
                max_concurrent=max_concurrent,
                **options,
            )
        )

    def get_composition_stats(
        self,
        workflow_name: str | None = None,
        *,
        since: datetime | None = None,
        limit: int = 1_000,
    ) -> dict[str, Any]:
        """Return how goals have gone; see `WorkflowComposer.get_composition_stats`."""
        return self._engine._call(
            self._composer.get_composition_stats(
                workflow_name, since=since, limit=limit
            )
        )

    def get_execution_status(self, run_id: RunId) -> tuple[RunStatus, RunMetadata]:
        """Return where a goal is; see `Orchestrator.get_execution_status`."""
        return self._engine._call(self._composer.get_execution_status(run_id))

    def cancel_execution(self, run_id: RunId, reason: str | None = None) -> None:
        """Cancel a goal; see `Orchestrator.cancel_execution`."""
        self._engine._call(self._composer.cancel_execution(run_id, reason))

    def get_execution_stats(self, run_id: RunId) -> dict[str, Any]:
        """Return the figures of a goal; see `Orchestrator.get_execution_stats`."""
        return self._engine._call(self._composer.get_execution_stats(run_id))

    def __repr__(self) -> str:
        return f"<SyncWorkflowComposer of {self._engine!r}>"


class SyncOrchestratorNotifications:
    """
    Listen to goals from blocking code; see `OrchestratorNotifications`.

    .. versionadded:: 0.1
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._notifications = OrchestratorNotifications(engine._engine)

    def listen(
        self,
        goal: object = None,
        callback: Callable[[Event], object] | None = None,
        *,
        types: Iterable[str] | str | None = None,
        after: str | None = None,
    ) -> SyncSubscription[Event]:
        """Listen, from now on; see `OrchestratorNotifications.listen`."""
        return subscribe(
            self._engine._call,
            lambda: self._notifications.listen(
                goal, callback, types=types, after=after
            ),
        )

    def unlisten(self, subscription: SyncSubscription[Any]) -> None:
        """End a subscription; see `OrchestratorNotifications.unlisten`."""
        self._engine.notifications.unlisten(subscription)

    def get_recent_events(
        self,
        goal: object = None,
        *,
        types: Iterable[str] | str | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return the latest; see `OrchestratorNotifications.get_recent_events`."""
        return self._engine._call(
            self._notifications.get_recent_events(goal, types=types, limit=limit)
        )

    def broadcast(
        self, type: str, payload: object = None, *, goal: object = None
    ) -> int:
        """Tell all who listen; see `OrchestratorNotifications.broadcast`."""
        return self._engine._call(
            self._notifications.broadcast(type, payload, goal=goal)
        )

    def __repr__(self) -> str:
        return f"<SyncOrchestratorNotifications of {self._engine!r}>"
