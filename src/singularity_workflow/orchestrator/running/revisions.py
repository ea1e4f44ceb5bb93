"""
The workflow of a goal's further plans: plan anew, execute, judge.

The step of a goal that executes is tried again with a run of this workflow when the run
of a plan has failed for something that another plan may mend. Its first step answers
with the next plan, which is stored before anything of it starts, as that of the goal
is. Nothing is added to a run that lives: what an ended run has completed is carried
along with the plan.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from singularity_workflow.errors import DecompositionFailed
from singularity_workflow.model.compiled import MADE_BY
from singularity_workflow.model.context import Context
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.retry import RetryPolicy
from singularity_workflow.model.signals import Fail
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.orchestrator.decomposers.contexts import (
    Failure,
    ReplanContext,
)
from singularity_workflow.orchestrator.graphs.goals import goal_hash, goal_input
from singularity_workflow.orchestrator.graphs.limits import Budget, Limits
from singularity_workflow.orchestrator.graphs.reading import parse_graph
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.graphs.validation import validate
from singularity_workflow.orchestrator.planning.compilation import OVER
from singularity_workflow.orchestrator.planning.expansion import Expansion, expand
from singularity_workflow.orchestrator.planning.flattening import flatten
from singularity_workflow.orchestrator.planning.replanning import (
    Combined,
    Done,
    at,
    combine,
    level_to_replan,
    names_of_tasks,
    prefixed,
    put,
    read_outputs,
    states,
)
from singularity_workflow.orchestrator.planning.step_names import (
    DECOMPOSE,
    EXECUTE,
    JUDGE,
    REPLAN,
)
from singularity_workflow.orchestrator.running.signals import NEEDS_REPLAN
from singularity_workflow.orchestrator.running.spending import usage_of
from singularity_workflow.orchestrator.running.stored_errors import (
    CHILD_FAILED,
    DECOMPOSITION_FAILED,
    cause_of,
    error_of,
    to_decomposition_failed,
)

if TYPE_CHECKING:
    from singularity_workflow.orchestrator.running.program import GoalProgram

__all__ = ["ENOUGH", "Revisions", "revision_name"]

ENOUGH: Final = "; the plan was made anew "
"""Stands between what failed and how often another plan was tried."""

_MOST_ATTEMPTS: Final = 1_000


def revision_name(name: str) -> str:
    """Return what the workflow of further plans of a kind of goal is called."""
    return f"{name}__revision"


class Revisions:
    """
    The further plans of one kind of goal.

    Args:
        program: The goal's own two steps.
    """

    def __init__(self, program: GoalProgram) -> None:
        self._program = program
        self._store = program.store
        self.name = revision_name(program.name)
        self.workflow = self._build()

    def _build(self) -> Workflow:
        workflow = Workflow(self.name)
        workflow.step(
            name=REPLAN,
            retry=RetryPolicy(
                max_attempts=_MOST_ATTEMPTS, give_up_on=(DecompositionFailed,)
            ),
        )(self.replan)

        async def execute(run_input: Any, _replan: Any) -> Any:
            return await self._program.call_plan(run_input, _replan)

        async def judge(run_input: Any, _execute: Any, ctx: Context) -> Any:
            return await self._judge(run_input, _execute, ctx)

        plan = f"{self._program.name}__plan"
        workflow.child(plan, name=EXECUTE, depends_on=[REPLAN])(execute)
        workflow.step(name=JUDGE, depends_on=[EXECUTE])(judge)
        # so that whoever has the goal's workflow has this one too
        schema = {MADE_BY: self._program.name}
        definition = replace(workflow.definition, input_schema=schema)
        return Workflow.from_definition(definition, workflow.functions)

    async def next_call(
        self,
        run_input: Mapping[str, Any],
        plan: Mapping[str, Any],
        ctx: Context,
        children: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """
        Return the input of the next revision, after the run of the last plan has ended.

        Args:
            run_input: The goal's.
            plan: Its first plan.
            ctx: Of the goal's step.
            children: The runs of its plans, the oldest first.

        Raises:
            Fail: Another plan would not help, or there were enough of them.
        """
        last = children[-1]
        previous, run = [str(ctx.run_id), DECOMPOSE], last
        if last["workflow"] == self.name:
            previous = [last["id"], REPLAN]
            under = await self._store.task_children(UUID(last["id"]), EXECUTE)
            step = (last["error"] or {}).get("step")
            if last["status"] != "failed" or step == REPLAN or not under:
                raise _end(last, cause_of(last)[1])
            run = under[-1]
            plan = await self._store.step_output(UUID(last["id"]), REPLAN)
        if last["status"] != "failed":
            raise Fail(cause_of(last)[1])
        stopped = await self._stopped(run_input, plan, run)
        options = run_input["options"]
        if stopped is None:
            raise _end(run, _told(run))
        if len(children) > options["max_replans"]:
            raise Fail(
                f"{_told(run, stopped)}{ENOUGH}{len(children) - 1} times, and "
                f"max_replans is {options['max_replans']}"
            )
        return {
            **{name: one for name, one in run_input.items() if name != "tree"},
            "revision": len(children),
            "goal_run": str(ctx.run_id),
            "previous": previous,
            "plan_run": run["id"],
            "stopped": stopped,
        }

    async def _stopped(
        self,
        run_input: Mapping[str, Any],
        plan: Mapping[str, Any],
        run: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        """Return what stopped a plan, None if another plan is not asked for."""
        tree = GoalTree.model_validate(plan["tree"])
        paths = _paths(run_input, plan, tree)
        if run["status"] == "failed":
            kind, message = cause_of(run)
            error = run["error"] or {}
        else:
            told = await self._store.run_status(UUID(run["id"]))
            given_up = [
                one
                for one in told["steps"]
                if one["name"] in paths and _gave_up(tree, paths[one["name"]], one)
            ]
            if not given_up:
                return None
            error = {
                "step": given_up[0]["name"],
                "attempts": given_up[0]["attempts"],
            }
            kind, message = cause_of({"error": {"error": given_up[0]["error"]}})
        path = paths.get(str(error.get("step", "")).removeprefix(OVER))
        if path is None:
            return None
        level = level_to_replan(tree, path, is_asked=kind == NEEDS_REPLAN)
        if level is None:
            return None
        return {
            "task": path[len(level)],
            "level": list(level),
            "kind": kind,
            "message": message,
            "attempts": error.get("attempts") or 0,
        }

    async def _judge(self, run_input: Any, result: Any, ctx: Context) -> Any:
        """
        Return the result of a plan.

        Raises:
            Fail: Something of it was given up, and another plan is asked for.
        """
        if run_input["options"]["running"] != "finish":
            return result
        run = (await self._store.task_children(ctx.run_id, EXECUTE))[-1]
        plan = await self._store.step_output(ctx.run_id, REPLAN)
        stopped = await self._stopped(run_input, plan, run)
        if stopped is not None:
            raise Fail(stopped["message"])
        return result

    async def replan(self, run_input: Any, ctx: Context) -> dict[str, Any]:
        """
        Return the next plan, after its workflow was registered.

        Raises:
            DecompositionFailed: With everything that is wrong with it.
        """
        program, revision = self._program, run_input["revision"]
        run_id, step = run_input["previous"]
        last = await self._store.step_output(UUID(run_id), step)
        if not revision:
            return {**last, "stats": {**last["stats"], "is_revision": True}}
        goal, options = run_input["goal"], run_input["options"]
        stopped = run_input["stopped"]
        began_at = time.monotonic()
        tell = program.teller(run_input, ctx)
        tell("goal_replan_started", {"revision": revision, "failed": stopped["task"]})

        async def ask() -> tuple[Expansion, Done, Any]:
            found, done = await self._ask(run_input, last, ctx.attempt, tell)
            known = await program.register_found(goal, found, options, done.keys)
            return found, done, known

        try:
            found, done, known = await program.in_time(
                ask, options, ctx.attempt, tell, ctx
            )
        except DecompositionFailed as error:
            tell(
                "goal_replan_failed",
                {"revision": revision, "error": error.message, "issues": error.issues},
                is_last=True,
            )
            raise
        assert found.tree is not None
        plan, _ = flatten(
            found.tree, is_flat=options["is_flat"], kept=done.keys, has_goals=True
        )
        answer = {
            "tree": found.tree.to_json(),
            "needed": sorted(plan.needed),
            "kept": dict(done.outputs),
            "skipped": sorted(done.skipped),
            "workflow_id": known.workflow_id,
            "workflow": known.compiled.name,
            "revision": revision,
            "reason": stopped["message"],
            "stats": {
                "tasks": len(known.compiled.steps),
                "is_revision": True,
                **usage_of(found, time.monotonic() - began_at),
            },
        }
        tell.revised(revision, stopped["message"], answer["tree"])
        return answer

    async def _ask(
        self, run_input: Any, last: Mapping[str, Any], attempt: int, tell: Any
    ) -> tuple[Expansion, Done]:
        program = self._program
        limits = Limits.from_json(run_input["options"]["limits"])
        nest = program.nest_of(run_input)
        root = nest.get("root", run_input["goal_run"])
        budget, _ = await program.spending.budget(limits, root)
        with program.spending.counting(root, budget) as spent:
            found, done = await self._plan(run_input, last, attempt, budget, tell)
            spent.is_kept = found.tree is not None
        return found, done

    async def _plan(
        self,
        run_input: Any,
        last: Mapping[str, Any],
        attempt: int,
        budget: Budget,
        tell: Any,
    ) -> tuple[Expansion, Done]:
        program, stopped = self._program, run_input["stopped"]
        goal, options = run_input["goal"], run_input["options"]
        limits, nest = budget.limits, program.nest_of(run_input)
        catalog = program.catalog_of(options)
        tree = GoalTree.model_validate(last["tree"])
        level = tuple(stopped["level"])
        done, steps = await self._done(run_input, last, tree)
        graph = at(tree, level).graph
        hashes = [*nest["ancestors"], *_hashes(tree, level)]
        depth = nest["depth"] + len(level)
        combined: list[Combined] = []

        def check(answer: object) -> list[Issue]:
            remainder, issues = parse_graph(answer, goal=graph.goal)
            if remainder is None:
                return issues
            made = combine(tree, level, done, remainder)
            combined.append(made)
            return [
                *issues,
                *made.issues,
                *validate(made.graph, catalog, limits, depth=depth),
            ]

        running, pending = states(tree, level, steps, done)
        failure = Failure(
            task=stopped["task"],
            kind=stopped["kind"],
            message=stopped["message"],
            attempts=stopped["attempts"],
        )
        context = ReplanContext(
            depth=depth,
            path=(*nest["path"], *level),
            catalog=catalog.view,
            limits=limits,
            budget=budget,
            inputs=deepcopy(run_input.get("inputs") or goal_input(goal)),
            failures=(failure,),
            attempt=attempt,
            seed=int(goal_hash(graph.goal)[:8], 16),
            goal_hash=goal_hash(graph.goal),
            check=check,
            notify=tell,
            # of its own: what it does to them must not be what is kept
            graph=graph.model_copy(deep=True),
            completed=deepcopy(done.completed(tree, level)),
            failed=failure,
            running=[name for name in running if name != stopped["task"]],
            pending=[name for name in pending if name != stopped["task"]],
            revision=run_input["revision"],
        )
        if issue := budget.exceeded("/goal"):
            return Expansion(tree=None, issues=(issue,), budget=budget), done
        if program.planner is None:
            raise DecompositionFailed(
                f"task {stopped['task']!r} needs another plan, and there is no "
                f"decomposer: {stopped['message']}",
                hint="Give a decomposer.",
            )
        budget.expansions += 1
        answer, late = await budget.answer(program.planner.replan(context), "/goal")
        if late is not None:
            return Expansion(tree=None, issues=(late,), budget=budget), done
        combined.clear()
        issues = check(answer)
        if issues:
            return Expansion(tree=None, issues=tuple(issues), budget=budget), done
        (made,) = combined
        found = await expand(
            graph.goal,
            program.ask,
            catalog,
            limits,
            mode=options["expansion"],
            is_flat=options["is_flat"],
            budget=budget,
            graph=made.graph,
            failures=(failure,),
            attempt=attempt,
            depth=depth,
            ancestors=hashes[:-1],
            place=context.path,
            inputs=context.inputs,
            known=made.known,
            concurrency=options["decompose_concurrency"],
            notify=tell,
        )
        done = done.without([(*level, name) for name in made.dropped])
        if found.tree is None:
            pointer = _pointer(tree, level)
            issues = list(prefixed(found.issues, pointer))
            return Expansion(tree=None, issues=tuple(issues), budget=budget), done
        whole = put(tree, level, found.tree)
        return Expansion(tree=whole, budget=budget), done

    async def _done(
        self, run_input: Any, last: Mapping[str, Any], tree: GoalTree
    ) -> tuple[Done, dict[tuple[str, ...], str]]:
        """Return what is through, and the statuses of the steps that had begun."""
        paths = _paths(run_input, last, tree)
        run_id = UUID(run_input["plan_run"])
        told = await self._store.run_status(run_id)
        outputs = await self._store.step_outputs(run_id)
        goals = {one["name"] for one in told["steps"] if one["workflow"] is not None}
        stopped = (*run_input["stopped"]["level"], run_input["stopped"]["task"])
        skipped = {
            "/".join(paths[one["name"]])
            for one in told["steps"]
            if one["status"] == "skipped"
            and one["name"] in paths
            and one["skip_reason"] != "dependency skipped"
            and paths[one["name"]][: len(stopped)] != stopped
            and not _gave_up(tree, paths[one["name"]], one)
        }
        done = Done(
            outputs={**last.get("kept", {}), **read_outputs(outputs, paths, goals)},
            skipped=frozenset({*last.get("skipped", ()), *skipped}),
        )
        begun = {
            paths[one["name"]]: one["status"]
            for one in told["steps"]
            if one["started_at"] is not None and one["name"] in paths
        }
        return done, begun


def _paths(
    run_input: Mapping[str, Any], plan: Mapping[str, Any], tree: GoalTree
) -> dict[str, tuple[str, ...]]:
    kept = [*plan.get("kept", ()), *plan.get("skipped", ())]
    return names_of_tasks(tree, is_flat=run_input["options"]["is_flat"], kept=kept)


def _gave_up(tree: GoalTree, path: tuple[str, ...], step: Mapping[str, Any]) -> bool:
    task = _spec(tree, path)
    is_failure = step["skip_reason"] == "handler failed" and step["error"]
    return bool(is_failure) and task is not None and task.on_failure == "replan"


def _spec(tree: GoalTree, path: tuple[str, ...] | None) -> Any:
    if path is None:
        return None
    tasks = at(tree, path[:-1]).graph.tasks
    return next((one for one in tasks if one.id == path[-1]), None)


def _hashes(tree: GoalTree, level: tuple[str, ...]) -> list[str]:
    graphs = [at(tree, level[:length]).graph for length in range(len(level) + 1)]
    return [goal_hash(graph.goal) for graph in graphs]


def _pointer(tree: GoalTree, level: tuple[str, ...]) -> str:
    found = ""
    for length, name in enumerate(level):
        ids = [task.id for task in at(tree, level[:length]).graph.tasks]
        found += f"/tasks/{ids.index(name)}"
    return found


def _end(run: Mapping[str, Any], message: str) -> Exception:
    """Return what a goal ends with because *run* has failed with *message*."""
    error = error_of(run)
    if error.get("type") == CHILD_FAILED:
        error = error_of({"error": error.get("cause")})
    if error.get("type") == DECOMPOSITION_FAILED:
        return to_decomposition_failed(error)
    return Fail(message)


def _told(run: Mapping[str, Any], stopped: Mapping[str, Any] | None = None) -> str:
    """Say what became of the run of a plan, and which task it was."""
    kind, message = cause_of(run)
    step = (run["error"] or {}).get("step")
    if stopped is not None and not kind:
        # it was completed but for a task that was given up
        kind, message, step = stopped["kind"], stopped["message"], stopped["task"]
    what = f"child run {run['id']} of workflow {run['workflow']!r} failed: "
    if step is not None and kind != CHILD_FAILED:
        what += f"task {step!r}: "
    return f"{what}{kind.rpartition('.')[2]}: {message}" if kind else f"{what}{message}"
