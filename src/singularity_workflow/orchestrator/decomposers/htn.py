"""
Decompose by a table of methods, as hierarchical task network planners do.

A compound task has methods, tried in order; each says of which tasks it is made, or
that it does not apply. What is no compound task is a function of the catalog, whose
operator, if it has one, says what it changes in the planner's state. Where a choice
leads nowhere the planner goes back to the last one and tries the next method. The same
table, goal and state give the same plan. (Depth-first search with backtracking, as in
the Pyhop family of planners, here with a stack of its own instead of recursion.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self, TypeAlias

from singularity_workflow.errors import DecompositionFailed, DefinitionError
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.orchestrator.decomposers.contexts import DecomposeContext

__all__ = ["HTNDecomposer"]

Method: TypeAlias = Callable[..., Any]
Operator: TypeAlias = Callable[..., Any]

_SHOWN: Final = 20


@dataclass(frozen=True)
class _Agenda:
    """Tasks that are still to be planned, as a list that shares its end."""

    name: str
    args: tuple[Any, ...]
    depth: int
    rest: _Agenda | None


@dataclass(frozen=True)
class _Planned:
    """Tasks that are planned, last first, as a list that shares its end."""

    name: str
    args: tuple[Any, ...]
    before: _Planned | None


class HTNDecomposer:
    """
    Plan by methods, with backtracking.

    Args:
        methods: For each compound task its methods, in the order in which they are
            tried. A method takes the state and the task's arguments, and returns the
            tasks that it is made of, each a name or a tuple of name and arguments; or
            None if it does not apply.
        operators: For functions of the catalog: what they change. An operator takes the
            state and the arguments, and returns the new state, or None or False if it
            cannot be.
        state: What the planner begins with: any value that can be copied, by default
            the goal if it is a mapping, else an empty dict.
        max_steps: The most choices that are tried.

    Raises:
        DefinitionError: If the methods are no table of functions.

    The goal is the name of a task, a list of name and arguments, or a mapping with
    `task` and `args`. The plan is a chain: each task waits for the one before.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        methods: Mapping[str, Sequence[Method]],
        operators: Mapping[str, Operator] | None = None,
        *,
        state: Any = None,
        max_steps: int = 100_000,
    ) -> None:
        self._methods = _read_methods(methods)
        self._operators = dict(operators or {})
        self._state = state
        self._max_steps = max_steps

    @classmethod
    def from_gtpyhop(
        cls, domain: Any, *, state: Any = None, max_steps: int = 100_000
    ) -> Self:
        """
        Return the planner of a domain that was written for GTPyhop.

        Args:
            domain: A `gtpyhop.Domain`, with what was declared in it: the methods of
                tasks, and actions, which become operators. Functions of the catalog
                with the names of actions are what runs.
            state: What the planner begins with, such as a `gtpyhop.State`.
            max_steps: The most choices that are tried.

        Raises:
            DefinitionError: It is no such domain, or has methods of unigoals or
                multigoals, which have no counterpart here.
        """
        methods, actions = (
            getattr(domain, name, None)
            for name in ("_task_method_dict", "_action_dict")
        )
        if not isinstance(methods, Mapping) or not isinstance(actions, Mapping):
            raise DefinitionError(
                f"a domain of GTPyhop is needed, got {type(domain).__name__}",
                hint="Give gtpyhop.current_domain, after its methods are declared.",
            )
        others = getattr(domain, "_unigoal_method_dict", None)
        if others or getattr(domain, "_multigoal_method_list", None):
            raise DefinitionError(
                f"{domain} has methods of goals, and only those of tasks can be taken",
                hint="Declare them with declare_task_methods.",
            )
        # what verifies goals is in every domain, and nothing uses it without goals
        named = {
            name: listed
            for name, listed in methods.items()
            if name not in ("_verify_g", "_verify_mg")
        }
        return cls(named, dict(actions), state=state, max_steps=max_steps)

    def decompose(self, goal: Any, ctx: DecomposeContext) -> list[dict[str, Any]]:
        """
        Return the first plan that is found, as a chain of tasks.

        Raises:
            DecompositionFailed: There is none, or none within `max_steps`.
        """
        name, args = _read_goal(goal)
        state = self._state
        if state is None:
            state = dict(goal) if isinstance(goal, Mapping) else {}
        planned = self._search(name, args, state, ctx)
        return _to_tasks(planned, ctx)

    def _search(
        self, name: str, args: tuple[Any, ...], state: Any, ctx: DecomposeContext
    ) -> list[_Planned]:
        known = {*self._methods, *self._operators, *ctx.catalog.names}
        first = _Agenda(name, args, 1, None)
        # what is left to try: agenda, state, plan, and the next method of its head
        choices: list[tuple[_Agenda | None, Any, _Planned | None, int]]
        choices = [(first, deepcopy(state), None, 0)]
        for _ in range(self._max_steps):
            if not choices:
                raise DecompositionFailed(
                    f"no choice of methods leads to a plan for {name!r}",
                    hint="Check what its methods return for this goal.",
                )
            agenda, state, plan, place = choices.pop()
            if agenda is None:
                return _listed(plan)
            if agenda.name not in known:
                raise _unknown(agenda.name, known)
            methods = self._methods.get(agenda.name)
            if methods is None:
                after = self._operate(agenda, state)
                if after is not None:
                    done = _Planned(agenda.name, agenda.args, plan)
                    choices.append((agenda.rest, after, done, 0))
                continue
            if place < len(methods):
                # the next one, if this one leads nowhere
                choices.append((agenda, state, plan, place + 1))
                subtasks = methods[place](deepcopy(state), *agenda.args)
                following = _prepend(subtasks, agenda, ctx)
                if following is not _NOTHING:
                    choices.append((following, state, plan, 0))
        raise DecompositionFailed(
            f"no plan for {name!r} within {self._max_steps} steps",
            hint="Let methods return None earlier, or raise max_steps.",
            issues=[
                Issue(
                    code="budget_exhausted",
                    pointer="/goal",
                    message=f"the planner has taken {self._max_steps} steps",
                )
            ],
        )

    def _operate(self, agenda: _Agenda, state: Any) -> Any:
        operator = self._operators.get(agenda.name)
        if operator is None:
            return state
        after = operator(deepcopy(state), *agenda.args)
        return None if after is False else after


_NOTHING: Any = object()


def _prepend(subtasks: Any, agenda: _Agenda, ctx: DecomposeContext) -> Any:
    """Return the agenda with *subtasks* for its head; `_NOTHING` if it is no way."""
    if subtasks is None or subtasks is False:
        return _NOTHING
    # a task within itself without end is no way either
    if agenda.depth > ctx.limits.max_tasks:
        return _NOTHING
    if isinstance(subtasks, str):
        raise DecompositionFailed(
            f"a method of {agenda.name!r} returned {subtasks!r}, which is no list",
            hint=f"Return [{subtasks[:60]!r}].",
        )
    most = ctx.limits.max_tasks
    listed = list(islice(subtasks, most + 1))
    if len(listed) > most:
        raise DecompositionFailed(
            f"a method of {agenda.name!r} returned more than {most} tasks",
            hint="Raise max_tasks, or return fewer.",
        )
    following = agenda.rest
    for one in reversed(listed):
        name, args = _read_task(one)
        following = _Agenda(name, args, agenda.depth + 1, following)
    return following


def _read_goal(goal: Any) -> tuple[str, tuple[Any, ...]]:
    if isinstance(goal, Mapping):
        name = goal.get("task", goal.get("goal"))
        args = goal.get("args", ())
        if isinstance(name, str) and isinstance(args, (list, tuple)):
            return name, tuple(args)
        raise DecompositionFailed(
            "the goal names no task", hint='Write {"task": name, "args": [...]}.'
        )
    return _read_task(goal)


def _read_task(given: Any) -> tuple[str, tuple[Any, ...]]:
    if isinstance(given, str):
        return given, ()
    if isinstance(given, (list, tuple)) and given and isinstance(given[0], str):
        return given[0], tuple(given[1:])
    raise DecompositionFailed(
        f"{given!r} is no task", hint="Write a name, or a tuple of name and arguments."
    )


def _unknown(name: str, known: set[str]) -> DecompositionFailed:
    hint = did_you_mean(name, known) or (
        f"Known are {', '.join(sorted(known)[:_SHOWN])}."
        if known
        else "There are neither methods nor functions."
    )
    issue = Issue(
        code="unknown_handler",
        pointer="/goal",
        message=f"task {name!r} has no method, and there is no function of its name",
        hint=hint,
    )
    return DecompositionFailed(issue.message, hint=hint, issues=[issue])


def _listed(plan: _Planned | None) -> list[_Planned]:
    found: list[_Planned] = []
    while plan is not None:
        found.append(plan)
        plan = plan.before
    return found[::-1]


def _to_tasks(
    planned: Sequence[_Planned], ctx: DecomposeContext
) -> list[dict[str, Any]]:
    parameters = {
        one["name"]: list(one["parameters"]["properties"])
        for one in ctx.catalog.entries
    }
    tasks: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    taken: set[str] = set()
    for one in planned:
        counts[one.name] = counts.get(one.name, 0) + 1
        key = _id(one.name, counts[one.name])
        while key in taken:
            counts[one.name] += 1
            key = _id(one.name, counts[one.name])
        taken.add(key)
        names = parameters.get(one.name, [])
        if len(one.args) > len(names):
            raise DecompositionFailed(
                f"task {one.name!r} has {len(one.args)} arguments, and its function "
                f"takes {len(names)}"
            )
        task = {"id": key, "handler": one.name}
        if one.args:
            task["args"] = dict(zip(names, one.args, strict=False))  # type: ignore[assignment]
        if tasks:
            task["depends_on"] = [tasks[-1]["id"]]  # type: ignore[assignment]
        tasks.append(task)
    return tasks


def _id(name: str, number: int) -> str:
    """Return the id of the *number*-th task called *name*."""
    safe = "".join(one if one.isalnum() and one.isascii() else "_" for one in name)
    tail = f"_{number}" if number > 1 else ""
    head = safe.lower().strip("_") or "task"
    if head[0].isdigit():
        head = f"task_{head}"
    return head[: 63 - len(tail)] + tail


def _read_methods(methods: object) -> dict[str, tuple[Method, ...]]:
    hint = 'Write {"travel": [by_train, on_foot]}, with functions.'
    if not isinstance(methods, Mapping):
        raise DefinitionError(
            f"methods must be a mapping of tasks to their methods, got "
            f"{type(methods).__name__}",
            hint=hint,
        )
    for name, listed in methods.items():
        is_listed = isinstance(listed, Sequence) and not isinstance(listed, str)
        if not is_listed or not listed or not all(map(callable, listed)):
            raise DefinitionError(
                f"the methods of task {name!r} must be a list of functions, got "
                f"{listed!r}",
                hint=hint,
            )
    return {name: tuple(listed) for name, listed in methods.items()}
