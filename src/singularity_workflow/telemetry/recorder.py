"""
What metrics are told, whichever library keeps them.
"""

from __future__ import annotations

import logging
from typing import Protocol

from singularity_workflow.model.metrics import Metrics

__all__ = ["SECONDS_BUCKETS", "Recorder", "SafeRecorder"]

logger = logging.getLogger(__name__)

SECONDS_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0,
)  # fmt: skip
"""Upper bounds of durations: from a claim on a local server to a step of an hour."""


class Recorder(Protocol):
    """
    Keeps metrics; its methods are called on the engine's event loop and must not block.

    `telemetry/otel_metrics.py` and `prometheus.py` hold the two that there are.
    """

    def run_started(self, workflow: str) -> None:
        """Count a run that this process has started."""

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        """Count a run whose end was recorded by a call of this process."""

    def claimed(self, seconds: float, tasks: int) -> None:
        """Note how long a call took that asked for tasks, and how many it brought."""

    def task_ended(
        self, workflow: str, step: str, outcome: str, seconds: float
    ) -> None:
        """Note that an attempt has ended here, and how long it took."""

    def retried(self, workflow: str, step: str) -> None:
        """Count a failure after which the task is tried again."""

    def lost(self, kind: str, count: int) -> None:
        """Count lost leases (`worker`), or tasks that were given back (`task`)."""

    def state(self, metrics: Metrics, running: int) -> None:
        """Note what the database holds, and how many tasks run in this process."""


class SafeRecorder:
    """
    A recorder whose errors are logged: a workflow does not stop because it is measured.

    Each method's first error is a warning; a broken one is called for every task.

    Args:
        recorder: What keeps the metrics.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._broken: set[str] = set()

    def run_started(self, workflow: str) -> None:
        self._tell("run_started", workflow)

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        self._tell("run_ended", workflow, status, seconds)

    def claimed(self, seconds: float, tasks: int) -> None:
        self._tell("claimed", seconds, tasks)

    def task_ended(
        self, workflow: str, step: str, outcome: str, seconds: float
    ) -> None:
        self._tell("task_ended", workflow, step, outcome, seconds)

    def retried(self, workflow: str, step: str) -> None:
        self._tell("retried", workflow, step)

    def lost(self, kind: str, count: int) -> None:
        self._tell("lost", kind, count)

    def state(self, metrics: Metrics, running: int) -> None:
        self._tell("state", metrics, running)

    def _tell(self, name: str, *figures: object) -> None:
        try:
            getattr(self.recorder, name)(*figures)
        except Exception:
            level = logging.DEBUG if name in self._broken else logging.WARNING
            self._broken.add(name)
            logger.log(level, "a metric was lost: %s failed", name, exc_info=True)
