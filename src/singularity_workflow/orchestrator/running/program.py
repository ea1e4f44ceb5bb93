"""
The workflow of a goal: decompose, then execute what came of it.

Owns the two steps. The first answers with the plan and has registered the workflow that
was made of it; its answer is stored before anything of the plan runs, so that nobody is
asked twice for one plan, whoever dies. The second is a child run of that workflow.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from singularity_workflow.errors import DecompositionFailed
from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import Definition
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.decomposers.adapting import (
    DecomposerExit,
    Planner,
)
from singularity_workflow.orchestrator.decomposers.contexts import Failure
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import goal_hash, goal_input
from singularity_workflow.orchestrator.graphs.limits import Budget, Limits
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.planning.compilation import (
    MANY_ATTEMPTS,
    raise_decomposition,
    tree_issues,
)
from singularity_workflow.orchestrator.planning.expansion import Expansion, expand
from singularity_workflow.orchestrator.planning.flattening import flatten
from singularity_workflow.orchestrator.planning.step_names import DECOMPOSE, EXECUTE
from singularity_workflow.orchestrator.planning.task_functions import carry
from singularity_workflow.orchestrator.running.events import GoalTeller
from singularity_workflow.orchestrator.running.goal_store import GoalStore
from singularity_workflow.orchestrator.running.nesting import Nesting
from singularity_workflow.orchestrator.running.plan_cache import PlanCache
from singularity_workflow.orchestrator.running.plan_workflows import (
    MOST_PLANS,
    KnownWorkflow,
    PlanWorkflows,
)
from singularity_workflow.orchestrator.running.revisions import Revisions
from singularity_workflow.orchestrator.running.spending import Spending, usage_of

__all__ = ["GoalProgram"]

_T = TypeVar("_T")

_MOST_ATTEMPTS: Final = 1_000
"""Of the step; how many there are is in the goal's options."""


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
        store: GoalStore,
    ) -> None:
        self.name = name
        self.planner = planner
        self.catalog = catalog
        self.answers: OrderedDict[UUID, dict[str, Any]] = OrderedDict()
        self.revived: list[Workflow] = []
        self.store = store
        nesting = Nesting(name, store, self._goal_workflow)
        self.plans = PlanWorkflows(name, catalog, store, nesting, self.make)
        self.spending = Spending(store)
        self._cache = PlanCache(planner, store)
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

        async def ask() -> tuple[Expansion, KnownWorkflow, bool]:
            cached = await self._find_cached(run_input)
            found = cached or await self._expand(
                run_input, ctx.attempt, tell, str(ctx.run_id)
            )
            known = await self.register_found(goal, found, options)
            return found, known, cached is not None

        try:
            found, known, is_cached = await self.in_time(
                ask, options, ctx.attempt, tell, ctx
            )
        except DecompositionFailed as error:
            tell.failed(error, error.issues, is_last=True)
            raise
        assert found.tree is not None
        if not is_cached:
            catalog = self.catalog_of(options)
            await self._cache.keep(run_input, catalog, found.tree)
        answer = {
            "tree": found.tree.to_json(),
            "workflow_id": known.workflow_id,
            "workflow": known.compiled.name,
            "decomposer": self._asked,
            "is_told": bool(options.get("monitoring")),
            "stats": {
                "tasks": len(known.compiled.steps),
                **usage_of(found, time.monotonic() - began_at),
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
        known = await self.plans.own(self.revisions.workflow)
        return ChildCall(
            workflow_id=known.workflow_id, workflow=known.compiled, input=data
        )

    async def call_plan(self, run_input: Any, plan: Any) -> ChildCall:
        """Return the call of the run of a plan."""
        known = self.plans.find(plan["workflow"])
        if known is None:
            tree = GoalTree.model_validate(plan["tree"])
            through = sorted([*plan.get("kept", ()), *plan.get("skipped", ())])
            known = await self.plans.register(tree, run_input["options"], through)
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

    async def _find_cached(self, run_input: Any) -> Expansion | None:
        """Return a plan that was made before, if it still is one."""
        options = run_input["options"]
        catalog = self.catalog_of(options)
        tree = await self._cache.find(run_input, catalog)
        if tree is None:
            return None
        limits = Limits.from_json(options["limits"])
        given = self._as_given(tree, catalog, limits, options)
        return None if given.issues else given

    async def ask(self, goal: Any, ctx: Any) -> object:
        """Return what the decomposer answers."""
        if self.planner is None:
            return await _nobody(goal, ctx)
        return await self.planner.decompose(goal, ctx)

    async def _goal_workflow(self) -> tuple[int, CompiledWorkflow]:
        known = await self.plans.own(self.workflow)
        return known.workflow_id, known.compiled

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
        except DecomposerExit as error:
            raise DecompositionFailed(
                f"the decomposer raised {error}",
                hint="Return a plan, or raise an Exception: that is tried again.",
            ) from error.__cause__
        except Exception as error:
            if ctx is not None and attempt >= options["retry_attempts"]:
                failed = self.store.failed_attempts(ctx.run_id, ctx.step, ctx.index)
                attempt = 1 + await failed
            if attempt < options["retry_attempts"]:
                tell.failed(error, is_last=True)
                raise
            what = str(error) or "it took too long"
            raise DecompositionFailed(
                f"the decomposer failed {_times(attempt)}"
                f"{type(error).__name__}: {what}",
                hint=_hint_for(error),
            ) from error

    async def preview(self, run_input: Any) -> Expansion:
        """
        Return what a goal would be decomposed into, and store nothing.

        Raises:
            DecompositionFailed: The last attempt has failed too.
        """
        options, tell = run_input["options"], self.teller(run_input, None)
        attempt, own_id = 1, str(uuid4())
        while True:
            ask = partial(self._expand, run_input, attempt, tell, own_id)
            try:
                return await self.in_time(ask, options, attempt, tell)
            except DecompositionFailed:
                raise
            except Exception:
                attempt += 1

    async def _expand(
        self, run_input: Any, attempt: int, tell: Any, run_id: str
    ) -> Expansion:
        goal, options = run_input["goal"], run_input["options"]
        limits, catalog = Limits.from_json(options["limits"]), self.catalog_of(options)
        tree = None
        if run_input.get("tree") is not None:
            tree = GoalTree.model_validate(run_input["tree"])
        if tree is not None and (tree.nested or run_input.get("nest")):
            return self._as_given(tree, catalog, limits, options)
        nest, tasks = self.nest_of(run_input), 0
        root = nest.get("root", run_id)
        budget = self.spending.lost(limits, root)
        if "root" in nest:
            budget, tasks = await self.spending.budget(limits, root)
        with self.spending.counting(root, budget) as spent:
            found = await expand(
                goal,
                self.ask,
                catalog,
                limits,
                mode=options["expansion"],
                is_flat=options["is_flat"],
                budget=budget,
                graph=None if tree is None else tree.graph,
                failures=(Failure(message="the last attempt failed"),) * (attempt > 1),
                attempt=attempt,
                depth=nest["depth"],
                ancestors=nest["ancestors"],
                place=nest["path"],
                inputs=run_input.get("inputs"),
                used_tasks=0 if tree is not None else tasks,
                concurrency=options["decompose_concurrency"],
                notify=tell,
            )
            spent.is_kept = found.tree is not None
        return found

    def _as_given(
        self,
        tree: GoalTree,
        catalog: Catalog,
        limits: Limits,
        options: Mapping[str, Any],
    ) -> Expansion:
        """Return a tree that is known already, checked as any other."""
        is_nestable = self.planner is not None
        issues = tree_issues(tree, catalog, limits, is_nestable=is_nestable)
        issues = issues or flatten(tree, is_flat=options["is_flat"])[1]
        return Expansion(
            tree=None if issues else tree, issues=tuple(issues), budget=Budget(limits)
        )

    async def register_found(
        self,
        goal: Any,
        found: Expansion,
        options: Mapping[str, Any],
        kept: Collection[str] = (),
    ) -> KnownWorkflow:
        """
        Return the workflow of what a goal was decomposed into.

        Raises:
            DecompositionFailed: With everything that is wrong with it.
        """
        raise_decomposition(goal, list(found.issues))
        assert found.tree is not None
        return await self.plans.register(found.tree, options, kept)

    def make(
        self, definition: Definition, resources: Collection[str]
    ) -> CompiledWorkflow | None:
        """Return the workflow of a definition that a worker has met, if it is ours."""
        if definition.name == self.revisions.name:
            return self.plans.compiled(self.revisions.workflow, resources)
        return self.plans.make(definition, resources)


async def _uncancelled(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Return what *ask* returns; if it cancels itself, it has failed like any other."""
    try:
        return await ask()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("it was cancelled, and not by us") from error


def _times(attempt: int) -> str:
    return "with " if attempt == 1 else f"{attempt} times, at last with "


def _hint_for(error: Exception) -> str:
    """Return what can be done about what a decomposer raised."""
    if isinstance(error, TimeoutError):
        return "Raise decompose_timeout, or make it answer sooner."
    return "Its own traceback is in this error's cause."


def _can_replan(plan: Mapping[str, Any]) -> bool:
    """Tell whether a task of a plan says that it may need another one."""
    tree = GoalTree.model_validate(plan["tree"])
    tasks = (task for _, one in tree.walk() for task in one.graph.tasks)
    return any(task.on_failure == "replan" for task in tasks)


async def _nobody(_goal: Any, _ctx: Any) -> object:
    raise DecompositionFailed(
        "the plan has goals without a handler, and there is no decomposer",
        hint="Give a decomposer, or tasks with handlers.",
    )


def _keep(kept: OrderedDict[UUID, Any], run_id: UUID, one: Any) -> None:
    """Keep what whoever waits for the run will ask for; only the latest."""
    kept[run_id] = one
    while len(kept) > MOST_PLANS:
        kept.popitem(last=False)
