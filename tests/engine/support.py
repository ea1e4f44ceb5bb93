"""
What the tests of the engine share: an event loop, patience, and workflows of their own.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import pytest

from singularity_workflow import Engine, RunFailed, Workflow

PATIENCE = 30.0
"""Seconds after which something that does not happen is a failure."""

_POLL = 0.005
_T = TypeVar("_T")


def run(main: Callable[..., Awaitable[_T]], *args: Any) -> _T:
    """Run a coroutine function on an event loop of its own."""

    async def bounded() -> _T:
        async with asyncio.timeout(PATIENCE):
            return await main(*args)

    return asyncio.run(bounded())


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until *condition* (plain, or a coroutine function) is true; return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(_POLL)
    pytest.fail(f"not within {PATIENCE} s: {what}")


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until *condition* is true, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(_POLL)
    pytest.fail(f"not within {PATIENCE} s: {what}")


def unique(prefix: str = "w") -> str:
    """Return a name that no other test uses."""
    return f"{prefix}_{uuid.uuid4().hex}"


def make_workflow(**options: Any) -> Workflow:
    """Return a workflow with a name of its own."""
    return Workflow(unique(), **options)


def single(function: Callable[..., Any], **options: Any) -> Workflow:
    """Return a workflow of one step, called `step`."""
    workflow = make_workflow()
    workflow.step(name="step", **options)(function)
    return workflow


def fail(engine: Engine, workflow: Any, input: Any = None, **options: Any) -> RunFailed:
    """Execute a workflow that must fail, and return the error."""
    with pytest.raises(RunFailed) as caught:
        engine.execute(workflow, input, **options)
    return caught.value


class Sql:
    """
    A look into the database, past the engine.

    Args:
        dsn: Of the database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def rows(self, query: str, *args: Any) -> list[Any]:
        """Return the rows of a query; those of one column as bare values."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            cursor = connection.execute(query, args or None)
            if cursor.description is None:
                return []
            rows = cursor.fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def value(self, query: str, *args: Any) -> Any:
        """Return the only value of a query."""
        (found,) = self.rows(query, *args)
        return found
