"""
Durable workflows for Python on PostgreSQL and pgmq.

Everything public is here; what talks to the database loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from singularity_workflow.engine.async_engine import AsyncEngine
    from singularity_workflow.engine.engine import Engine
    from singularity_workflow.engine.filters import RunFilter
    from singularity_workflow.engine.flow_builder import FlowBuilder, SyncFlowBuilder
    from singularity_workflow.engine.handles import RunHandle
    from singularity_workflow.engine.messages import Notifications
    from singularity_workflow.engine.registry import Registration
    from singularity_workflow.engine.sync_handles import SyncRunHandle
    from singularity_workflow.engine.sync_messages import (
        SyncNotifications,
        SyncSubscription,
    )
    from singularity_workflow.engine.worker import Worker
    from singularity_workflow.errors import (
        ConfigurationError,
        ConflictError,
        ConnectionFailed,
        DecompositionFailed,
        DefinitionError,
        EmbeddedServerError,
        InternalError,
        InvalidInput,
        InvalidOutput,
        InvalidSetting,
        PermissionDenied,
        PgmqUnavailable,
        QueueNotFound,
        QueueTimeout,
        RunCancelled,
        RunError,
        RunFailed,
        RunNotFound,
        RunTimeout,
        SchemaError,
        SchemaIncomplete,
        SchemaOutdated,
        SchemaTooNew,
        SingularityError,
        StateTransitionError,
        StepNotFound,
        StepTimeout,
        SubscriptionEnded,
        UnsupportedIsolation,
        WorkerLost,
        WorkflowInUse,
        WorkflowNotFound,
    )
    from singularity_workflow.model.context import Context
    from singularity_workflow.model.events import Event
    from singularity_workflow.model.flow import Flow
    from singularity_workflow.model.issues import Issue
    from singularity_workflow.model.messages import Message
    from singularity_workflow.model.metrics import Metrics, QueueMetrics
    from singularity_workflow.model.retry import RetryPolicy
    from singularity_workflow.model.runs import Page, RunInfo, RunMetadata
    from singularity_workflow.model.signals import Fail, Retry, Skip
    from singularity_workflow.model.statuses import (
        RunStatus,
        StepStatus,
        TaskStatus,
        WaitReason,
    )
    from singularity_workflow.model.workflow import Workflow
    from singularity_workflow.model.workflow_info import StepInfo, WorkflowInfo
    from singularity_workflow.notifications.subscription import Subscription
    from singularity_workflow.orchestrator.composer import WorkflowComposer
    from singularity_workflow.orchestrator.notifications import (
        OrchestratorNotifications,
    )
    from singularity_workflow.orchestrator.orchestrator import Orchestrator
    from singularity_workflow.worker.resources import Resource

__all__ = [
    "AsyncEngine",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailed",
    "Context",
    "DecompositionFailed",
    "DefinitionError",
    "EmbeddedServerError",
    "Engine",
    "Event",
    "Fail",
    "Flow",
    "FlowBuilder",
    "InternalError",
    "InvalidInput",
    "InvalidOutput",
    "InvalidSetting",
    "Issue",
    "Message",
    "Metrics",
    "Notifications",
    "Orchestrator",
    "OrchestratorNotifications",
    "Page",
    "PermissionDenied",
    "PgmqUnavailable",
    "QueueMetrics",
    "QueueNotFound",
    "QueueTimeout",
    "Registration",
    "Resource",
    "Retry",
    "RetryPolicy",
    "RunCancelled",
    "RunError",
    "RunFailed",
    "RunFilter",
    "RunHandle",
    "RunInfo",
    "RunMetadata",
    "RunNotFound",
    "RunStatus",
    "RunTimeout",
    "SchemaError",
    "SchemaIncomplete",
    "SchemaOutdated",
    "SchemaTooNew",
    "SingularityError",
    "Skip",
    "StateTransitionError",
    "StepInfo",
    "StepNotFound",
    "StepStatus",
    "StepTimeout",
    "Subscription",
    "SubscriptionEnded",
    "SyncFlowBuilder",
    "SyncNotifications",
    "SyncRunHandle",
    "SyncSubscription",
    "TaskStatus",
    "UnsupportedIsolation",
    "WaitReason",
    "Worker",
    "WorkerLost",
    "Workflow",
    "WorkflowComposer",
    "WorkflowInUse",
    "WorkflowInfo",
    "WorkflowNotFound",
]

# where each name comes from; its module is loaded when the name is first asked for
_MODULES = {
    "AsyncEngine": "engine.async_engine",
    "Context": "model.context",
    "Engine": "engine.engine",
    "Event": "model.events",
    "Fail": "model.signals",
    "Flow": "model.flow",
    "FlowBuilder": "engine.flow_builder",
    "Issue": "model.issues",
    "Message": "model.messages",
    "Metrics": "model.metrics",
    "Notifications": "engine.messages",
    "Orchestrator": "orchestrator.orchestrator",
    "OrchestratorNotifications": "orchestrator.notifications",
    "Page": "model.runs",
    "QueueMetrics": "model.metrics",
    "Registration": "engine.registry",
    "Resource": "worker.resources",
    "Retry": "model.signals",
    "RetryPolicy": "model.retry",
    "RunFilter": "engine.filters",
    "RunHandle": "engine.handles",
    "RunInfo": "model.runs",
    "RunMetadata": "model.runs",
    "RunStatus": "model.statuses",
    "Skip": "model.signals",
    "StepInfo": "model.workflow_info",
    "StepStatus": "model.statuses",
    "Subscription": "notifications.subscription",
    "SyncFlowBuilder": "engine.flow_builder",
    "SyncNotifications": "engine.sync_messages",
    "SyncRunHandle": "engine.sync_handles",
    "SyncSubscription": "engine.sync_messages",
    "TaskStatus": "model.statuses",
    "WaitReason": "model.statuses",
    "Worker": "engine.worker",
    "Workflow": "model.workflow",
    "WorkflowComposer": "orchestrator.composer",
    "WorkflowInfo": "model.workflow_info",
}


# so that `singularity_workflow.logging.configure` needs no import of its own
_SUBMODULES = ("logging", "prometheus")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
    found: object = getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
