"""
What the tests of telemetry share: spans and metrics in memory, and a worker elsewhere.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.server import die_with_parent
from engine.support import wait_until
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from singularity_workflow.telemetry.tracing import Tracing

TESTS = Path(__file__).parents[1]


class Spans:
    """The spans of one engine."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("tests")
        self.tracing = Tracing(self.tracer)

    def all(self) -> list[ReadableSpan]:
        """Return those that have ended, in the order of their ends."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Return those of a name."""
        return [one for one in self.all() if one.name == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only one of a name, as soon as it is there."""
        (found,) = wait_until(lambda: self.named(name), f"a span {name!r}")
        return found


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of a span's parent."""
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    """Return the id of a span."""
    return span.context.span_id


class Readings:
    """The metrics of one engine."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def points(self, name: str) -> list[Any]:
        """Return the data points of an instrument."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"singularity_workflow.{name}"
            for point in metric.data.data_points
        ]

    def counts(self, name: str, *labels: str) -> dict[Any, Any]:
        """Return the values of a counter or gauge, or the counts of a histogram."""
        return {
            tuple(point.attributes[one] for one in labels): getattr(
                point, "count", None
            )
            if hasattr(point, "count")
            else point.value
            for point in self.points(name)
        }


@contextmanager
def traced_worker(dsn: str, spans_file: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the command `worker` for `telemetry.traced`, and end it."""
    command = [sys.executable, "-m", "singularity_workflow", "worker"]
    process = subprocess.Popen(
        [*command, "telemetry.traced", "--log-json"],
        cwd=TESTS,
        env=os.environ
        | {
            "SINGULARITY_WORKFLOW_DATABASE_URL": dsn,
            "SPANS_FILE": str(spans_file),
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        },
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def read_spans(spans_file: Path) -> list[dict[str, Any]]:
    """Return the spans that a worker has written."""
    return [json.loads(line) for line in spans_file.read_text("utf-8").splitlines()]
