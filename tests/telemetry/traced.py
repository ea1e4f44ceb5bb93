"""
A workflow for a worker in another process, whose spans go to a file.
"""

from __future__ import annotations

import os

from opentelemetry import trace

from singularity_workflow import Workflow
from singularity_workflow.telemetry.fields import task_fields

if path := os.environ.get("SPANS_FILE"):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(
        SimpleSpanProcessor(
            ConsoleSpanExporter(
                out=open(path, "a", buffering=1, encoding="utf-8"),  # noqa: SIM115, PTH123
                formatter=lambda span: span.to_json(indent=None) + "\n",
            )
        )
    )
    trace.set_tracer_provider(provider)

far = Workflow("far")


@far.step
def first() -> str:
    """Return the trace that this thread belongs to."""
    with trace.get_tracer("app").start_as_current_span("inside first"):
        return f"{trace.get_current_span().get_span_context().trace_id:032x}"


@far.step(executor="process")
def second(first: str) -> str:
    """Return the same from another process still."""
    with trace.get_tracer("app").start_as_current_span("inside second"):
        return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def fields_here() -> dict[str, object]:
    """Return the fields that a log record would get here."""
    return task_fields()
