"""
Where an engine and its workers report what they do: spans, and recorders of metrics.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from singularity_workflow.telemetry.recorder import Recorder, SafeRecorder
from singularity_workflow.telemetry.tracing import Tracing

__all__ = ["Telemetry"]

logger = logging.getLogger(__name__)


class Telemetry:
    """
    The spans and metrics of one engine.

    Without OpenTelemetry and Prometheus it does nothing: `recorders` is empty and
    `tracing` makes no spans.
    """

    def __init__(self) -> None:
        self.tracing = Tracing()
        self.recorders: tuple[SafeRecorder, ...] = ()
        self.on_added: Callable[[], None] = lambda: None
        """Called when a recorder was added, from any thread."""
        self._has_otel = False

    def add(self, recorder: Recorder) -> None:
        """Let a recorder keep the metrics from now on."""
        self.recorders = (*self.recorders, SafeRecorder(recorder))
        self.on_added()

    def remove(self, recorder: Recorder) -> None:
        """Tell a recorder nothing more."""
        self.recorders = tuple(
            one for one in self.recorders if one.recorder is not recorder
        )

    def find_otel(self) -> None:
        """Feed the metrics of OpenTelemetry, if the program has loaded them."""
        if self._has_otel or sys.modules.get("opentelemetry.metrics") is None:
            return
        self._has_otel = True
        try:
            from singularity_workflow.telemetry.otel_metrics import (  # noqa: PLC0415
                OtelRecorder,
            )

            self.add(OtelRecorder())
        except Exception:
            # of an older version than we know, maybe: nobody asked us to use it
            logger.warning("OpenTelemetry's metrics cannot be fed", exc_info=True)
