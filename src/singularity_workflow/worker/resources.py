"""
What steps get by name, opened when a worker starts and closed when it ends.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from singularity_workflow.errors import InvalidSetting

__all__ = ["OpenResources", "Resource"]


class Resource:
    """
    A resource that each worker opens for itself.

    Args:
        open: Called without arguments when a worker starts; returns a context manager,
            of either kind, whose value the steps get. A function decorated with
            `contextlib.asynccontextmanager` is one.

    Raises:
        InvalidSetting: If *open* cannot be called.

    .. versionadded:: 0.1
    """

    __slots__ = ("open",)

    def __init__(self, open: Callable[[], Any]) -> None:
        if not callable(open):
            raise InvalidSetting(
                f"a Resource is made of a function, got {open!r}",
                hint="Give a value that is open already as it is, without Resource.",
            )
        self.open = open


class OpenResources:
    """
    The resources of one worker.

    Args:
        given: Values, and `Resource` objects that are to be opened.
    """

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given
        self._stack = AsyncExitStack()
        self.values: dict[str, object] = {
            name: value
            for name, value in given.items()
            if not isinstance(value, Resource)
        }

    async def open(self) -> None:
        """
        Open what has to be opened, in order; if one fails, close the others again.

        Raises:
            InvalidSetting: If a function returned no context manager.
        """
        async with AsyncExitStack() as stack:
            for name, value in self._given.items():
                if isinstance(value, Resource):
                    self.values[name] = await _enter(stack, name, value.open())
            self._stack = stack.pop_all()

    async def close(self) -> None:
        """Close what was opened, in the opposite order."""
        await self._stack.aclose()


async def _enter(stack: AsyncExitStack, name: str, manager: Any) -> object:
    if inspect.isawaitable(manager):
        manager = await manager
    if hasattr(manager, "__aenter__"):
        return await stack.enter_async_context(manager)
    if hasattr(manager, "__enter__"):
        return stack.enter_context(manager)
    raise InvalidSetting(
        f"the function of resource {name!r} returned {type(manager).__name__}, which "
        "is no context manager",
        hint="Decorate it with contextlib.asynccontextmanager and yield the value.",
    )
