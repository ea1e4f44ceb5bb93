"""
Metrics for Prometheus, by `prometheus-client` (extra `[prometheus]`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

try:
    from prometheus_client import (
        REGISTRY,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
    )
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "singularity_workflow.prometheus needs prometheus-client. "
        "Run: pip install 'singularity-workflow[prometheus]'",
        name=error.name,
    ) from error

from singularity_workflow.model.metrics import Metrics
from singularity_workflow.model.statuses import RunStatus, TaskStatus
from singularity_workflow.telemetry.recorder import SECONDS_BUCKETS

if TYPE_CHECKING:
    from prometheus_client.metrics import MetricWrapperBase

    from singularity_workflow.engine.async_engine import AsyncEngine
    from singularity_workflow.engine.engine import Engine

__all__ = ["Collector"]

_PREFIX: Final = "singularity_workflow_"
_OPEN_RUNS: Final = (RunStatus.PENDING, RunStatus.STARTED, RunStatus.PAUSED)
_OPEN_TASKS: Final = (TaskStatus.WAITING, TaskStatus.QUEUED, TaskStatus.STARTED)


class Collector:
    """
    Keep the metrics of an engine and its workers in a registry of Prometheus.

    The engine asks the database every 15 seconds, and never for a scrape: a scrape
    shows what was seen last, however the database is.

    Args:
        engine: Whose metrics; connected or not yet.
        registry: Where they are registered, by default the global registry; one
            registry takes one collector.

    Raises:
        ValueError: The registry has a collector already.

    See `docs/howto/tracing_and_metrics.md`.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        engine: AsyncEngine | Engine,
        *,
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._telemetry = engine.telemetry
        self._recorder = _PrometheusRecorder(REGISTRY if registry is None else registry)
        self._telemetry.add(self._recorder)

    def close(self) -> None:
        """Remove the metrics from the registry; twice is fine."""
        self._telemetry.remove(self._recorder)
        self._recorder.close()


class _PrometheusRecorder:
    """A `Recorder` whose metrics are in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._queues: set[str] = set()
        self._made: list[MetricWrapperBase] = []
        try:
            self._make()
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        for one in self._made:
            self._registry.unregister(one)
        self._made.clear()

    def run_started(self, workflow: str) -> None:
        self._started.labels(workflow).inc()

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        self._run_seconds.labels(workflow, status).observe(seconds)

    def claimed(self, seconds: float, tasks: int) -> None:
        self._claim_seconds.observe(seconds)
        self._claimed.inc(tasks)

    def task_ended(
        self, workflow: str, step: str, outcome: str, seconds: float
    ) -> None:
        self._task_seconds.labels(workflow, step, outcome).observe(seconds)

    def retried(self, workflow: str, step: str) -> None:
        self._retries.labels(workflow, step).inc()

    def lost(self, kind: str, count: int) -> None:
        self._losses.labels(kind).inc(count)

    def state(self, metrics: Metrics, running: int) -> None:
        self._running.set(running)
        # a queue that is empty now would go on showing what it had last
        for queue in self._queues - {one.queue for one in metrics.queues}:
            self._depth.labels(queue).set(0)
            self._age.labels(queue).set(0)
        for one in metrics.queues:
            self._queues.add(one.queue)
            self._depth.labels(one.queue).set(one.depth)
            self._age.labels(one.queue).set(one.oldest_seconds)
        for run_status in _OPEN_RUNS:
            self._runs.labels(run_status.value).set(metrics.runs.get(run_status, 0))
        for task_status in _OPEN_TASKS:
            self._tasks.labels(task_status.value).set(metrics.tasks.get(task_status, 0))

    def _make(self) -> None:
        self._started = self._counter(
            "runs_started", "Runs that this process has started.", "workflow"
        )
        self._run_seconds = self._histogram(
            "run_seconds", "From a run's start to its end.", "workflow", "status"
        )
        self._claim_seconds = self._histogram(
            "claim_seconds", "Calls that ask for tasks."
        )
        self._claimed = self._counter(
            "tasks_claimed", "Tasks that those calls brought."
        )
        self._task_seconds = self._histogram(
            "task_seconds", "Attempts that ran here.", "workflow", "step", "outcome"
        )
        self._retries = self._counter(
            "retries", "Failures that are tried again.", "workflow", "step"
        )
        self._losses = self._counter(
            "losses", "Lost workers, and tasks that were taken from them.", "kind"
        )
        self._running = self._gauge("tasks_running", "Tasks that run in this process.")
        self._depth = self._gauge("queue_depth", "Tasks that wait.", "queue")
        self._age = self._gauge(
            "queue_age_seconds", "Age of the oldest task that waits.", "queue"
        )
        self._runs = self._gauge("runs_open", "Runs that have not ended.", "status")
        self._tasks = self._gauge("tasks_open", "Tasks that have not ended.", "status")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        made = Counter(_PREFIX + name, text, labels, registry=self._registry)
        self._made.append(made)
        return made

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        made = Gauge(_PREFIX + name, text, labels, registry=self._registry)
        self._made.append(made)
        return made

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        made = Histogram(
            _PREFIX + name, text, labels,
            registry=self._registry, buckets=SECONDS_BUCKETS,
        )  # fmt: skip
        self._made.append(made)
        return made
