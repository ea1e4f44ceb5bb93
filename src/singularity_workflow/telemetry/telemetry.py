"""
Where an engine and its workers report what they do: spans, and recorders of metrics.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from singularity_workflow.telemetry.recorder import Recorder
from singularity_workflow.telemetry.tracing import Tracing

__all__ = ["Telemetry"]


class Telemetry:
    """
    The spans and metrics of one engine.

    Without OpenTelemetry and Prometheus it does nothing: `recorders` is empty and
    `tracing` makes no spans.
    """

    def __init__(self) -> None:
        self.tracing = Tracing()
        self.recorders: tuple[Recorder, ...] = ()
        self.on_added: Callable[[], None] = lambda: None
        """Called when a recorder was added, from any thread."""
        self._has_otel = False

    def add(self, recorder: Recorder) -> None:
        """Let a recorder keep the metrics from now on."""
        self.recorders = (*self.recorders, recorder)
        self.on_added()

    def remove(self, recorder: Recorder) -> None:
        """Tell a recorder nothing more."""
        self.recorders = tuple(one for one in self.recorders if one is not recorder)

    def find_otel(self) -> None:
        """Feed the metrics of OpenTelemetry, if the program has loaded them."""
        if not self._has_otel and "opentelemetry.metrics" in sys.modules:
            from singularity_workflow.telemetry.otel_metrics import (  # noqa: PLC0415
                OtelRecorder,
            )

            self._has_otel = True
            self.add(OtelRecorder())
