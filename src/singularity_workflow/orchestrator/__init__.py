"""
Goals: decomposed into task graphs, which become workflows.

Everything public is here; what talks to the database loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from singularity_workflow.orchestrator.composer import (
        WorkflowComposer,
    )
    from singularity_workflow.orchestrator.decomposers.adapting import (
        Decomposer,
        as_decomposer,
    )
    from singularity_workflow.orchestrator.decomposers.callable_decomposer import (
        CallableDecomposer,
    )
    from singularity_workflow.orchestrator.decomposers.contexts import (
        DecomposeContext,
        Failure,
        ReplanContext,
    )
    from singularity_workflow.orchestrator.decomposers.families import (
        data_pipeline,
        microservices,
        ml_pipeline,
        simple,
    )
    from singularity_workflow.orchestrator.decomposers.htn import (
        HTNDecomposer,
    )
    from singularity_workflow.orchestrator.decomposers.pydantic_ai import (
        PydanticAIDecomposer,
    )
    from singularity_workflow.orchestrator.decomposers.recorded import (
        RecordedDecomposer,
    )
    from singularity_workflow.orchestrator.decomposers.rules import (
        HybridDecomposer,
        Rule,
        RuleDecomposer,
    )
    from singularity_workflow.orchestrator.goal_handle import (
        GoalHandle,
    )
    from singularity_workflow.orchestrator.graphs.catalog import (
        Catalog,
        CatalogView,
    )
    from singularity_workflow.orchestrator.graphs.goals import (
        goal_hash,
    )
    from singularity_workflow.orchestrator.graphs.graph import (
        Ref,
        TaskGraph,
        TaskSpec,
    )
    from singularity_workflow.orchestrator.graphs.limits import (
        Budget,
        Limits,
    )
    from singularity_workflow.orchestrator.graphs.reading import (
        parse_graph,
    )
    from singularity_workflow.orchestrator.graphs.tree import (
        GoalTree,
    )
    from singularity_workflow.orchestrator.graphs.validation import (
        validate,
    )
    from singularity_workflow.orchestrator.notifications import (
        OrchestratorNotifications,
    )
    from singularity_workflow.orchestrator.orchestrator import (
        Orchestrator,
    )
    from singularity_workflow.orchestrator.planning.compilation import (
        to_workflow,
    )
    from singularity_workflow.orchestrator.planning.expansion import (
        Expansion,
        expand,
    )
    from singularity_workflow.orchestrator.planning.flattening import (
        flatten,
    )
    from singularity_workflow.orchestrator.planning.plan import (
        Plan,
    )
    from singularity_workflow.orchestrator.results import (
        GoalResult,
    )
    from singularity_workflow.orchestrator.running.signals import (
        NeedsReplan,
    )
    from singularity_workflow.orchestrator.settings import (
        GoalOptions,
    )
    from singularity_workflow.orchestrator.sync import (
        SyncGoalHandle,
        SyncOrchestrator,
        SyncOrchestratorNotifications,
        SyncWorkflowComposer,
    )

# where each name comes from; its module is loaded when the name is first asked for
_MODULES = {
    "Budget": "graphs.limits",
    "CallableDecomposer": "decomposers.callable_decomposer",
    "Catalog": "graphs.catalog",
    "CatalogView": "graphs.catalog",
    "DecomposeContext": "decomposers.contexts",
    "Decomposer": "decomposers.adapting",
    "Expansion": "planning.expansion",
    "Failure": "decomposers.contexts",
    "GoalHandle": "goal_handle",
    "GoalOptions": "settings",
    "GoalResult": "results",
    "GoalTree": "graphs.tree",
    "HTNDecomposer": "decomposers.htn",
    "HybridDecomposer": "decomposers.rules",
    "Limits": "graphs.limits",
    "NeedsReplan": "running.signals",
    "Orchestrator": "orchestrator",
    "OrchestratorNotifications": "notifications",
    "Plan": "planning.plan",
    "PydanticAIDecomposer": "decomposers.pydantic_ai",
    "RecordedDecomposer": "decomposers.recorded",
    "Ref": "graphs.graph",
    "ReplanContext": "decomposers.contexts",
    "Rule": "decomposers.rules",
    "RuleDecomposer": "decomposers.rules",
    "SyncGoalHandle": "sync",
    "SyncOrchestrator": "sync",
    "SyncOrchestratorNotifications": "sync",
    "SyncWorkflowComposer": "sync",
    "TaskGraph": "graphs.graph",
    "TaskSpec": "graphs.graph",
    "WorkflowComposer": "composer",
    "as_decomposer": "decomposers.adapting",
    "data_pipeline": "decomposers.families",
    "expand": "planning.expansion",
    "flatten": "planning.flattening",
    "goal_hash": "graphs.goals",
    "microservices": "decomposers.families",
    "ml_pipeline": "decomposers.families",
    "parse_graph": "graphs.reading",
    "simple": "decomposers.families",
    "to_workflow": "planning.compilation",
    "validate": "graphs.validation",
}

__all__ = [
    "Budget",
    "CallableDecomposer",
    "Catalog",
    "CatalogView",
    "DecomposeContext",
    "Decomposer",
    "Expansion",
    "Failure",
    "GoalHandle",
    "GoalOptions",
    "GoalResult",
    "GoalTree",
    "HTNDecomposer",
    "HybridDecomposer",
    "Limits",
    "NeedsReplan",
    "Orchestrator",
    "OrchestratorNotifications",
    "Plan",
    "PydanticAIDecomposer",
    "RecordedDecomposer",
    "Ref",
    "ReplanContext",
    "Rule",
    "RuleDecomposer",
    "SyncGoalHandle",
    "SyncOrchestrator",
    "SyncOrchestratorNotifications",
    "SyncWorkflowComposer",
    "TaskGraph",
    "TaskSpec",
    "WorkflowComposer",
    "as_decomposer",
    "data_pipeline",
    "expand",
    "flatten",
    "goal_hash",
    "microservices",
    "ml_pipeline",
    "parse_graph",
    "simple",
    "to_workflow",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
