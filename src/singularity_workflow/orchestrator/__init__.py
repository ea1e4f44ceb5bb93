"""
Goals: decomposed into task graphs, which become workflows.

Everything public is here; what talks to the database loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from singularity_workflow.orchestrator.adapting import (
        Decomposer,
        as_decomposer,
    )
    from singularity_workflow.orchestrator.callable_decomposer import (
        CallableDecomposer,
    )
    from singularity_workflow.orchestrator.catalog import (
        Catalog,
        CatalogView,
    )
    from singularity_workflow.orchestrator.compilation import (
        to_workflow,
    )
    from singularity_workflow.orchestrator.composer import (
        WorkflowComposer,
    )
    from singularity_workflow.orchestrator.contexts import (
        DecomposeContext,
        Failure,
        ReplanContext,
    )
    from singularity_workflow.orchestrator.expansion import (
        Expansion,
        expand,
    )
    from singularity_workflow.orchestrator.families import (
        data_pipeline,
        microservices,
        ml_pipeline,
        simple,
    )
    from singularity_workflow.orchestrator.goals import (
        goal_hash,
    )
    from singularity_workflow.orchestrator.graph import (
        Ref,
        TaskGraph,
        TaskSpec,
    )
    from singularity_workflow.orchestrator.htn import (
        HTNDecomposer,
    )
    from singularity_workflow.orchestrator.limits import (
        Budget,
        Limits,
    )
    from singularity_workflow.orchestrator.notifications import (
        OrchestratorNotifications,
    )
    from singularity_workflow.orchestrator.orchestrator import (
        GoalHandle,
        Orchestrator,
    )
    from singularity_workflow.orchestrator.plan import (
        Plan,
        flatten,
    )
    from singularity_workflow.orchestrator.pydantic_ai import (
        PydanticAIDecomposer,
    )
    from singularity_workflow.orchestrator.reading import (
        parse_graph,
    )
    from singularity_workflow.orchestrator.recorded import (
        RecordedDecomposer,
    )
    from singularity_workflow.orchestrator.results import (
        GoalResult,
    )
    from singularity_workflow.orchestrator.rules import (
        HybridDecomposer,
        Rule,
        RuleDecomposer,
    )
    from singularity_workflow.orchestrator.settings import (
        GoalOptions,
    )
    from singularity_workflow.orchestrator.signals import (
        NeedsReplan,
    )
    from singularity_workflow.orchestrator.sync import (
        SyncGoalHandle,
        SyncOrchestrator,
        SyncOrchestratorNotifications,
        SyncWorkflowComposer,
    )
    from singularity_workflow.orchestrator.tree import (
        GoalTree,
    )
    from singularity_workflow.orchestrator.validation import (
        validate,
    )

# where each name comes from; its module is loaded when the name is first asked for
_MODULES = {
    "Budget": "limits",
    "CallableDecomposer": "callable_decomposer",
    "Catalog": "catalog",
    "CatalogView": "catalog",
    "DecomposeContext": "contexts",
    "Decomposer": "adapting",
    "Expansion": "expansion",
    "Failure": "contexts",
    "GoalHandle": "orchestrator",
    "GoalOptions": "settings",
    "GoalResult": "results",
    "GoalTree": "tree",
    "HTNDecomposer": "htn",
    "HybridDecomposer": "rules",
    "Limits": "limits",
    "NeedsReplan": "signals",
    "Orchestrator": "orchestrator",
    "OrchestratorNotifications": "notifications",
    "Plan": "plan",
    "PydanticAIDecomposer": "pydantic_ai",
    "RecordedDecomposer": "recorded",
    "Ref": "graph",
    "ReplanContext": "contexts",
    "Rule": "rules",
    "RuleDecomposer": "rules",
    "SyncGoalHandle": "sync",
    "SyncOrchestrator": "sync",
    "SyncOrchestratorNotifications": "sync",
    "SyncWorkflowComposer": "sync",
    "TaskGraph": "graph",
    "TaskSpec": "graph",
    "WorkflowComposer": "composer",
    "as_decomposer": "adapting",
    "data_pipeline": "families",
    "expand": "expansion",
    "flatten": "plan",
    "goal_hash": "goals",
    "microservices": "families",
    "ml_pipeline": "families",
    "parse_graph": "reading",
    "simple": "families",
    "to_workflow": "compilation",
    "validate": "validation",
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
