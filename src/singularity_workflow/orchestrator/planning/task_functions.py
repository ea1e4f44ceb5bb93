"""
Make the step functions of planned tasks.

A step of the run gets outputs under the names that tasks have in the plan. Its function
puts them under the names that the task's own graph has for them, makes the run input of
that graph, and calls the handler by the rules of `model.binding`; arguments of the plan
come before those rules.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from pydantic import ValidationError

from singularity_workflow.errors import InvalidInput
from singularity_workflow.model.adapters import Adapter, check, describe_failure
from singularity_workflow.model.binding import Binding, compile_binding
from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiler import call_by_keyword
from singularity_workflow.model.context import Context
from singularity_workflow.model.definition import StepKind
from singularity_workflow.model.inputs import NO_ITEM, StepInputs
from singularity_workflow.model.roles import Role, assign_roles
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.orchestrator.graphs.catalog import Handler
from singularity_workflow.orchestrator.graphs.goals import goal_input
from singularity_workflow.orchestrator.graphs.schema_paths import look_up
from singularity_workflow.orchestrator.planning.plan import (
    Group,
    Kept,
    Output,
    PlannedTask,
    Scope,
    Source,
    is_kept,
)
from singularity_workflow.orchestrator.planning.step_names import (
    ATTEMPT,
    EXECUTE,
    JUDGE,
    OUTPUTS,
)

__all__ = [
    "CARRIED",
    "GoalCalls",
    "attempt_function",
    "carry",
    "child_input",
    "elements_of",
    "function_of",
    "gather",
    "goal_function",
    "sees_run_input",
    "unwrap",
]

CARRIED: Final = "_plan"
"""What a plan's run gets besides what its tasks see, as a member of its input."""

_HIDDEN: Final = "hidden"
_KEPT: Final = "_kept"
_ABSENT: Final = object()
_MERGING: Final = frozenset({Role.MERGED, Role.RUN_INPUT})


class GoalCalls(Protocol):
    """What starts the goals that tasks are."""

    async def call(
        self,
        task: PlannedTask,
        ctx: Context,
        carried: Mapping[str, Any],
        inputs: Mapping[str, Any],
        given: Mapping[str, Any],
    ) -> ChildCall | Any:
        """
        Return the call of the child run that the task stands for, or its input.

        Args:
            task: The task.
            ctx: Its step's context.
            carried: What its plan's run carries.
            inputs: What the tasks of the goal see.
            given: All that the step got, for the handler that is tried first.
        """


def unwrap(result: Any) -> Any:
    """Return what a goal gave, of the result of its run."""
    while isinstance(result, dict) and set(result) in ({EXECUTE}, {JUDGE}):
        (result,) = result.values()
    if isinstance(result, dict) and set(result) in ({OUTPUTS}, {ATTEMPT}):
        (result,) = result.values()
    return result


def goal_function(task: PlannedTask, goals: GoalCalls) -> StepFunction:
    """Return what starts the goal that a task is, or the handler that comes first."""
    names = task.needs(with_scope=True)

    async def call(ctx: Context, run_input: Any, **given: Any) -> Any:
        shown, carried = _split(run_input)
        outputs = {**given, _KEPT: carried.get("kept", {})}
        item = outputs.pop("item", NO_ITEM)
        outputs.pop("index", 0)
        inputs = _goal_input(task, shown, outputs, item)
        return await goals.call(
            task, ctx, carried, inputs, {**given, "run_input": run_input}
        )

    return _with_signature(
        call, names, is_map=task.over is not None, takes_context=True
    )


def attempt_function(task: PlannedTask, handler: Handler) -> StepFunction:
    """Return what tries a task's handler in a run of its own."""
    return _build(_Call.of(task, handler), handler, is_apart=True)


def function_of(task: PlannedTask, handler: Handler) -> StepFunction:
    """Return the step function of a task that *handler* does."""
    return _build(_Call.of(task, handler), handler)


def sees_run_input(task: PlannedTask, handler: Handler) -> bool:
    """Tell whether the handler sees the run's input, and so its scope."""
    roles = assign_roles(
        _free_signature(task, handler),
        step=task.spec.id,
        kind=_kind(task),
        depends_on=list(task.sources),
        resources=list(handler.resources),
    )
    return any(role in _MERGING for _, role in roles)


def child_input(task: PlannedTask) -> StepFunction:
    """Return what makes the input of the child run that a compound task is."""

    def make_input(run_input: Any, item: Any = NO_ITEM, **outputs: Any) -> Any:
        shown, carried = _split(run_input)
        outputs[_KEPT] = carried.get("kept", {})
        return carry(_goal_input(task, shown, outputs, item), carried)

    names = task.needs(with_scope=True)
    return _with_signature(make_input, names, is_map=task.over is not None)


def _goal_input(
    task: PlannedTask, run_input: Any, outputs: Mapping[str, Any], item: Any
) -> dict[str, Any]:
    spec = task.spec
    scope = Scope(
        goal=spec.own_goal,
        args={**spec.args, **task.args},
        sources=task.sources,
        outer=task.scope,
    )
    made = _scope_input(scope, run_input, outputs)
    if item is not NO_ITEM:
        made["item"] = item
    return made


def elements_of(source: Source, task: str) -> StepFunction:
    """Return what finds the array that *task* maps over."""

    def find_elements(run_input: Any = None, **outputs: Any) -> Any:
        outputs[_KEPT] = _split(run_input)[1].get("kept", {})
        found = _find(source, outputs, f"what task {task!r} maps over")
        if found is _ABSENT:
            return []
        if not isinstance(found, list):
            raise InvalidInput(
                f"task {task!r} maps over {type(found).__name__}, which is no array"
            )
        return found

    return _with_signature(
        find_elements, _names_of(source), is_map=False, takes_input=is_kept(source)
    )


def gather(outputs: Mapping[str, Source], ends: tuple[str, ...]) -> StepFunction:
    """Return what makes the result of a plan that says what its outputs are."""

    def collect(run_input: Any = None, **given: Any) -> dict[str, Any]:
        given[_KEPT] = _split(run_input)[1].get("kept", {})
        found = {
            name: _find(source, given, f"output {name!r}")
            for name, source in outputs.items()
        }
        return {name: one for name, one in found.items() if one is not _ABSENT}

    names = [name for source in outputs.values() for name in _names_of(source)]
    return _with_signature(
        collect,
        dict.fromkeys([*names, *ends]),
        is_map=False,
        takes_input=any(map(is_kept, outputs.values())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """How one task calls its handler."""

    task: PlannedTask
    function: StepFunction
    binding: Binding
    values: Mapping[str, Any]
    adapters: Mapping[str, Adapter] = field(default_factory=dict)
    defaults: frozenset[str] = frozenset()

    @classmethod
    def of(cls, task: PlannedTask, handler: Handler) -> _Call:
        spec = task.spec
        signature = handler.signature
        binding = compile_binding(
            handler.function,
            step=spec.id,
            kind=_kind(task),
            depends_on=list(task.sources),
            resources=list(handler.resources),
            signature=_free_signature(task, handler),
            adapters=handler.adapters,
        )
        adapters = {name: handler.adapter(name) for name in spec.args}
        return cls(
            task=task,
            function=call_by_keyword(handler.function, signature),
            binding=binding,
            values={name: v for name, v in spec.args.items() if name not in task.args},
            adapters={name: one for name, one in adapters.items() if one is not None},
            defaults=frozenset(p.name for p in signature.parameters if p.has_default),
        )

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the handler's arguments, of what the step got."""
        task = self.task
        context = given.pop("ctx", None)
        run_input, carried = _split(given.pop("run_input", None))
        given[_KEPT] = carried.get("kept", {})
        item = given.pop("item", NO_ITEM)
        index = given.pop("index", 0)
        if task.scope is not None and self.binding.reads_run_input:
            run_input = _scope_input(task.scope, run_input, given)
        outputs: dict[str, Any] = {}
        for name in task.sources if self.binding.reads else ():
            if name in self.binding.reads:
                found = _find(task.sources[name], given, f"dependency {name!r}")
                if found is not _ABSENT:
                    outputs[name] = found
        kept = given.pop(_KEPT)
        inputs = StepInputs(run_input, outputs, item, index)
        arguments = self.binding.arguments(inputs, context, given)
        given[_KEPT] = kept
        for name, value in self.values.items():
            arguments[name] = self._checked(name, deepcopy(value))
        for name, source in task.args.items():
            found = _find(source, given, f"argument {name!r} of task {task.spec.id!r}")
            if found is not _ABSENT:
                arguments[name] = self._checked(name, found)
            elif name not in self.defaults:
                arguments[name] = None
        return arguments

    def _checked(self, name: str, value: Any) -> Any:
        adapter = self.adapters.get(name)
        if adapter is None:
            return value
        try:
            return check(adapter, value)
        except ValidationError as error:
            what = f"argument {name!r} of task {self.task.spec.id!r}"
            raise InvalidInput(
                f"{what} does not fit {describe_failure(error)}"
            ) from error


def _build(call: _Call, handler: Handler, *, is_apart: bool = False) -> StepFunction:
    """
    Return the step function of a call.

    Args:
        call: The call.
        handler: What it calls.
        is_apart: Whether all that the task's step got is the run's input.
    """
    function: Callable[..., Any] = call.function
    step: Callable[..., Any]

    def arguments(given: dict[str, Any]) -> dict[str, Any]:
        if is_apart:
            given = {**given, **given.pop("run_input")}
        return call.arguments(given)

    if handler.signature.is_async:

        async def run_async(**given: Any) -> Any:
            return await function(**arguments(given))

        step = run_async
    else:

        def run(**given: Any) -> Any:
            return function(**arguments(given))

        step = run
    task, binding = call.task, call.binding
    reads = binding.reads_run_input
    names = dict.fromkeys(task.needs(with_scope=reads))
    step = _with_signature(
        step,
        () if is_apart else names,
        is_map=task.over is not None and not is_apart,
        takes_input=reads or is_apart or task.has_kept(with_scope=reads),
        takes_context=binding.takes_context,
        resources=[name for name in binding.needs_resources if name not in names],
    )
    step.__name__ = handler.name
    # a resource that the worker turns out not to have is refused by its annotation
    types = {name: handler.resources[name].annotation for name in handler.resources}
    step.__annotations__ = {**types, "return": handler.signature.returns}
    return step


def _with_signature(
    function: Callable[..., Any],
    outputs: Iterable[str],
    *,
    is_map: bool,
    takes_input: bool = True,
    takes_context: bool = False,
    resources: Sequence[str] = (),
) -> Callable[..., Any]:
    """Let *function* say by its parameters what its step is to give it."""
    parameter = inspect.Parameter
    keyword = parameter.KEYWORD_ONLY
    given = [
        *(["ctx"] if takes_context else []),
        *(["run_input"] if takes_input else []),
        *(["item", "index"] if is_map else []),
        *resources,
    ]
    parameters = [parameter(name, keyword) for name in given]
    # with a default, so that a skipped dependency is absent rather than None
    parameters += [parameter(name, keyword, default=None) for name in outputs]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {}
    return function


def _free_signature(task: PlannedTask, handler: Handler) -> Any:
    """Return the handler's signature without what the plan gives."""
    given = task.spec.args
    if not given:
        return handler.signature
    free = tuple(one for one in handler.signature.parameters if one.name not in given)
    return replace(handler.signature, parameters=free)


def _kind(task: PlannedTask) -> StepKind:
    return StepKind.SINGLE if task.over is None else StepKind.MAP


def _scope_input(
    scope: Scope, run_input: Any, outputs: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return the run input of a nested graph, the same in a flat run as in one of its own.

    It has what the compound task's own function would see: the run input around it and
    the outputs that it needs; then its goal, then its arguments.
    """
    around = run_input
    if scope.outer is not None:
        around = _scope_input(scope.outer, run_input, outputs)
    found = {
        name: _find(source, outputs, f"dependency {name!r}")
        for name, source in scope.sources.items()
    }
    present = {name: one for name, one in found.items() if one is not _ABSENT}
    made: Any = StepInputs(around, present).merged(is_root=False)
    made.update(goal_input(scope.goal))
    for name, one in scope.args.items():
        value = one
        if isinstance(one, Source):
            value = _find(one, outputs, f"argument {name!r}")
        if value is not _ABSENT:
            made[name] = value
    view: dict[str, Any] = made
    return view


def _find(source: Source, outputs: Mapping[str, Any], what: str) -> Any:
    """Return what a source gives; `_ABSENT` if its task was skipped."""
    if isinstance(source, Group):
        found = {
            name: _find(one, outputs, what) for name, one in source.members.items()
        }
        return {name: one for name, one in found.items() if one is not _ABSENT}
    if isinstance(source, Kept):
        outputs = outputs[_KEPT]
    if source.task not in outputs:
        return _ABSENT
    output = outputs[source.task]
    if isinstance(source, Output) and source.is_goal:
        if output == {}:
            return _ABSENT  # its handler was tried, and skipped the task
        output = [*map(unwrap, output)] if isinstance(output, list) else unwrap(output)
    try:
        return look_up(output, source.path)
    except LookupError as error:
        raise InvalidInput(
            f"{what}: {error} in the output of {source.task!r} ({source.path})"
        ) from None


def _names_of(source: Source) -> list[str]:
    if isinstance(source, Output):
        return [source.task]
    if isinstance(source, Kept):
        return []
    return [name for one in source.members.values() for name in _names_of(one)]


def carry(shown: Mapping[str, Any], carried: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the input of a plan's run: what its tasks see, and what it carries besides.

    A goal may have a member of that name, which must never pass for what is carried:
    that says which functions may run.
    """
    if CARRIED in shown:
        return {**shown, CARRIED: {**carried, _HIDDEN: shown[CARRIED]}}
    return {**shown, CARRIED: {**carried}} if carried else {**shown}


def _split(run_input: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return what tasks see of a plan's run input, and what it carries besides."""
    if not isinstance(run_input, dict) or CARRIED not in run_input:
        return run_input, {}
    shown = {key: one for key, one in run_input.items() if key != CARRIED}
    carried = run_input[CARRIED]
    if not isinstance(carried, dict):
        return run_input, {}  # of a workflow that is run without a goal
    if _HIDDEN in carried:
        shown[CARRIED] = carried[_HIDDEN]
    return shown, {key: one for key, one in carried.items() if key != _HIDDEN}
