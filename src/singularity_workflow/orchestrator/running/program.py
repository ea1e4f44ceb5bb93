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
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from singularity_workflow.errors import DecompositionFailed, SingularityError
from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiled import MADE_BY, CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import Definition
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.decomposers.adapting import Planner
from singularity_workflow.orchestrator.decomposers.contexts import Failure
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import goal_hash, goal_input
from singularity_workflow.orchestrator.graphs.limits import Budget, Limits
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.compilation import (
    MANY_ATTEMPTS,
    Goals,
    raise_decomposition,
    to_workflow,
    tree_issues,
)
from singularity_workflow.orchestrator.planning.expansion import Expansion, expand
from singularity_workflow.orchestrator.planning.plan import flatten
from singularity_workflow.orchestrator.planning.task_functions import (
    EXECUTE,
    carry,
)
from singularity_workflow.orchestrator.running.events import GoalTeller
from singularity_workflow.orchestrator.running.nesting import Nesting
from singularity_workflow.orchestrator.running.revisions import (
    DECOMPOSE,
    REPLAN,
    Revisions,
)

__all__ = ["GoalProgram", "ProgramStore", "descendants"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_PLAN: Final = "x-goal"
_MOST_PLANS: Final = 256
_MANY_TASKS: Final = 200
_CARRIED_OPTIONS: Final = ("retry_attempts", "is_flat", "running")
_MOST_ATTEMPTS: Final = 1_000
"""Of the step; how many there are is in the goal's options."""


class ProgramStore(Protocol):
    """What goals ask of the database."""

    async def register_workflow(
        self, definition: Mapping[str, Any], *, force: bool = False
    ) -> dict[str, Any]: ...

    async def run_status(self, run_id: UUID) -> dict[str, Any]: ...

    async def step_output(self, run_id: UUID, step: str) -> Any: ...

    async def step_outputs(self, run_id: UUID) -> dict[str, Any]: ...

    async def task_children(
        self, run_id: UUID, step: str, index: int = 0
    ) -> list[dict[str, Any]]: ...

    async def failed_attempts(self, run_id: UUID, step: str, index: int = 0) -> int: ...

    async def outputs_below(
        self, run_id: UUID, steps: Collection[str], member: str
    ) -> list[Any]: ...

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
        self.store = store
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._own: dict[str, _Known] = {}
        self._nesting = Nesting(name, store, self._goal_workflow, self.passed_on)
        self.workflow = self._build()
        self.revisions = Revisions(self)

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

        async def execute(run_input: Any, _decompose: Any, ctx: Context) -> Any:
            return await self.execute(run_input, _decompose, ctx)

        workflow.child(
            f"{self.name}__plan",
            name=EXECUTE,
            depends_on=[DECOMPOSE],
            retry=MANY_ATTEMPTS,
        )(execute)
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

        async def ask() -> tuple[Expansion, _Known, bool]:
            cached = await self._find_cached(run_input)
            found = cached or await self._expand(run_input, ctx.attempt, tell)
            known = await self.register_found(goal, found, options)
            return found, known, cached is not None

        try:
            found, known, is_cached = await self.in_time(
                ask, options, ctx.attempt, tell, ctx
            )
        except DecompositionFailed as error:
            self.keep_failure(ctx.run_id, error.issues)
            tell.failed(error, error.issues, is_last=True)
            raise
        assert found.tree is not None
        if not is_cached:
            await self._keep_cached(run_input, found.tree)
        answer = {
            "tree": found.tree.to_json(),
            "workflow_id": known.workflow_id,
            "workflow": known.compiled.name,
            "decomposer": self._asked,
            "is_told": bool(options.get("monitoring")),
            "stats": {
                "tasks": len(known.compiled.steps),
                **self.usage_of(found, time.monotonic() - began_at),
                "cached": is_cached,
            },
        }
        # with the plan itself, in one transaction
        tell("goal_decomposition_completed", {"stats": answer["stats"]}, is_last=True)
        _keep(self.answers, ctx.run_id, answer)
        return answer

    async def execute(self, run_input: Any, plan: Any, ctx: Context) -> ChildCall:
        """
        Return the call of the run of the goal's plan; after that has failed, of a next.

        Raises:
            Fail: The plan has failed, and there is no next one.
        """
        children: list[dict[str, Any]] = []
        if ctx.attempt > 1:
            children = await self.store.task_children(ctx.run_id, EXECUTE)
        if children:
            data = await self.revisions.next_call(run_input, plan, ctx, children)
        elif run_input["options"]["running"] == "finish" and _can_replan(plan):
            data = {
                **{name: one for name, one in run_input.items() if name != "tree"},
                "revision": 0,
                "goal_run": str(ctx.run_id),
                "previous": [str(ctx.run_id), DECOMPOSE],
            }
        else:
            root = {**run_input, "goal_run": str(ctx.run_id)}
            return await self.call_plan(root, plan)
        known = await self._own_workflow(self.revisions.workflow)
        return ChildCall(
            workflow_id=known.workflow_id, workflow=known.compiled, input=data
        )

    async def call_plan(self, run_input: Any, plan: Any) -> ChildCall:
        """Return the call of the run of a plan."""
        known = self._known.get(plan["workflow"])
        if known is None:
            tree = GoalTree.model_validate(plan["tree"])
            through = sorted([*plan.get("kept", ()), *plan.get("skipped", ())])
            known = await self.register(tree, run_input["options"], through)
        goal = run_input["goal"]
        shown = run_input.get("inputs") or goal_input(goal)
        carried: dict[str, Any] = {}
        has_goals = any(step.definition.workflow for step in known.compiled.steps)
        outputs = plan.get("kept", {})
        kept = {one: outputs[one] for one in plan.get("needed", ()) if one in outputs}
        if has_goals or kept:
            nest = self.nest_of(run_input)
            carried = {
                "kept": kept,
                "options": run_input["options"],
                "nest": {
                    "root": nest.get("root", run_input["goal_run"]),
                    "depth": nest["depth"],
                    "ancestors": [*nest["ancestors"], goal_hash(goal)],
                    "path": nest["path"],
                },
            }
        data = carry(shown, carried)
        return ChildCall(
            workflow_id=known.workflow_id, workflow=known.compiled, input=data
        )

    @staticmethod
    def nest_of(run_input: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return where a goal stands among others; no `root`: it is the first."""
        first: dict[str, Any] = {"depth": 1, "ancestors": [], "path": []}
        found: Mapping[str, Any] = run_input.get("nest") or first
        return found

    async def budget(self, limits: Limits, root: str) -> tuple[Budget, int]:
        """Return what all parts of a goal have used so far, and their tasks."""
        used = await self.store.outputs_below(UUID(root), [DECOMPOSE, REPLAN], "stats")
        names = ("expansions", "calls", "tokens", "decomposition_time")
        before = {name: sum(one[name] for one in used) for name in names}
        tasks = sum(one["tasks"] for one in used if not one.get("is_revision"))
        return Budget(limits, before=before), tasks

    def keep_failure(self, run_id: UUID, issues: Sequence[Issue]) -> None:
        """Keep what was wrong with a plan, for whoever waits for the run."""
        _keep(self.failures, run_id, tuple(issues))

    def passed_on(self, run_id: UUID, above: UUID, message: str) -> DecompositionFailed:
        """Return the failure of a plan, for the run above that fails with it."""
        issues = self.failures.get(run_id, ())
        self.keep_failure(above, issues)
        return DecompositionFailed(message, issues=issues)

    @staticmethod
    def usage_of(found: Expansion, seconds: float) -> dict[str, Any]:
        """Return what one plan has taken, in figures."""
        budget = found.budget
        assert found.tree is not None
        return {
            "depth": found.tree.depth,
            "expansions": budget.expansions - budget.before["expansions"],
            "calls": budget.calls - budget.before["calls"],
            "tokens": budget.tokens - budget.before["tokens"],
            "decomposition_time": round(seconds, 6),
        }

    def teller(self, run_input: Any, ctx: Context | None) -> GoalTeller:
        """Return who tells what happens to a goal; without *ctx*, in the log only."""
        options, nest = run_input["options"], self.nest_of(run_input)
        return GoalTeller(
            run_input["goal"],
            ctx,
            parent=nest["ancestors"][-1] if nest["ancestors"] else None,
            depth=nest["depth"],
            is_full=bool(options.get("monitoring", ctx is None)),
            is_redacted=bool(options.get("redact")),
        )

    @property
    def _asked(self) -> str | None:
        return None if self.planner is None else self.planner.name

    def catalog_of(self, options: Mapping[str, Any]) -> Catalog:
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
        if run_input.get("nest"):
            return None  # its decomposer sees what others have given
        return goal_hash(
            [
                run_input["goal"],
                planner.identity,
                planner.version,
                self.catalog_of(options).view.hash,
                options["limits"],
                options["expansion"],
            ]
        )

    async def _find_cached(self, run_input: Any) -> Expansion | None:
        """Return a plan that was made before, if it still is one."""
        key = self._cache_key(run_input)
        found = None if key is None else await self.store.find_goal_plan(key)
        if found is None:
            return None
        try:
            tree = GoalTree.model_validate(found)
        except ValueError:
            return None
        options = run_input["options"]
        limits = Limits(**options["limits"])
        has_planner = self.planner is not None
        given = _as_given(tree, self.catalog_of(options), limits, has_planner)
        return None if given.issues else given

    async def _keep_cached(self, run_input: Any, tree: GoalTree) -> None:
        key = self._cache_key(run_input)
        if key is None or self.planner is None:
            return
        try:
            await self.store.keep_goal_plan(
                key,
                goal_hash=goal_hash(run_input["goal"]),
                decomposer=self.planner.name,
                version=self.planner.version,
                tree=tree.to_json(),
                seconds=run_input["options"]["cache"],
            )
        except SingularityError as error:
            # the plan is good; to ask for another one would cost more than the cache
            logger.warning("a plan is not kept for the next goal: %s", error.message)

    async def ask(self, goal: Any, ctx: Any) -> object:
        """Return what the decomposer answers."""
        if self.planner is None:
            return await _nobody(goal, ctx)
        return await self.planner.decompose(goal, ctx)

    async def _goal_workflow(self) -> tuple[int, CompiledWorkflow]:
        known = await self._own_workflow(self.workflow)
        return known.workflow_id, known.compiled

    async def _own_workflow(self, workflow: Workflow) -> _Known:
        """Return a workflow of ours, after it was registered."""
        if workflow.name not in self._own:
            compiled = self._compiled(workflow, self.catalog.resources)
            data = await self.store.register_workflow(compiled.definition.to_json())
            self._own[workflow.name] = _Known(data["workflow_id"], compiled)
        return self._own[workflow.name]

    async def in_time(
        self,
        ask: Callable[[], Awaitable[_T]],
        options: Mapping[str, Any],
        attempt: int,
        tell: GoalTeller,
        ctx: Context | None = None,
    ) -> _T:
        """
        Return what the decomposer makes of it.

        Args:
            ask: Asks it.
            options: The goal's.
            attempt: Which attempt it is.
            tell: Told what has failed.
            ctx: Of the task, whose attempts may have ended with their worker: those
                are no failures.

        Raises:
            DecompositionFailed: The last attempt has failed too.
        """
        try:
            async with asyncio.timeout(options["decompose_timeout"]):
                return await _uncancelled(ask)
        except DecompositionFailed:
            raise
        except Exception as error:
            if ctx is not None and attempt >= options["retry_attempts"]:
                failed = self.store.failed_attempts(ctx.run_id, ctx.step, ctx.index)
                attempt = 1 + await failed
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
        """
        Return what a goal would be decomposed into, and store nothing.

        Raises:
            DecompositionFailed: The last attempt has failed too.
        """
        options, tell = run_input["options"], self.teller(run_input, None)
        attempt = 1
        while True:
            ask = partial(self._expand, run_input, attempt, tell)
            try:
                return await self.in_time(ask, options, attempt, tell)
            except DecompositionFailed:
                raise
            except Exception:
                attempt += 1

    async def _expand(self, run_input: Any, attempt: int, tell: Any) -> Expansion:
        goal, options = run_input["goal"], run_input["options"]
        limits, catalog = Limits(**options["limits"]), self.catalog_of(options)
        tree = None
        if run_input.get("tree") is not None:
            tree = GoalTree.model_validate(run_input["tree"])
        if tree is not None and (tree.nested or run_input.get("nest")):
            return _as_given(tree, catalog, limits, self.planner is not None)
        nest, budget, tasks = self.nest_of(run_input), None, 0
        if "root" in nest:
            budget, tasks = await self.budget(limits, nest["root"])
        return await expand(
            goal,
            self.ask,
            catalog,
            limits,
            mode=options["expansion"],
            budget=budget,
            graph=None if tree is None else tree.graph,
            failures=(Failure(message="the last attempt failed"),) * (attempt > 1),
            attempt=attempt,
            depth=nest["depth"],
            ancestors=nest["ancestors"],
            place=nest["path"],
            inputs=run_input.get("inputs"),
            used_tasks=0 if tree is not None else tasks,
            notify=tell,
        )

    async def register_found(
        self,
        goal: Any,
        found: Expansion,
        options: Mapping[str, Any],
        kept: Collection[str] = (),
    ) -> _Known:
        """
        Return the workflow of what a goal was decomposed into.

        Raises:
            DecompositionFailed: With everything that is wrong with it.
        """
        raise_decomposition(goal, list(found.issues))
        assert found.tree is not None
        return await self.register(found.tree, options, kept)

    async def register(
        self, tree: GoalTree, options: Mapping[str, Any], kept: Collection[str] = ()
    ) -> _Known:
        """
        Return the workflow of a plan, after it was registered with its parts.

        Args:
            tree: The plan.
            options: The goal's.
            kept: The tasks that an earlier plan has completed.
        """
        # thousands of tasks take a second, which nobody else is to wait for
        is_large = tree.task_count > _MANY_TASKS
        call: Any = asyncio.to_thread if is_large else _at_once
        workflow: Workflow = await call(self._workflow, tree, options, kept)
        for one in [*descendants(workflow), workflow]:
            # the parts first, so that none is called before it is there
            if one.name not in self._known:
                compiled = await call(self._compiled, one, self.catalog.resources)
                compiled = _with_children(compiled, self._known)
                data = await self.store.register_workflow(compiled.definition.to_json())
                self._known[one.name] = _Known(data["workflow_id"], compiled)
        while len(self._known) > _MOST_PLANS:
            self._known.popitem(last=False)
        return self._known[workflow.name]

    def make(
        self, definition: Definition, resources: Collection[str]
    ) -> CompiledWorkflow | None:
        """Return the workflow of a plan, made of what its definition carries."""
        if definition.name == self.revisions.name:
            return self._compiled(self.revisions.workflow, resources)
        workflow = self.revive(definition)
        return None if workflow is None else self._compiled(workflow, resources)

    def revive(self, definition: Definition) -> Workflow | None:
        """Return the same, not compiled; None if the definition carries no plan."""
        carried = (definition.input_schema or {}).get(_PLAN)
        if not isinstance(carried, dict):
            return None
        tree = GoalTree.model_validate(carried["tree"])
        kept = carried.get("kept", ())
        workflow = self._workflow(tree, carried["options"], kept)
        for one in [workflow, *descendants(workflow)]:
            if one.name == definition.name:
                return one
        return None

    def _compiled(
        self, workflow: Workflow, resources: Collection[str]
    ) -> CompiledWorkflow:
        compiled = workflow.compile(resources)
        return replace(compiled, make=self.make)

    def _workflow(
        self, tree: GoalTree, options: Mapping[str, Any], kept: Collection[str]
    ) -> Workflow:
        carried = {key: options[key] for key in _CARRIED_OPTIONS}
        data: dict[str, Any] = {"tree": tree.to_json(), "options": carried}
        if kept:
            data["kept"] = [*kept]
        schema = {MADE_BY: self.name, _PLAN: data}
        return to_workflow(
            tree,
            self.catalog,
            name=self.name,
            is_flat=carried["is_flat"],
            schema=schema,
            goals=Goals(
                calls=self._nesting,
                workflow=self.name,
                kept=kept,
                finishes=carried["running"] == "finish",
            ),
            max_attempts=carried["retry_attempts"],
        )


async def _uncancelled(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Return what *ask* returns; if it cancels itself, it has failed like any other."""
    try:
        return await ask()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("it was cancelled, and not by us") from error


def _can_replan(plan: Mapping[str, Any]) -> bool:
    """Tell whether a task of a plan says that it may need another one."""
    tree = GoalTree.model_validate(plan["tree"])
    tasks = (task for _, one in tree.walk() for task in one.graph.tasks)
    return any(task.on_failure == "replan" for task in tasks)


async def _at_once(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


async def _nobody(_goal: Any, _ctx: Any) -> object:
    raise DecompositionFailed(
        "the plan has goals without a handler, and there is no decomposer",
        hint="Give a decomposer, or tasks with handlers.",
    )


def _as_given(
    tree: GoalTree, catalog: Catalog, limits: Limits, is_nestable: bool
) -> Expansion:
    """Return a tree that is known already, checked as any other."""
    issues = tree_issues(tree, catalog, limits, is_nestable=is_nestable)
    issues = issues or flatten(tree)[1]
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
