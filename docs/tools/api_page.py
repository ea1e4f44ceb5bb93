"""
The page of the Python API, from docstrings and signatures.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package
from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any, is_typeddict

from docstrings import read_docstring, to_markdown, to_signature
from pydantic import BaseModel

import singularity_workflow
import singularity_workflow.orchestrator as goals
from singularity_workflow.errors import SingularityError

__all__ = ["api_page"]

_HEAD = """\
# Python API

Everything public is imported from `singularity_workflow`, what is about goals from
`singularity_workflow.orchestrator`. Lengths of time are seconds
or `timedelta`. Generated from the docstrings; see [options](options.md) for what
decorators take and [errors](errors.md) for what is raised.
"""

_FROM_GOALS = "Imported from `singularity_workflow.orchestrator`."

_GROUPS = {
    "Defining workflows": (
        "Workflow", "RetryPolicy", "Context", "Retry", "Fail", "Skip",
    ),
    "Building them from data": (
        "Flow", "Issue", "FlowBuilder", "SyncFlowBuilder", "WorkflowInfo", "StepInfo",
    ),
    "Running them": (
        "AsyncEngine", "Engine", "RunHandle", "SyncRunHandle", "Worker", "Resource",
    ),
    "Messages and events": (
        "Notifications", "SyncNotifications", "Subscription", "SyncSubscription",
        "Message", "Event",
    ),
    "Reading": (
        "RunStatus", "StepStatus", "TaskStatus", "WaitReason", "RunMetadata", "RunInfo",
        "RunFilter", "Page", "Registration", "Metrics", "QueueMetrics",
    ),
}  # fmt: skip

# imported from singularity_workflow.orchestrator
_GOAL_GROUPS = {
    "Goals": (
        "WorkflowComposer", "Orchestrator", "GoalOptions", "GoalResult", "GoalHandle",
        "OrchestratorNotifications", "SyncWorkflowComposer", "SyncOrchestrator",
        "SyncGoalHandle", "SyncOrchestratorNotifications", "NeedsReplan",
    ),
    "Task graphs": (
        "TaskGraph", "TaskSpec", "Ref", "GoalTree", "Catalog", "CatalogView", "Limits",
        "Budget", "parse_graph", "validate", "goal_hash", "expand", "Expansion",
        "flatten", "Plan", "to_workflow",
    ),
    "Decomposers": (
        "Decomposer", "as_decomposer", "DecomposeContext", "ReplanContext", "Failure",
        "RuleDecomposer", "Rule", "HybridDecomposer", "HTNDecomposer",
        "CallableDecomposer", "PydanticAIDecomposer", "RecordedDecomposer", "simple",
        "microservices", "data_pipeline", "ml_pipeline",
    ),
}  # fmt: skip
_MODULES = {
    "singularity_workflow.logging": (
        "configure", "TaskFields", "JsonFormatter", "HumanFormatter",
    ),
    "singularity_workflow.prometheus": ("Collector",),
}  # fmt: skip
"""Those that are imported by their own name."""

_TWINS = {
    "SyncGoalHandle": "GoalHandle",
    "SyncOrchestrator": "Orchestrator",
    "SyncOrchestratorNotifications": "OrchestratorNotifications",
    "SyncWorkflowComposer": "WorkflowComposer",
    "Engine": "AsyncEngine",
    "SyncFlowBuilder": "FlowBuilder",
    "SyncNotifications": "Notifications",
    "SyncRunHandle": "RunHandle",
    "SyncSubscription": "Subscription",
}

# public in Python's sense, and there for other parts of the library
_INTERNAL = {
    "AsyncEngine.session",
    "AsyncEngine.telemetry",
    "HumanFormatter.formatMessage",
    "Context.cancel",
    "Context.offer_transaction",
    "Orchestrator.start_requests",
    "Orchestrator.wait_or_cancel",
    "Workflow.compile",
    "Workflow.compile_compensation",
    "Workflow.encode_input",
    "Workflow.from_definition",
}


def api_page() -> str:
    """Return the page."""
    lines = [_HEAD]
    grouped: set[str] = set()
    for title, names in _GROUPS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _describe(name)
            grouped.add(name)
    for title, names in _GOAL_GROUPS.items():
        lines += [f"## {title}", "", _FROM_GOALS, ""]
        for name in names:
            lines += _describe(name)
            grouped.add(name)
    if missing := set(goals.__all__) - grouped:
        raise ValueError(f"no group has {sorted(missing)}")
    rest = [name for name in singularity_workflow.__all__ if name not in grouped]
    errors = [name for name in rest if issubclass(_named(name), SingularityError)]
    if rest != errors:
        raise ValueError(f"no group has {sorted(set(rest) - set(errors))}")
    for module, names in _MODULES.items():
        lines += [f"## {module}", ""]
        for name in names:
            lines += _describe(name, getattr(import_module(module), name))
    lines += ["## Errors", "", ", ".join(f"`{name}`" for name in errors)]
    return "\n".join(lines) + ": see [errors](errors.md).\n"


def _named(name: str) -> Any:
    home = goals if name in goals.__all__ else singularity_workflow
    return getattr(home, name)


def _describe(name: str, kind: Any = None) -> list[str]:
    kind = _named(name) if kind is None else kind
    lines = [f"### {name}", ""]
    if isinstance(kind, type) and issubclass(kind, Enum):
        lines += to_markdown(read_docstring(kind))
        members = ", ".join(f"`{one.value}`" for one in kind)
        lines += [f"Values: {members}.", "", *_properties(name, kind)]
        return lines
    if is_typeddict(kind):
        return [*lines, *to_markdown(read_docstring(kind)), *_fields(kind)]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        lines += [*to_markdown(read_docstring(kind)), *_fields(kind, "Members")]
        return [*lines, *_all_methods(name, kind)]
    call = kind.__call__ if getattr(kind, "_is_protocol", False) else kind
    lines += to_signature(name, call)
    lines += to_markdown(read_docstring(kind))
    if inspect.isfunction(kind) or not isinstance(kind, type):
        return lines
    if name in _TWINS:
        twin = _TWINS[name]
        methods = ", ".join(f"`{one}`" for one, _ in _methods(name, kind))
        lines += [
            f"The methods of [`{twin}`](#{twin.lower()}), which block: {methods}.",
            "",
        ]
        return lines
    return [*lines, *_all_methods(name, kind)]


def _all_methods(name: str, kind: type) -> list[str]:
    lines = _properties(name, kind)
    for method, function in _methods(name, kind):
        lines += [f"#### {name}.{method}", "", *to_signature(method, function)]
        lines += to_markdown(read_docstring(function))
    return lines


def _members(kind: type) -> dict[str, Any]:
    """Return what a class has, its own first, then what it has from ours."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if base.__module__.startswith("singularity_workflow."):
            found = {**found, **{k: v for k, v in vars(base).items() if k not in found}}
    return found


def _methods(name: str, kind: type) -> Iterator[tuple[str, Any]]:
    for one, value in _members(kind).items():
        function = value.__func__ if isinstance(value, classmethod) else value
        if not inspect.isfunction(function) or one.startswith("_"):
            continue
        if f"{name}.{one}" not in _INTERNAL:
            yield one, value.__get__(None, kind)


def _properties(name: str, kind: type) -> list[str]:
    lines = [
        f"- `{one}`: {read_docstring(value).summary}"
        for one, value in _members(kind).items()
        if isinstance(value, property)
        and not one.startswith("_")
        and f"{name}.{one}" not in _INTERNAL
    ]
    return ["Properties:", "", *lines, ""] if lines else []


def _fields(kind: type, title: str = "Keys") -> list[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    lines = [
        f"- `{ast.unparse(one.target)}`: `{ast.unparse(one.annotation)}`"
        for one in ast.walk(tree)
        if isinstance(one, ast.AnnAssign)
    ]
    return [f"{title}:", "", *lines, ""]
