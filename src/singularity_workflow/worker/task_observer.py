"""
Tell the log, the spans and the metrics what becomes of attempts.

On the hot path: if nobody listens, an attempt costs the mark that it leaves for log
records of its step, two looks at the clock and a few questions whether anybody does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from uuid import UUID

from singularity_workflow.model.context import Context
from singularity_workflow.store.replies import Reaped, Reply, TaskRef
from singularity_workflow.telemetry.fields import (
    enter_task,
    log_fields,
    of_context,
    redacted,
    shortened,
)
from singularity_workflow.telemetry.telemetry import Telemetry
from singularity_workflow.telemetry.tracing import make_current
from singularity_workflow.worker.memory import RunMemory
from singularity_workflow.worker.outcome import Outcome
from singularity_workflow.worker.run_observer import RunObserver
from singularity_workflow.worker.runner import Job

__all__ = ["TaskObserver"]

logger = logging.getLogger(__name__)
# in a program that sets up no logging, failures are for whoever waits for the run: not
# for standard error, where Python would put them
logger.addHandler(logging.NullHandler())


class TaskObserver:
    """
    What is told of the tasks of one worker.

    Args:
        telemetry: Where spans and metrics go.
        worker_id: Who we are; changes when the worker takes another id.
        is_local: Whether the tasks come from the worker's own queue of local runs.
    """

    def __init__(
        self, telemetry: Telemetry, worker_id: UUID, *, is_local: bool
    ) -> None:
        self.worker_id = worker_id
        self.runs = RunObserver(telemetry)
        self._telemetry = telemetry
        self._is_local = is_local

    def begin(self, job: Job, memory: RunMemory) -> None:
        """Take note that an attempt begins, in the context in which it runs."""
        job.began_at = time.perf_counter()
        job.is_redacted = memory.is_redacted(job.ref.run_id)
        enter_task(job.context, self.worker_id)
        tracing = self._telemetry.tracing
        if tracing.tracer() is not None:
            job.span = tracing.start(
                f"task {job.step.name}",
                "CONSUMER",
                of_context(job.context, self.worker_id),
                parent=memory.traceparent_of(job.ref.run_id),
            )
            if job.span is not None:
                make_current(job.span)
        if logger.isEnabledFor(logging.DEBUG):
            fields = self._fields_of(job.context, job.step.queue)
            logger.debug("attempt begins", extra=fields)

    def end(self, job: Job, outcome: Outcome | None) -> None:
        """Take note that an attempt has ended; None: it was stopped."""
        seconds = time.perf_counter() - job.began_at
        kind = "stopped"
        if outcome is not None:
            outcome.context, outcome.seconds = job.context, seconds
            outcome.queue, outcome.is_redacted = job.step.queue, job.is_redacted
            kind = "completed" if outcome.kind == "recorded" else outcome.kind
        for recorder in self._telemetry.recorders:
            recorder.task_ended(job.context.workflow, job.step.name, kind, seconds)
        if job.span is not None:
            has_failed = outcome is not None and outcome.kind == "failed"
            error = outcome.error if outcome is not None and has_failed else None
            if error is not None and job.is_redacted:
                error = redacted(error)
            self._telemetry.tracing.end(job.span, outcome=kind, error=error)
        if logger.isEnabledFor(logging.DEBUG):
            fields = self._fields_of(job.context, job.step.queue)
            fields["duration_ms"] = round(seconds * 1e3, 3)
            logger.debug("attempt %s", kind, extra=fields)

    def claimed(self, seconds: float, tasks: int) -> None:
        """Take note of a call that asked the queues for tasks."""
        for recorder in self._telemetry.recorders:
            recorder.claimed(seconds, tasks)

    def reported(self, outcomes: Iterable[Outcome], reply: Reply) -> None:
        """Take note of what the database made of outcomes."""
        for ref in reply.refused:
            logger.info(
                "the result of %s came too late and was refused",
                "/".join(map(str, ref)),
                extra=self._fields_of_ref(ref),
            )
        failed = [one for one in outcomes if one.kind == "failed"]
        if not failed:
            return
        pauses = {one.ref: one.seconds for one in reply.retried}
        for outcome in failed:
            if outcome.task not in reply.refused:
                self._tell_failure(outcome, pauses.get(outcome.task))

    def reaped(self, reaped: Reaped) -> None:
        """Take note of workers that died, and of what they had."""
        for worker_id in reaped.lost:
            logger.warning(
                "worker %s is lost: no heartbeat within its lease",
                worker_id,
                extra=log_fields(worker_id=worker_id),
            )
        if reaped.queued:
            logger.warning("%d tasks of lost workers were queued again", reaped.queued)
        for recorder in self._telemetry.recorders:
            if reaped.lost:
                recorder.lost("worker", len(reaped.lost))
            if tasks := reaped.queued + len(reaped.given_up):
                recorder.lost("task", tasks)

    def stopped(self, jobs: Collection[Job]) -> None:
        """Take note of attempts that are not ours any more."""
        for job in jobs:
            logger.info(
                "stopping %s: it is not ours any more",
                job.context,
                extra=of_context(job.context, self.worker_id),
            )

    def _tell_failure(self, outcome: Outcome, pause: float | None) -> None:
        context, error = outcome.context, outcome.error or {}
        if pause is not None and context is not None:
            for recorder in self._telemetry.recorders:
                recorder.retried(context.workflow, context.step)
        if outcome.is_redacted:
            error = redacted(error)
        level = logging.ERROR if pause is None else logging.WARNING
        if not logger.isEnabledFor(level):
            return
        if context is None or outcome.queue is None:
            fields = self._fields_of_ref(outcome.task)
        else:
            fields = self._fields_of(context, outcome.queue)
            fields["duration_ms"] = round(outcome.seconds * 1e3, 3)
        logger.log(
            level,
            "attempt %d of %s failed, %s: %s: %s",
            outcome.task.attempt,
            f"task {outcome.task.task_index}" if context is None
            else f"step {context.step!r}",
            "for good" if pause is None else f"and is repeated in {pause:.3g} s",
            error.get("type"),
            shortened(error.get("message")),
            extra=fields,
        )  # fmt: skip

    def _fields_of(self, context: Context, queue: str) -> dict[str, object]:
        if self._is_local:
            queue = f"local:{self.worker_id}"
        return log_fields(queue=queue, message_type="task") | of_context(
            context, self.worker_id
        )

    def _fields_of_ref(self, ref: TaskRef) -> dict[str, object]:
        return log_fields(
            message_type="task",
            run_id=ref.run_id,
            task_index=ref.task_index,
            attempt=ref.attempt,
            worker_id=str(self.worker_id),
        )
