"""
Decompose a goal, and the goals among its tasks, until all is functions.

Breadth first: a limit is reached after all of the upper levels are known, and never
within one graph. The driver decides nothing else: what it is given decomposes, what it
returns is data, and the same answers give the same tree.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from singularity_workflow.model.issues import Issue, json_pointer
from singularity_workflow.orchestrator.decomposers.contexts import (
    DecomposeContext,
    Failure,
)
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import (
    goal_hash,
    goal_input,
    goal_text,
)
from singularity_workflow.orchestrator.graphs.graph import TaskGraph, TaskSpec
from singularity_workflow.orchestrator.graphs.limits import Budget, Limits
from singularity_workflow.orchestrator.graphs.reading import parse_graph
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.graphs.validation import validate
from singularity_workflow.orchestrator.planning.flattening import flatten

__all__ = ["Decompose", "Expansion", "Mode", "expand"]

Decompose: TypeAlias = Callable[[Any, DecomposeContext], Awaitable[object]]
Mode: TypeAlias = Literal["eager", "lazy"]

_MOST_ISSUES: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """
    What became of a goal.

    Args:
        tree: The goal's graph and those in it; None with issues.
        issues: What is wrong, with pointers into the graph, through the tasks whose
            graphs they are in: `/tasks/2/tasks/0/handler`.
        expansions: How often something was decomposed.
        budget: What it took.

    .. versionadded:: 0.1
    """

    tree: GoalTree | None
    issues: tuple[Issue, ...] = ()
    expansions: int = 0
    budget: Budget = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Goal:
    """One goal that waits to be decomposed."""

    goal: Any
    path: tuple[str, ...] = ()
    hashes: tuple[str, ...]
    pointer: str = ""
    siblings: Sequence[TaskSpec] = ()
    inputs: Mapping[str, Any]


async def expand(
    goal: Any,
    decompose: Decompose,
    catalog: Catalog,
    limits: Limits | None = None,
    *,
    mode: Mode = "eager",
    budget: Budget | None = None,
    graph: TaskGraph | None = None,
    failures: Sequence[Failure] = (),
    attempt: int = 1,
    depth: int = 1,
    ancestors: Sequence[str] = (),
    place: Sequence[str] = (),
    inputs: Mapping[str, Any] | None = None,
    known: Mapping[str, GoalTree] | None = None,
    used_tasks: int = 0,
    concurrency: int = 1,
    is_flat: bool = True,
    notify: Callable[[str, Mapping[str, Any]], None] = lambda name, members: None,
) -> Expansion:
    """
    Decompose *goal* level by level.

    Args:
        goal: The goal, as plain JSON values.
        decompose: Answers for one goal, with anything that `parse_graph` reads.
        catalog: The functions that tasks may use.
        limits: What may not be exceeded; by default `Limits()`.
        mode: "eager": until all tasks are primitive. "lazy": the first level only.
        budget: What was used before; by default nothing.
        graph: The first level, if it is known already.
        failures: What went wrong in earlier attempts, for the decomposer.
        attempt: Which attempt this is, from 1.
        depth: Level of the goal, if it is a part of others.
        ancestors: Hashes of the goals that it is a part of.
        place: Ids of the tasks from the first goal to this one.
        inputs: What its tasks see; by default the goal.
        known: What tasks of the first level were decomposed into before, by id.
        used_tasks: Tasks that there are elsewhere, of those that there may be.
        concurrency: How many goals of one level are decomposed at once.
        is_flat: Whether all levels become one run, as of `flatten`.
        notify: Told of what happens meanwhile, as name and members of an event.

    Returns:
        A tree that can be run, or the issues of all that is wrong with the level at
        which it ended.

    .. versionadded:: 0.1
    """
    limits = limits or Limits()
    driver = _Driver(
        decompose, catalog, limits, budget=budget or Budget(limits), mode=mode,
        failures=failures, attempt=attempt, notify=notify, known=known or {},
        used_tasks=used_tasks, place=tuple(place), concurrency=concurrency,
        is_flat=is_flat,
    )  # fmt: skip
    return await driver.expand(goal, graph, depth, tuple(ancestors), inputs)


class _Driver:
    """The state of one expansion."""

    def __init__(
        self,
        decompose: Decompose,
        catalog: Catalog,
        limits: Limits,
        *,
        budget: Budget,
        mode: Mode,
        failures: Sequence[Failure],
        attempt: int,
        notify: Callable[[str, Mapping[str, Any]], None],
        known: Mapping[str, GoalTree],
        used_tasks: int,
        place: tuple[str, ...],
        concurrency: int,
        is_flat: bool,
    ) -> None:
        self._concurrency = concurrency
        self._is_flat = is_flat
        self._place = place
        self._known = known
        self._notify = notify
        self._decompose = decompose
        self._catalog = catalog
        self._limits = limits
        self._budget = budget
        self._mode = mode
        self._failures = failures
        self._attempt = attempt
        self._issues: list[Issue] = []
        self._graphs: dict[tuple[str, ...], TaskGraph] = {}
        self._task_count = used_tasks + sum(one.task_count for one in known.values())

    async def expand(
        self,
        goal: Any,
        graph: TaskGraph | None,
        depth: int,
        ancestors: tuple[str, ...],
        inputs: Mapping[str, Any] | None = None,
    ) -> Expansion:
        own = goal_hash(goal)
        if own in ancestors:
            self._issues.append(_recursion("", goal))
        if depth > self._limits.max_depth:
            self._issues.append(_too_deep(goal, depth, self._limits.max_depth))
        if inputs is None:
            inputs = goal_input(goal)
        first = _Goal(goal=goal, hashes=(*ancestors, own), inputs=inputs)
        level = [first]
        if graph is not None and not self._issues:
            level = self._take(first, graph, depth)
            depth += 1
        while level and not self._issues:
            level = await self._decompose_level(level, depth)
            depth += 1
        tree = None
        if not self._issues:
            tree = self._tree(())
            if self._mode == "eager":
                self._issues += flatten(tree, is_flat=self._is_flat)[1]
        return Expansion(
            tree=None if self._issues else tree,
            issues=tuple(self._issues),
            expansions=self._budget.expansions,
            budget=self._budget,
        )

    async def _decompose_level(self, level: list[_Goal], depth: int) -> list[_Goal]:
        """Decompose the goals of a level; return those of the next one."""
        following: list[_Goal] = []
        for some in _batches(level, self._concurrency):
            graphs = await self._ask_all(some, depth)
            # in order, whoever answered first: the same answers give the same tree
            for one, found in zip(some, graphs, strict=True):
                if isinstance(found, TaskGraph):
                    following += self._take(one, found, depth)
                else:
                    self._add(one, found)
            if len(self._issues) >= _MOST_ISSUES:
                break
        return following

    async def _ask_all(
        self, goals: Sequence[_Goal], depth: int
    ) -> list[TaskGraph | list[Issue]]:
        """Return what each goal is decomposed into, or what is wrong with that."""
        if len(goals) == 1:
            return [await self._ask(goals[0], depth)]
        tasks = [asyncio.ensure_future(self._ask(one, depth)) for one in goals]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _ask(self, one: _Goal, depth: int) -> TaskGraph | list[Issue]:
        if issue := self._budget.exceeded("/goal"):
            return [issue]
        self._budget.expansions += 1
        tell = functools.partial(self._tell, one, depth)
        context = DecomposeContext(
            depth=depth,
            path=(*self._place, *one.path),
            catalog=self._catalog.view,
            limits=self._limits,
            budget=self._budget,
            inputs=deepcopy(one.inputs),
            siblings=one.siblings,
            failures=self._failures,
            attempt=self._attempt,
            seed=int(one.hashes[-1][:8], 16),
            goal_hash=one.hashes[-1],
            check=lambda answer: self._check(one, answer, depth),
            notify=tell,
        )
        if one.path:
            tell("goal_decomposition_started", {})
        # of its own: what it does to them must not be what runs
        asked = self._decompose(deepcopy(one.goal), context)
        answer, late = await self._budget.answer(asked, "/goal")
        graph, issues = None, [] if late is None else [late]
        if late is None:
            graph, issues = parse_graph(answer, goal=one.goal)
        if graph is None:
            if one.path:
                tell("goal_decomposition_failed", {"issues": issues})
            return issues
        if one.path:
            tell("goal_decomposition_completed", {"tasks": len(graph.tasks)})
        return graph

    def _tell(
        self, one: _Goal, depth: int, name: str, members: Mapping[str, Any]
    ) -> None:
        """Tell of an event of a goal, with what says which goal that is."""
        if one.path:
            *_, parent, own_hash = one.hashes
            own = {
                "goal": one.goal, "goal_hash": own_hash, "parent": parent,
                "depth": depth, "path": list(one.path),
            }  # fmt: skip
            members = {**own, **members}
        self._notify(name, members)

    def _check(self, one: _Goal, answer: object, depth: int) -> list[Issue]:
        """Tell what is wrong with an answer, as it would be told at the end."""
        graph, issues = parse_graph(answer, goal=one.goal)
        return issues if graph is None else self._graph_issues(one, graph, depth)

    def _graph_issues(self, one: _Goal, graph: TaskGraph, depth: int) -> list[Issue]:
        issues = validate(graph, self._catalog, self._limits, depth=depth)
        for number, task in enumerate(graph.tasks):
            if task.goal is not None and goal_hash(task.goal) in one.hashes:
                pointer = json_pointer("tasks", number, "goal")
                issues.append(_recursion(pointer, task.goal))
        count = self._task_count + len(graph.tasks)
        if not issues and count > self._limits.max_tasks:
            issues.append(self._too_many(count))
        return issues

    def _take(self, one: _Goal, graph: TaskGraph, depth: int) -> list[_Goal]:
        """Keep a graph if it is right, and return the goals in it."""
        if graph.goal != one.goal:
            graph = graph.model_copy(update={"goal": one.goal})
        issues = self._graph_issues(one, graph, depth)
        self._task_count += len(graph.tasks)
        goals: list[_Goal] = []
        for number, task in enumerate(graph.tasks):
            pointer = json_pointer("tasks", number)
            is_known = not one.path and task.id in self._known
            if task.is_compound and self._mode == "eager" and not is_known:
                inner = {**one.inputs, **goal_input(task.goal), **_values(task)}
                goals.append(
                    _Goal(
                        goal=task.goal,
                        path=(*one.path, task.id),
                        hashes=(*one.hashes, goal_hash(task.goal)),
                        pointer=one.pointer + pointer,
                        siblings=graph.tasks,
                        inputs=inner,
                    )
                )
        self._add(one, issues)
        self._graphs[one.path] = graph
        return [] if issues else goals

    def _too_many(self, count: int) -> Issue:
        most = self._limits.max_tasks
        return Issue(
            code="too_many_tasks",
            pointer="/tasks",
            message=f"with these there are {count} tasks in all levels, and "
            f"at most {most} may be",
            hint="Map over arrays, or raise max_tasks.",
        )

    def _add(self, one: _Goal, issues: Sequence[Issue]) -> None:
        where = f"in {'/'.join(one.path)}: " if one.path else ""
        self._issues += [
            replace(
                issue,
                pointer=one.pointer + issue.pointer,
                message=where + issue.message,
            )
            for issue in issues
        ]

    def _tree(self, path: tuple[str, ...]) -> GoalTree:
        """Put the graphs into each other; they are no deeper than the limit."""
        graph = self._graphs[path]
        nested = {
            task.id: self._tree((*path, task.id))
            for task in graph.tasks
            if (*path, task.id) in self._graphs
        }
        if not path:
            nested |= self._known
        return GoalTree.model_construct(graph=graph, nested=nested)


def _batches(goals: Sequence[_Goal], size: int) -> Iterator[Sequence[_Goal]]:
    for start in range(0, len(goals), size):
        yield goals[start : start + size]


def _values(task: TaskSpec) -> dict[str, Any]:
    refs = task.refs
    return {name: one for name, one in task.args.items() if name not in refs}


def _too_deep(goal: object, depth: int, most: int) -> Issue:
    return Issue(
        code="too_deep",
        pointer="/goal",
        message=f"the goal {_shown(goal)} would be decomposed at level {depth}, and "
        f"there are at most {most}",
        hint="Answer with tasks that have handlers, or raise max_depth.",
    )


def _shown(goal: object) -> str:
    text = goal_text(goal)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _recursion(pointer: str, goal: Any) -> Issue:
    return Issue(
        code="recursion_loop",
        pointer=pointer,
        message=f"the goal {_shown(goal)} is a part of itself",
        hint="Decompose it into other goals, or into tasks with handlers.",
    )
