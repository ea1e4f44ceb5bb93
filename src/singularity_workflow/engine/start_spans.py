"""
The spans by which runs are started: what follows on any process is below them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from singularity_workflow.engine.requests import StartRequest
from singularity_workflow.telemetry.tracing import Tracing, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["start_spans"]


@contextlib.contextmanager
def start_spans(
    tracing: Tracing, requests: Sequence[StartRequest]
) -> Iterator[Callable[[Sequence[UUID]], None]]:
    """
    Begin a span for each run that is to be started, and let the run carry it.

    Yields:
        What is to be told the runs that the requests stand for, in order: with a key
        that was used before it is another one than was asked for.
    """
    if tracing.tracer() is None:
        yield lambda _: None
        return
    spans: list[tuple[int, Span]] = []

    def tell(run_ids: Sequence[UUID]) -> None:
        for place, span in spans:
            if run_ids[place] != requests[place].run_id:
                span.set_attribute("run_id", str(run_ids[place]))

    for place, request in enumerate(requests):
        name = request.workflow.name
        span = tracing.start(
            f"workflow {name}",
            "PRODUCER",
            {"workflow": name, "run_id": str(request.run_id)},
            inherits=True,
        )
        if span is not None:
            request.traceparent = traceparent_of(span)
            spans.append((place, span))
    cause: dict[str, str] | None = None
    try:
        yield tell
    except Exception as error:
        cause = {"type": type(error).__name__, "message": str(error)}
        raise
    finally:
        for _, span in spans:
            tracing.end(span, error=cause)
