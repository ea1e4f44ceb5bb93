"""
Make one kind of decomposer of all that are accepted.

`f(goal)` and `f(goal, ctx)`, plain or coroutine functions, and objects, classes and
modules with `decompose`, which may have `replan` too. Plain functions run in a thread,
so that one that thinks does not stop the event loop; a thread cannot be killed, and one
that takes too long goes on unheard.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from singularity_workflow.errors import DefinitionError
from singularity_workflow.orchestrator.decomposers.contexts import (
    DecomposeContext,
    ReplanContext,
)
from singularity_workflow.orchestrator.graphs.graph import TaskGraph, TaskSpec
from singularity_workflow.worker.threads import DaemonThreads

__all__ = [
    "Decomposer",
    "DecomposerExit",
    "DecomposerLike",
    "GraphLike",
    "Planner",
    "as_decomposer",
    "call_any",
]

GraphLike: TypeAlias = (
    TaskGraph | Mapping[str, Any] | Sequence[Mapping[str, Any] | TaskSpec] | str
)
"""What a decomposer may answer; see `reading`."""


class Decomposer(Protocol):
    """
    What makes a task graph of a goal.

    Functions of the goal alone, and objects with `decompose`, are accepted too.

    .. versionadded:: 0.1
    """

    def __call__(
        self, goal: Any, ctx: DecomposeContext, /
    ) -> GraphLike | Awaitable[GraphLike]: ...


DecomposerLike: TypeAlias = Any
"""All that `as_decomposer` takes."""

_Call: TypeAlias = Callable[..., Any]

_MOST_PARAMETERS: Final = 2
_LONGEST_SHOWN: Final = 200
_THREADS: Final = DaemonThreads("swf-decomposer")
"""Not those of the event loop: one that hangs must not keep the program from ending."""


class DecomposerExit(Exception):
    """
    A decomposer has raised what would end the process, or the event loop.

    As of a step it ends no more than the attempt, and is not tried again.

    Args:
        raised: What it was.
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(f"{type(raised).__name__}: {raised}")


class Planner:
    """
    A decomposer in its one form.

    Args:
        given: What it was made of.
        decompose: Takes a goal and, if it wants, the context.
        replan: Takes a `ReplanContext`; None if it cannot.
    """

    def __init__(self, given: object, decompose: _Call, replan: _Call | None) -> None:
        self.given = given
        self._decompose = decompose
        self._takes_context = _count_parameters(decompose) > 1
        self._replan = replan

    @property
    def name(self) -> str:
        """What it is called, in events and in the cache."""
        for one in (self.given, type(self.given)):
            name = getattr(one, "__name__", None)
            if isinstance(name, str):
                return name
        return type(self.given).__name__

    @property
    def identity(self) -> str:
        """What it is called in full: two of one name, of two modules, are two."""
        for one in (self.given, type(self.given)):
            name = getattr(one, "__qualname__", None)
            if isinstance(name, str):
                return f"{getattr(one, '__module__', '')}.{name}:{self.name}"
        return self.name

    @property
    def version(self) -> str:
        """What its author calls this state of it; another version, another cache."""
        return str(getattr(self.given, "version", ""))

    @property
    def can_replan(self) -> bool:
        """Whether it can make a new plan of what is left."""
        return self._replan is not None

    async def decompose(self, goal: Any, ctx: DecomposeContext) -> object:
        """Return what it answers, whatever that is."""
        arguments = (goal, ctx) if self._takes_context else (goal,)
        return await call_any(self._decompose, *arguments)

    async def replan(self, ctx: ReplanContext) -> object:
        """Return its plan for what is left; without `replan`, of the goal anew."""
        if self._replan is None:
            return await self.decompose(ctx.graph.goal, ctx)
        return await call_any(self._replan, ctx)


def as_decomposer(given: DecomposerLike) -> Planner:
    """
    Return *given* as a decomposer that is called in one way.

    Args:
        given: A function of a goal, or of a goal and a `DecomposeContext`; or an
            object with `decompose`, and perhaps `replan`.

    Raises:
        DefinitionError: If it is none.

    .. versionadded:: 0.1
    """
    if isinstance(given, Planner):
        return given
    decompose = getattr(given, "decompose", None)
    if callable(decompose):
        if isinstance(given, type):
            instance = _instance_of(given)
            decompose, given = instance.decompose, instance
        replan = getattr(given, "replan", None)
        return Planner(given, decompose, replan if callable(replan) else None)
    if callable(given) and not isinstance(given, type):
        return Planner(given, given, None)
    hint = "Write def decompose(goal): return [...] and give it by name."
    if isinstance(given, list):
        hint = "A plan that is there already is for compose_from_task_graph."
    elif isinstance(given, Mapping):
        hint = "The order is: goal, decomposer, step_functions."
    raise DefinitionError(
        "a decomposer must be a function of the goal or have decompose(), "
        f"got {repr(given)[:_LONGEST_SHOWN]}",
        hint=hint,
    )


def _instance_of(kind: type[Any]) -> Any:
    try:
        return kind()
    except TypeError as error:
        raise DefinitionError(
            f"the decomposer {kind.__name__} cannot be made without arguments: {error}",
            hint="Give an object instead of its class.",
        ) from error


def _count_parameters(function: _Call) -> int:
    """
    Return how many positional arguments *function* takes; many if any number.

    Raises:
        DefinitionError: If it takes none, or more than there are.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    count = needed = 0
    for one in parameters:
        if one.kind is inspect.Parameter.VAR_POSITIONAL:
            return 2
        if one.kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ) and (one.default is inspect.Parameter.empty or one.name == "ctx"):
            count += 1
            needed += one.default is inspect.Parameter.empty
    if needed > _MOST_PARAMETERS:
        raise DefinitionError(
            f"the decomposer {function!r} needs {needed} arguments, and gets the goal "
            "and a context",
            hint="Write def decompose(goal, ctx): ..., and bind others with "
            "functools.partial.",
        )
    if not count:
        raise DefinitionError(
            f"the decomposer {function!r} takes no goal",
            hint="Write def decompose(goal): ...",
        )
    return count


async def call_any(function: _Call, *arguments: object) -> object:
    """Return what *function* returns: awaited, or of a thread if it is a plain one."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - the method, not whether
    ):
        return await _without_exit(function(*arguments))
    context = contextvars.copy_context()

    def call() -> object:
        return context.run(_in_thread, function, arguments)

    found = await asyncio.get_running_loop().run_in_executor(_THREADS, call)
    if inspect.isawaitable(found):
        return await _without_exit(found)
    return found


async def _without_exit(answer: Awaitable[object]) -> object:
    """Return the answer; the event loop is not the decomposer's to end."""
    try:
        return await answer
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise  # the last two come from outside, too
    except BaseException as error:
        is_main = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and is_main:
            raise  # so may this: Ctrl-C reaches the main thread only
        raise DecomposerExit(error) from error


def _in_thread(function: _Call, arguments: tuple[object, ...]) -> object:
    """Call *function*; a future cannot carry all that it may raise."""
    try:
        return function(*arguments)
    except StopIteration as error:
        raise RuntimeError(f"{function!r} raised StopIteration") from error
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:
        # nobody interrupts a thread: even that is of its own
        raise DecomposerExit(error) from error
