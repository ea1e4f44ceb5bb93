"""
Steps that run in an executor, where nothing tells yet which task they belong to.

A module of its own that imports little: a process for steps loads it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from singularity_workflow.model.context import Context
from singularity_workflow.telemetry.fields import enter_task
from singularity_workflow.telemetry.tracing import adopt_traceparent

__all__ = ["run_as_task"]


def run_as_task(
    function: Callable[..., Any],
    context: Context,
    worker_id: UUID,
    traceparent: str | None,
    /,
    **arguments: object,
) -> Any:
    """
    Call a step's function so that its log records and spans belong to its task.

    Args:
        function: What to call.
        context: The task.
        worker_id: Whose it is.
        traceparent: Its span.
        arguments: What the function takes.
    """
    # a context of its own: the thread of somebody's pool must not stay marked
    return contextvars.copy_context().run(
        _run_marked, function, context, worker_id, traceparent, arguments
    )


def _run_marked(
    function: Callable[..., Any],
    context: Context,
    worker_id: UUID,
    traceparent: str | None,
    arguments: Mapping[str, object],
) -> Any:
    enter_task(context, worker_id)
    adopt_traceparent(traceparent)
    return function(**arguments)
