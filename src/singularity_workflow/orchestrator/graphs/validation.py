"""
Find everything that is wrong with a task graph.

Linear in tasks and edges and without recursion, as `model.validation`. Nothing is
mended and no task is dropped: the issues are for whoever made the graph.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from singularity_workflow.model.cycles import find_cycles
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.names import did_you_mean, name_problem
from singularity_workflow.orchestrator.graphs.catalog import Catalog, Handler
from singularity_workflow.orchestrator.graphs.graph import Ref, TaskGraph, TaskSpec
from singularity_workflow.orchestrator.graphs.limits import Limits
from singularity_workflow.orchestrator.graphs.schema_paths import (
    MAX_PATH,
    is_no_array,
    path_problem,
    pointer_to,
)

__all__ = ["validate"]

_MAX_SUGGESTIONS: Final = 20
_SHOWN: Final = 12
_POINTER: Final = re.compile(r"(/([^~/]|~[01])*)*", re.DOTALL)
_GIVEN: Final = frozenset({"ctx", "run_input"})


def validate(
    graph: TaskGraph,
    catalog: Catalog,
    limits: Limits | None = None,
    *,
    depth: int = 1,
    is_nestable: bool = True,
) -> list[Issue]:
    """
    Return every problem of *graph*, in the order of its tasks; none if it can be run.

    Args:
        graph: The graph.
        catalog: The functions that its tasks may use.
        limits: What it may not exceed; by default `Limits()`.
        depth: Its level: 1 for that of the goal itself.
        is_nestable: Whether somebody decomposes its compound tasks.

    .. versionadded:: 0.1
    """
    found = _Validation(graph, catalog, limits or Limits(), depth, is_nestable)
    return list(found.issues())


class _Validation:
    """One pass over one graph."""

    def __init__(
        self,
        graph: TaskGraph,
        catalog: Catalog,
        limits: Limits,
        depth: int,
        is_nestable: bool,
    ) -> None:
        self._graph = graph
        self._catalog = catalog
        self._limits = limits
        self._depth = depth
        self._is_nestable = is_nestable
        self._suggestions = _MAX_SUGGESTIONS
        self._numbers: dict[str, int] = {}
        self._paths: dict[tuple[str, bool, str], str | None] = {}
        for number, task in enumerate(graph.tasks):
            self._numbers.setdefault(task.id, number)

    def issues(self) -> Iterator[Issue]:
        tasks = self._graph.tasks
        if not tasks:
            yield _issue(
                "empty",
                "/tasks",
                "the plan has no tasks",
                "Give at least one task; a goal that needs nothing is no goal.",
            )
        if len(tasks) > self._limits.max_tasks:
            yield _issue(
                "too_many_tasks",
                "/tasks",
                f"{len(tasks)} tasks are more than {self._limits.max_tasks}",
                "Map over an array instead of writing a task for each element.",
            )
        for number, task in enumerate(tasks):
            yield from self._task_issues(number, task)
        yield from self._cycle_issues()
        yield from self._fan_out_issues()
        yield from self._output_issues()

    def _task_issues(self, number: int, task: TaskSpec) -> Iterator[Issue]:
        first = self._numbers[task.id]
        if first != number:
            yield _issue(
                "duplicate_id",
                pointer_to("tasks", number, "id"),
                f"there are two tasks {task.id!r}: tasks {first} and {number}",
                "Give one of them another id.",
            )
        elif problem := name_problem(task.id):
            message = f"the task id {task.id!r} {problem}"
            pointer = pointer_to("tasks", number, "id")
            yield _issue("bad_name", pointer, message, f"'{task.id}_task' would do.")
        elif task.id in self._catalog.reserved:
            yield _issue(
                "bad_name",
                pointer_to("tasks", number, "id"),
                f"the task id {task.id!r} is the name of a resource, whose place its "
                "output would take",
                f"'{task.id}_task' would do.",
            )
        yield from self._edge_issues(number, task)
        if task.goal is not None:
            yield from self._nesting_issues(number, task)
        if not task.is_compound:
            yield from self._handler_issues(number, task)

    def _edge_issues(self, number: int, task: TaskSpec) -> Iterator[Issue]:
        for position, name in enumerate(task.depends_on):
            if name == task.id or name not in self._numbers:
                pointer = pointer_to("tasks", number, "depends_on", position)
                yield self._no_dependency(task, name, pointer)
        for name, ref in task.refs.items():
            yield from self._ref_issues(
                task, ref, pointer_to("tasks", number, "args", name)
            )
        if task.map_over is not None:
            pointer = pointer_to("tasks", number, "map_over")
            issues = [*self._ref_issues(task, task.map_over, pointer)]
            yield from issues
            if not issues and self._is_no_array(task.map_over):
                yield _issue(
                    "bad_ref_path",
                    f"{pointer}/path",
                    f"task {task.id!r} maps over {_show(task.map_over.path)} of "
                    f"{task.map_over.task!r}, which is no array",
                    "Refer to an array in it, or to the output of another task.",
                )

    def _no_dependency(self, task: TaskSpec, name: str, pointer: str) -> Issue:
        if name == task.id:
            return _issue(
                "self_dependency",
                pointer,
                f"task {task.id!r} depends on itself",
                "Take it out.",
            )
        return _issue(
            "unknown_dependency",
            pointer,
            f"task {task.id!r} depends on {_show(name)}, which does not exist",
            self._suggest(name, self._numbers, task.id)
            or "Use the id of a task of this plan.",
        )

    def _ref_issues(self, task: TaskSpec, ref: Ref, pointer: str) -> Iterator[Issue]:
        if ref.task == task.id or ref.task not in self._numbers:
            yield self._no_dependency(task, ref.task, f"{pointer}/task")
        elif problem := self._path_problem(ref):
            yield _issue(
                "bad_ref_path",
                f"{pointer}/path",
                f"task {task.id!r} refers to {_show(ref.path)} of {ref.task!r}: "
                f"{problem}",
            )

    def _path_problem(self, ref: Ref) -> str | None:
        if not ref.path:
            return None
        if len(ref.path) > MAX_PATH:
            return f"a path has at most {MAX_PATH} characters"
        if not _POINTER.fullmatch(ref.path):
            return "that is no JSON pointer, which begins with '/' and has '~0' for '~'"
        other = self._graph.tasks[self._numbers[ref.task]]
        handler = self._catalog.get(other.function)
        if other.becomes_goal or handler is None:
            return None  # which is known when it is decomposed
        key = (handler.name, other.map_over is not None, ref.path)
        if key not in self._paths:
            schema, problem = _output_schema(handler, other), None
            if schema is not None:
                has_hint = self._suggestions > 0
                problem = path_problem(schema, ref.path, has_hint=has_hint)
                self._suggestions -= has_hint and problem is not None
            self._paths[key] = problem
        return self._paths[key]

    def _is_no_array(self, ref: Ref) -> bool:
        """Tell whether there can be nothing to map over."""
        other = self._graph.tasks[self._numbers[ref.task]]
        handler = self._catalog.get(other.function)
        if other.is_compound or handler is None:
            return False
        if other.becomes_goal and ref.path:
            return False  # the goal in its place may give one there
        schema = _output_schema(handler, other)
        return schema is not None and is_no_array(schema, ref.path)

    def _nesting_issues(self, number: int, task: TaskSpec) -> Iterator[Issue]:
        pointer = pointer_to("tasks", number, "goal")
        if task.is_compound and not self._is_nestable:
            yield _issue(
                "no_primitive",
                pointer,
                f"task {task.id!r} is a goal without a handler, and nothing here "
                "decomposes it",
                "Give it a handler, or decompose it.",
            )
        elif task.is_compound and self._depth >= self._limits.max_depth:
            yield _issue(
                "too_deep",
                pointer,
                f"task {task.id!r} would be decomposed at level {self._depth + 1}, "
                f"and there are at most {self._limits.max_depth}",
                "Answer with tasks that have handlers.",
            )

    def _handler_issues(self, number: int, task: TaskSpec) -> Iterator[Issue]:
        handler = self._catalog.get(task.function)
        if handler is None:
            member = "id" if task.handler is None else "handler"
            what = _show(task.function)
            message = f"task {task.id!r} uses the function {what}, which does not exist"
            if task.handler is None:
                message = (
                    f"task {task.id!r} has no handler and no goal, and there is no "
                    "function of its name"
                )
            hint = self._suggest(task.function, self._catalog)
            if hint is None and self._suggestions:
                listed = ", ".join(islice(self._catalog, _SHOWN))
                hint = (
                    f"The functions are {listed}."
                    if listed
                    else "There are no functions: give step_functions some."
                )
            pointer = pointer_to("tasks", number, member)
            yield _issue("unknown_handler", pointer, message, hint)
            return
        if task.args:
            yield from self._argument_issues(number, task, handler)
        yield from self._missing_issues(number, task, handler)

    def _argument_issues(
        self, number: int, task: TaskSpec, handler: Handler
    ) -> Iterator[Issue]:
        for name, value in task.args.items():
            pointer = pointer_to("tasks", number, "args", name)
            what = f"argument {_show(name)} of task {task.id!r}"
            if name in handler.takes and self._is_given(name, task, handler):
                yield _issue("bad_args", pointer, f"{what} is not the plan's to give")
            elif name not in handler.settable and (
                not handler.takes_others
                or not name.isidentifier()
                or name in _GIVEN
                or name in handler.closed
            ):
                yield _issue(
                    "bad_args",
                    pointer,
                    f"{what}: {handler.name!r} takes no such argument",
                    self._suggest(name, handler.settable)
                    or f"It takes {', '.join(handler.settable) or 'none'}.",
                )
            elif not isinstance(value, Ref) and (
                problem := handler.argument_problem(name, value)
            ):
                yield _issue("bad_args", pointer, f"{what} does not fit {problem}")

    @staticmethod
    def _is_given(name: str, task: TaskSpec, handler: Handler) -> bool:
        if task.map_over is not None and name in ("item", "index"):
            return True
        return name not in handler.settable

    def _missing_issues(
        self, number: int, task: TaskSpec, handler: Handler
    ) -> Iterator[Issue]:
        if not handler.required:
            return
        is_map = task.map_over is not None
        needs = task.needs
        left = [
            name
            for name in handler.required
            if name not in task.args
            and name not in needs
            and not (is_map and name in ("item", "index"))
        ]
        pointer = pointer_to("tasks", number, "args")
        for name in left:
            if name in self._numbers and name != task.id:
                yield _issue(
                    "bad_args",
                    pointer,
                    f"{handler.name!r} takes the output of {name!r}, on which task "
                    f"{task.id!r} does not depend",
                    f"Add {name!r} to depends_on.",
                )
                return
        if len(left) > 1:
            names = ", ".join(map(repr, left))
            yield _issue(
                "bad_args",
                pointer,
                f"task {task.id!r} does not give {names} of {handler.name!r}",
                "Add them to args.",
            )

    def _cycle_issues(self) -> Iterator[Issue]:
        tasks = self._graph.tasks
        numbers = self._numbers
        edges = [
            [
                numbers[name]
                for name in task.needs
                if numbers.get(name, number) != number
            ]
            if numbers[task.id] == number
            else []
            for number, task in enumerate(tasks)
        ]
        for cycle in find_cycles(edges):
            names = [tasks[number].id for number in cycle]
            yield _issue(
                "cycle",
                pointer_to("tasks", cycle[0], "depends_on"),
                f"these tasks wait for each other in a circle: {_path(names)}",
                "Read the arrow as 'waits for' and take out one of them.",
            )

    def _fan_out_issues(self) -> Iterator[Issue]:
        most = self._limits.max_fan_out
        counts = Counter(
            name for task in self._graph.tasks for name in task.needs if name != task.id
        )
        for name, count in counts.items():
            if count > most and name in self._numbers:
                yield _issue(
                    "fan_out_limit",
                    pointer_to("tasks", self._numbers[name]),
                    f"{count} tasks depend on {name!r}, and at most {most} may",
                    "Map over its output instead.",
                )

    def _output_issues(self) -> Iterator[Issue]:
        for name, ref in (self._graph.outputs or {}).items():
            pointer = pointer_to("outputs", name)
            if ref.task not in self._numbers:
                yield _issue(
                    "unreachable_output",
                    f"{pointer}/task",
                    f"output {_show(name)} is of task {_show(ref.task)}, which does "
                    "not exist",
                    self._suggest(ref.task, self._numbers),
                )
            elif problem := self._path_problem(ref):
                yield _issue(
                    "bad_ref_path",
                    f"{pointer}/path",
                    f"output {_show(name)} is {_show(ref.path)} of {ref.task!r}: "
                    f"{problem}",
                )

    def _suggest(
        self, name: str, others: Collection[str], but: str | None = None
    ) -> str | None:
        """Return what was probably meant; for the first ones, as it takes its time."""
        if not self._suggestions:
            return None
        self._suggestions -= 1
        return did_you_mean(name, [one for one in others if one != but])


def _output_schema(handler: Handler, task: TaskSpec) -> Mapping[str, Any] | None:
    schema = handler.output_schema
    if schema is None or task.map_over is None:
        return schema
    return {"type": "array", "items": schema, "$defs": schema.get("$defs", {})}


def _path(names: list[str]) -> str:
    names = [*names, names[0]]
    if len(names) > _SHOWN:
        left = len(names) - _SHOWN
        names = [*names[: _SHOWN - 2], f"({left} more)", *names[-2:]]
    return " → ".join(names)


def _show(value: str) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _issue(code: str, pointer: str, message: str, hint: str | None = None) -> Issue:
    return Issue(code=code, pointer=pointer, message=message, hint=hint)
