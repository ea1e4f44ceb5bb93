"""
Metrics by the API of OpenTelemetry; loaded only if the program has loaded that.
"""

from __future__ import annotations

from opentelemetry import metrics as api

from singularity_workflow.model.metrics import Metrics
from singularity_workflow.model.statuses import RunStatus, TaskStatus
from singularity_workflow.telemetry.recorder import SECONDS_BUCKETS
from singularity_workflow.version import library_version

__all__ = ["OtelRecorder"]

_PREFIX = "singularity_workflow."
_OPEN_RUNS = (RunStatus.PENDING, RunStatus.STARTED, RunStatus.PAUSED)
_OPEN_TASKS = (TaskStatus.WAITING, TaskStatus.QUEUED, TaskStatus.STARTED)


class OtelRecorder:
    """
    Feed instruments of OpenTelemetry.

    Args:
        provider: Whose; None: the global one, whenever that is set.
    """

    def __init__(self, provider: api.MeterProvider | None = None) -> None:
        meter = api.get_meter("singularity_workflow", library_version(), provider)

        def seconds(name: str, description: str) -> api.Histogram:
            return meter.create_histogram(
                _PREFIX + name, "s", description,
                explicit_bucket_boundaries_advisory=SECONDS_BUCKETS,
            )  # fmt: skip

        self._started = meter.create_counter(
            f"{_PREFIX}runs.started", "{run}", "runs that this process has started"
        )
        self._run_duration = seconds("run.duration", "from a run's start to its end")
        self._claim_duration = seconds("claim.duration", "calls that ask for tasks")
        self._claimed = meter.create_counter(
            f"{_PREFIX}tasks.claimed", "{task}", "tasks that those calls brought"
        )
        self._task_duration = seconds("task.duration", "attempts that ran here")
        self._retries = meter.create_counter(
            f"{_PREFIX}retries", "{task}", "failures that are tried again"
        )
        self._losses = meter.create_counter(
            f"{_PREFIX}losses", "{lease}", "lost workers, and tasks taken from them"
        )
        self._running = meter.create_gauge(
            f"{_PREFIX}tasks.running", "{task}", "tasks that run in this process"
        )
        self._depth = meter.create_gauge(
            f"{_PREFIX}queue.depth", "{task}", "tasks that wait in a queue"
        )
        self._age = meter.create_gauge(
            f"{_PREFIX}queue.age", "s", "age of a queue's oldest task"
        )
        self._runs = meter.create_gauge(
            f"{_PREFIX}runs.open", "{run}", "runs that have not ended, by status"
        )
        self._tasks = meter.create_gauge(
            f"{_PREFIX}tasks.open", "{task}", "tasks that have not ended, by status"
        )
        self._queues: set[str] = set()

    def run_started(self, workflow: str) -> None:
        self._started.add(1, {"workflow": workflow})

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        self._run_duration.record(seconds, {"workflow": workflow, "status": status})

    def claimed(self, seconds: float, tasks: int) -> None:
        self._claim_duration.record(seconds)
        self._claimed.add(tasks)

    def task_ended(
        self, workflow: str, step: str, outcome: str, seconds: float
    ) -> None:
        self._task_duration.record(
            seconds, {"workflow": workflow, "step": step, "outcome": outcome}
        )

    def retried(self, workflow: str, step: str) -> None:
        self._retries.add(1, {"workflow": workflow, "step": step})

    def lost(self, kind: str, count: int) -> None:
        self._losses.add(count, {"kind": kind})

    def state(self, metrics: Metrics, running: int) -> None:
        self._running.set(running)
        # a queue that is empty now would go on showing what it had last
        for queue in self._queues - {one.queue for one in metrics.queues}:
            self._depth.set(0, {"queue": queue})
            self._age.set(0, {"queue": queue})
        for one in metrics.queues:
            self._queues.add(one.queue)
            self._depth.set(one.depth, {"queue": one.queue})
            self._age.set(one.oldest_seconds, {"queue": one.queue})
        for run_status in _OPEN_RUNS:
            self._runs.set(
                metrics.runs.get(run_status, 0), {"status": run_status.value}
            )
        for task_status in _OPEN_TASKS:
            self._tasks.set(
                metrics.tasks.get(task_status, 0), {"status": task_status.value}
            )
