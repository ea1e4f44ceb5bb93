"""
Read what a goal is to be started with, and put it as its run takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID

from singularity_workflow.engine.registry import Registered
from singularity_workflow.engine.requests import StartRequest, build_request
from singularity_workflow.errors import DefinitionError, InvalidInput, InvalidSetting
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.entries import function_key
from singularity_workflow.model.json_codec import encode_json
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.orchestrator.decomposers.adapting import (
    Planner,
    as_decomposer,
)
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import (
    goal_hash,
    goal_mark,
    read_goal,
)
from singularity_workflow.orchestrator.graphs.graph import TaskGraph
from singularity_workflow.orchestrator.graphs.reading import parse_graph
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.compilation import raise_decomposition
from singularity_workflow.orchestrator.settings import (
    DEFAULT_WORKFLOW,
    GOAL_TAG,
    GoalOptions,
)

__all__ = ["Functions", "GoalRequest", "read_plan", "read_request", "read_requests"]

Functions: TypeAlias = Catalog | Mapping[str, StepFunction]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalRequest:
    """
    A goal that is to be started, and what it is started with.

    Args:
        goal: The goal, as plain JSON values.
        decomposer: Who decomposes it, as it was given; None: there is a plan.
        functions: The functions that tasks may use.
        tree: Its plan, if that is there already.
        options: Its options.
    """

    goal: Any
    decomposer: Any
    functions: Functions
    tree: GoalTree | None
    options: GoalOptions

    @property
    def planner(self) -> Planner | None:
        """Who decomposes it."""
        return None if self.decomposer is None else as_decomposer(self.decomposer)

    @property
    def program_key(self) -> object:
        """What goals have in common that run the same two steps: name and code."""
        functions = self.functions
        named = functions.functions if isinstance(functions, Catalog) else functions
        key = frozenset((name, function_key(one)) for name, one in named.items())
        asked = None if self.decomposer is None else function_key(self.decomposer)
        return self.options.workflow_name, asked, key

    def workflow_name(self, catalog: Catalog) -> str:
        """Return the name of the goal's workflow: by default one of this code only."""
        planner = self.planner
        asked = None if planner is None else [planner.name, planner.version]
        default = f"{DEFAULT_WORKFLOW}_{goal_hash([asked, catalog.view.hash])[:12]}"
        return self.options.workflow_name or default

    def run_input(self) -> dict[str, Any]:
        """Return the input of the goal's run."""
        options = self.options
        told: dict[str, Any] = {
            "goal": self.goal,
            "options": {
                "limits": _plain_limits(options),
                "decompose_timeout": _seconds(options.decompose_timeout),
                "decompose_concurrency": options.decompose_concurrency,
                "retry_attempts": options.retry_attempts,
                "is_flat": not options.preserve_structure,
                "expansion": options.expansion,
                "max_replans": options.max_replans,
                "running": options.running,
                "monitoring": options.monitoring,
                "redact": options.redact,
                "allow": None if options.allow is None else [*options.allow],
                "cache": options.cache_seconds,
                "optimization_level": options.optimization_level,
            },
        }
        if self.tree is not None:
            told["tree"] = self.tree.to_json()
        return told

    def to_start(self, run_id: UUID, workflow: Registered) -> StartRequest:
        """Return the start of the goal's run, of the workflow of its two steps."""
        options = self.options
        request = build_request(
            run_id,
            workflow,
            self.run_input(),
            timeout=options.timeout,
            max_retries=None,
            parallel=options.parallel,
            notify_events=options.notify_events,
            execution=options.execution,
            idempotency_key=options.idempotency_key,
            priority=options.priority,
            tags=[GOAL_TAG, *(options.tags or ())],
            # for whoever looks at runs
            metadata={
                "kind": "goal",
                "goal_hash": goal_hash(self.goal),
                "depth": 1,
                "optimization_level": options.optimization_level,
            },
        )
        # what the database tells of the goal
        mark = encode_json(goal_mark(self.goal, is_redacted=options.redact))
        if options.turns is None:
            return replace(request, goal=mark)
        return replace(request, goal=mark, is_serial=True, max_parallel=options.turns)


def read_request(
    goal: Any,
    decomposer: Any,
    functions: Functions,
    options: Mapping[str, Any],
    tree: GoalTree | None = None,
) -> GoalRequest:
    """
    Read the arguments of a call, and refuse what cannot be.

    Args:
        goal: The goal; None: that of the plan.
        decomposer: As of `as_decomposer`; None: there is a plan.
        functions: The functions that tasks may use, by name.
        options: As of `GoalOptions`.
        tree: Its plan, if that is there already.

    Raises:
        InvalidSetting: An option cannot be.
        InvalidInput: The goal cannot be stored.
        DefinitionError: The decomposer or the functions are none.
    """
    given = GoalOptions.read(options)
    if tree is not None and goal is None:
        goal = tree.graph.goal if tree.graph.goal is not None else DEFAULT_WORKFLOW
    planner = None
    if decomposer is not None or tree is None:
        planner = as_decomposer(decomposer)
    if given.cache_seconds and planner is not None and not planner.version:
        raise InvalidSetting(
            f"cache needs a version, and decomposer {planner.name!r} has none",
            hint="Set its attribute `version`, and change it with its answers.",
        )
    if not isinstance(functions, (Catalog, Mapping)):
        raise DefinitionError(
            "step_functions must be a Catalog or a mapping of names to functions, "
            f"got {type(functions).__name__}",
            hint='Write {"name": function, ...}.',
        )
    _check_allowed(given, functions)
    return GoalRequest(
        goal=read_goal(goal),
        decomposer=decomposer,
        functions=functions,
        tree=tree,
        options=given,
    )


def read_requests(
    goals: Iterable[Any],
    decomposer: Any,
    functions: Functions,
    options: Mapping[str, Any],
) -> list[GoalRequest]:
    """Read goals, some of which may be plans, before the first one starts."""
    requests = []
    for place, one in enumerate(goals):
        is_plan = isinstance(one, (TaskGraph, GoalTree))
        try:
            tree = read_plan(one) if is_plan else None
            goal = None if is_plan else one
            request = read_request(goal, decomposer, functions, options, tree)
        except InvalidInput as error:
            raise InvalidInput(
                f"goals[{place}]: {error.message}", hint=error.hint
            ) from None
        requests.append(request)
    return requests


def read_plan(graph: Any, goal: Any = None) -> GoalTree:
    """
    Return the plan that somebody brings.

    Args:
        graph: A graph or tree, or anything that `parse_graph` reads.
        goal: Its goal, if it names none.

    Raises:
        InvalidInput: There is none.
        DecompositionFailed: With everything that is wrong with its form.
    """
    if isinstance(graph, GoalTree):
        return graph
    if graph is None:
        raise InvalidInput(
            "task_graph must be a plan, got None",
            hint='Write [{"id": "design"}], or let compose_from_goal ask a decomposer.',
        )
    found, issues = parse_graph(graph, goal=goal)
    raise_decomposition(goal, issues)
    assert found is not None
    return GoalTree(graph=found)


def _check_allowed(options: GoalOptions, functions: Functions) -> None:
    for name in options.allow or ():
        if name not in functions:
            raise InvalidSetting(
                f"allow names {name!r}, and there is no such function",
                hint=did_you_mean(str(name), [*functions])
                or "It names functions of step_functions.",
            )


def _seconds(duration: Duration | None) -> float | None:
    return None if duration is None else to_duration(duration).total_seconds()


def _plain_limits(options: GoalOptions) -> dict[str, Any]:
    limits = options.effective_limits()
    return asdict(replace(limits, timeout=limits.seconds))
