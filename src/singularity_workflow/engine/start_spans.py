"""
The spans by which runs are started: what follows on any process is below them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from singularity_workflow.engine.requests import StartRequest
from singularity_workflow.telemetry.tracing import Tracing, traceparent_of

__all__ = ["start_spans"]


@contextlib.contextmanager
def start_spans(tracing: Tracing, requests: Sequence[StartRequest]) -> Iterator[None]:
    """Begin a span for each run that is to be started, and let the run carry it."""
    if tracing.tracer() is None:
        yield
        return
    spans = []
    for request in requests:
        name = request.workflow.name
        span = tracing.start(
            f"workflow {name}",
            "PRODUCER",
            {"workflow": name, "run_id": str(request.run_id)},
            inherits=True,
        )
        if span is not None:
            request.traceparent = traceparent_of(span)
            spans.append(span)
    cause: dict[str, str] | None = None
    try:
        yield
    except Exception as error:
        cause = {"type": type(error).__name__, "message": str(error)}
        raise
    finally:
        for span in spans:
            tracing.end(span, error=cause)
