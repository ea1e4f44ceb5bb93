"""
The workflow of a goal: decompose, then execute what came of it.

Owns the two steps. The first answers with the plan and has registered the workflow that
was made of it; its answer is stored before anything of the plan runs, so that nobody is
asked twice for one plan, whoever dies. The second is a child run of that workflow.

The workflow of a plan carries the plan itself, in its input schema: any worker that has
the goal's workflow can make the functions of the plan's steps of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID

from singularity_workflow.errors import DecompositionFailed
from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiled import MADE_BY, CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import Definition
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.adapting import Planner
from singularity_workflow.orchestrator.catalog import Catalog
from singularity_workflow.orchestrator.compilation import (
    raise_decomposition,
    to_workflow,
    tree_issues,
)
from singularity_workflow.orchestrator.contexts import Failure
from singularity_workflow.orchestrator.events import GoalTeller
from singularity_workflow.orchestrator.expansion import Expansion, expand
from singularity_workflow.orchestrator.goals import goal_hash, goal_input
from singularity_workflow.orchestrator.limits import Budget, Limits
from singularity_workflow.orchestrator.plan import OUTPUTS, flatten
from singularity_workflow.orchestrator.tree import GoalTree

__all__ = [
    "DECOMPOSE",
    "EXECUTE",
    "GoalProgram",
    "ProgramStore",
    "descendants",
    "unwrap",
]

DECOMPOSE: Final = "_decompose"
EXECUTE: Final = "_execute"

_PLAN: Final = "x-goal"
_MOST_PLANS: Final = 256
_MANY_TASKS: Final = 200
_MOST_ATTEMPTS: Final = 1_000
"""Of the step; how many there are is in the goal's options."""


class ProgramStore(Protocol):
    """The calls that this module makes."""

    async def register_workflow(
        self, definition: Mapping[str, Any], *, force: bool = False
    ) -> dict[str, Any]: ...

    async def find_goal_plan(self, key: str) -> Any: ...

    async def keep_goal_plan(
        self,
        key: str,
        *,
        goal_hash: str,
        decomposer: str,
        version: str,
        tree: Mapping[str, Any],
        seconds: float,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Known:
    """A workflow of a plan that is known here."""

    workflow_id: int
    compiled: CompiledWorkflow


class GoalProgram:
    """
    The two steps of one kind of goal.

    Args:
        name: Name of the goal's workflow.
        planner: Who decomposes; None: goals bring their plans.
        catalog: The functions that tasks may use.
        store: Where the workflows of plans are registered.

    Goals of one name share the two steps, so what differs among them is in the input.
    """

    def __init__(
        self,
        name: str,
        planner: Planner | None,
        catalog: Catalog,
        store: ProgramStore,
    ) -> None:
        self.name = name
        self.planner = planner
        self.catalog = catalog
        self.answers: OrderedDict[UUID, dict[str, Any]] = OrderedDict()
        self.failures: OrderedDict[UUID, tuple[Issue, ...]] = OrderedDict()
        self.revived: list[Workflow] = []
        self._store = store
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self.workflow = self._build()

    def _build(self) -> Workflow:
        workflow = Workflow(self.name)
        workflow.make = self.make
        workflow.step(
            name=DECOMPOSE,
            # a plan that is wrong is not better the second time: that is for repairs
            retry=RetryPolicy(
                max_attempts=_MOST_ATTEMPTS, give_up_on=(DecompositionFailed,)
            ),
        )(self.decompose)

        async def execute(run_input: Any, _decompose: Any) -> Any:
            return await self.execute(run_input, _decompose)

        workflow.child(f"{self.name}__plan", name=EXECUTE, depends_on=[DECOMPOSE])(
            execute
        )
        return workflow

    async def decompose(self, run_input: Any, ctx: Context) -> dict[str, Any]:
        """
        Return the plan of a goal, after its workflow was registered.

        Raises:
            DecompositionFailed: With everything that is wrong with the plan.
        """
        goal, options = run_input["goal"], run_input["options"]
        began_at = time.monotonic()
        tell = self.teller(run_input, ctx)
        tell("goal_decomposition_started", {"decomposer": self._asked})
        try:
            cached = await self._find_cached(run_input)
            found = cached or await self._expand_in_time(run_input, ctx.attempt, tell)
            raise_decomposition(goal, list(found.issues))
            assert found.tree is not None
            known = await self._register(found.tree, options)
            if cached is None:
                await self._keep_cached(run_input, found.tree)
        except DecompositionFailed as error:
            _keep(self.failures, ctx.run_id, error.issues)
            tell.failed(error, error.issues, is_last=True)
            raise
        took = time.monotonic() - began_at
        answer = {
            "tree": found.tree.to_json(),
            "workflow_id": known.workflow_id,
            "workflow": known.compiled.name,
            "decomposer": self._asked,
            "is_told": bool(options.get("monitoring")),
            "stats": {
                "tasks": len(known.compiled.steps),
                "depth": found.tree.depth,
                "expansions": found.budget.expansions,
                "calls": found.budget.calls,
                "tokens": found.budget.tokens,
                "decomposition_time": round(took, 6),
                "cached": cached is not None,
            },
        }
        # with the plan itself, in one transaction
        tell("goal_decomposition_completed", {"stats": answer["stats"]}, is_last=True)
        _keep(self.answers, ctx.run_id, answer)
        return answer

    async def execute(self, run_input: Any, plan: Any) -> ChildCall:
        """Return the call of the child run that the plan is."""
        known = self._known.get(plan["workflow"])
        if known is None:
            tree = GoalTree.model_validate(plan["tree"])
            known = await self._register(tree, run_input["options"])
        return ChildCall(
            workflow_id=known.workflow_id,
            workflow=known.compiled,
            input=goal_input(run_input["goal"]),
        )

    def teller(self, run_input: Any, ctx: Context | None) -> GoalTeller:
        """Return who tells what happens to a goal; without *ctx*, in the log only."""
        options = run_input["options"]
        return GoalTeller(
            run_input["goal"],
            ctx,
            parent=run_input.get("parent"),
            depth=run_input.get("depth", 1),
            is_full=bool(options.get("monitoring", ctx is None)),
            is_redacted=bool(options.get("redact")),
        )

    @property
    def _asked(self) -> str | None:
        return None if self.planner is None else self.planner.name

    def _catalog_of(self, options: Mapping[str, Any]) -> Catalog:
        """Return the functions that a goal may use."""
        allowed = options.get("allow")
        if allowed is None:
            return self.catalog
        # another process may have fewer
        return self.catalog.only(
            name for name in allowed if name in self.catalog.functions
        )

    def _cache_key(self, run_input: Any) -> str | None:
        """Return what goals with one plan have in common; None: not to be cached."""
        options = run_input["options"]
        planner = self.planner
        if not options.get("cache") or planner is None or run_input.get("tree"):
            return None
        return goal_hash(
            [
                run_input["goal"],
                planner.identity,
                planner.version,
                self._catalog_of(options).view.hash,
                options["limits"],
            ]
        )

    async def _find_cached(self, run_input: Any) -> Expansion | None:
        """Return a plan that was made before, if it still is one."""
        key = self._cache_key(run_input)
        found = None if key is None else await self._store.find_goal_plan(key)
        if found is None:
            return None
        try:
            tree = GoalTree.model_validate(found)
        except ValueError:
            return None
        options = run_input["options"]
        given = _as_given(tree, self._catalog_of(options), Limits(**options["limits"]))
        return None if given.issues else given

    async def _keep_cached(self, run_input: Any, tree: GoalTree) -> None:
        key = self._cache_key(run_input)
        if key is not None and self.planner is not None:
            await self._store.keep_goal_plan(
                key,
                goal_hash=goal_hash(run_input["goal"]),
                decomposer=self.planner.name,
                version=self.planner.version,
                tree=tree.to_json(),
                seconds=run_input["options"]["cache"],
            )

    async def _expand_in_time(
        self, run_input: Any, attempt: int, tell: GoalTeller
    ) -> Expansion:
        """
        Return what a goal is decomposed into.

        Raises:
            DecompositionFailed: The last attempt has failed too.
        """
        options = run_input["options"]
        try:
            async with asyncio.timeout(options["decompose_timeout"]):
                return await self._expand(run_input, attempt, tell)
        except DecompositionFailed:
            raise
        except Exception as error:
            if attempt < options["retry_attempts"]:
                tell.failed(error, is_last=True)
                raise
            what = str(error) or "it took too long"
            raise DecompositionFailed(
                f"the decomposer failed {attempt} times, at last with "
                f"{type(error).__name__}: {what}",
                hint="Raise retry_attempts or decompose_timeout, if that can help.",
            ) from error

    async def preview(self, run_input: Any) -> Expansion:
        """Return what a goal would be decomposed into, and store nothing."""
        return await self._expand(run_input, 1, self.teller(run_input, None))

    async def _expand(self, run_input: Any, attempt: int, tell: Any) -> Expansion:
        goal, options = run_input["goal"], run_input["options"]
        catalog = self._catalog_of(options)
        tree = None
        if run_input.get("tree") is not None:
            tree = GoalTree.model_validate(run_input["tree"])
        if tree is not None and tree.nested:
            return _as_given(tree, catalog, Limits(**options["limits"]))
        return await expand(
            goal,
            _nobody if self.planner is None else self.planner.decompose,
            catalog,
            Limits(**options["limits"]),
            graph=None if tree is None else tree.graph,
            failures=(Failure(message="the last attempt failed"),) * (attempt > 1),
            attempt=attempt,
            notify=tell,
        )

    async def _register(self, tree: GoalTree, options: Mapping[str, Any]) -> _Known:
        # thousands of tasks take a second, which nobody else is to wait for
        is_large = tree.task_count > _MANY_TASKS
        call: Any = asyncio.to_thread if is_large else _at_once
        workflow: Workflow = await call(self._workflow, tree, options)
        for one in [*descendants(workflow), workflow]:
            # the parts first, so that none is called before it is there
            if one.name not in self._known:
                compiled = await call(self._compiled, one, self.catalog.resources)
                compiled = _with_children(compiled, self._known)
                data = await self._store.register_workflow(
                    compiled.definition.to_json()
                )
                self._known[one.name] = _Known(data["workflow_id"], compiled)
        while len(self._known) > _MOST_PLANS:
            self._known.popitem(last=False)
        return self._known[workflow.name]

    def make(
        self, definition: Definition, resources: Collection[str]
    ) -> CompiledWorkflow | None:
        """Return the workflow of a plan, made of what its definition carries."""
        workflow = self.revive(definition)
        return None if workflow is None else self._compiled(workflow, resources)

    def revive(self, definition: Definition) -> Workflow | None:
        """Return the same, not compiled; None if the definition carries no plan."""
        carried = (definition.input_schema or {}).get(_PLAN)
        if not isinstance(carried, dict):
            return None
        tree = GoalTree.model_validate(carried["tree"])
        workflow = self._workflow(tree, carried["options"])
        for one in [workflow, *descendants(workflow)]:
            if one.name == definition.name:
                return one
        return None

    def _compiled(
        self, workflow: Workflow, resources: Collection[str]
    ) -> CompiledWorkflow:
        compiled = workflow.compile(resources)
        return replace(compiled, make=self.make)

    def _workflow(self, tree: GoalTree, options: Mapping[str, Any]) -> Workflow:
        carried = {key: options[key] for key in ("retry_attempts", "is_flat")}
        schema = {
            MADE_BY: self.name,
            _PLAN: {"tree": tree.to_json(), "options": carried},
        }
        return to_workflow(
            tree,
            self.catalog,
            name=self.name,
            is_flat=carried["is_flat"],
            schema=schema,
            max_attempts=carried["retry_attempts"],
        )


def unwrap(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the goal's result, of that of the child run."""
    found: dict[str, Any] = dict(result)
    return found.get(OUTPUTS, found) if set(found) == {OUTPUTS} else found


async def _at_once(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


async def _nobody(_goal: Any, _ctx: Any) -> object:
    raise DecompositionFailed(
        "the plan has goals without a handler, and there is no decomposer",
        hint="Give a decomposer, or tasks with handlers.",
    )


def _as_given(tree: GoalTree, catalog: Catalog, limits: Limits) -> Expansion:
    """Return a tree that is known already, checked as any other."""
    issues = tree_issues(tree, catalog, limits) or flatten(tree)[1]
    return Expansion(
        tree=None if issues else tree, issues=tuple(issues), budget=Budget(limits)
    )


def _with_children(
    compiled: CompiledWorkflow, known: Mapping[str, _Known]
) -> CompiledWorkflow:
    """Return the same, with the code of its nested goals at hand."""
    steps = []
    for step in compiled.steps:
        found = known.get(step.definition.workflow or "")
        child = None if found is None else (found.workflow_id, found.compiled)
        steps.append(step if child is None else replace(step, child=child))
    by_name = {step.name: step for step in steps}
    return replace(compiled, steps=tuple(steps), by_name=by_name)


def _keep(kept: OrderedDict[UUID, Any], run_id: UUID, one: Any) -> None:
    """Keep what whoever waits for the run will ask for; only the latest."""
    kept[run_id] = one
    while len(kept) > _MOST_PLANS:
        kept.popitem(last=False)


def descendants(workflow: Workflow) -> list[Workflow]:
    """Return the workflows of nested goals, inner ones first, each once."""
    found: dict[str, Workflow] = {}
    waiting = list(workflow.children)
    while waiting:
        one = waiting.pop()
        found.pop(one.name, None)
        found[one.name] = one
        waiting += one.children
    return list(found.values())[::-1]
