"""
Tell the log, the spans and the metrics what becomes of runs.

Each of them once: by the process whose call started or ended the run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from singularity_workflow.store.replies import EndedRun, Moved
from singularity_workflow.telemetry.fields import log_fields, redacted, shortened
from singularity_workflow.telemetry.telemetry import Telemetry

__all__ = ["RunObserver"]

logger = logging.getLogger(__name__)
# in a program that sets up no logging, failures are for whoever waits for the run: not
# for standard error, where Python would put them
logger.addHandler(logging.NullHandler())


class RunObserver:
    """
    What is told of runs.

    Args:
        telemetry: Where spans and metrics go.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    @property
    def wants_starts(self) -> bool:
        """Whether `started` would do anything."""
        return bool(self._telemetry.recorders) or logger.isEnabledFor(logging.INFO)

    @property
    def wants_figures(self) -> bool:
        """Whether anybody is told when runs began and ended."""
        telemetry = self._telemetry
        return bool(telemetry.recorders) or telemetry.tracing.tracer() is not None

    def started(self, runs: Iterable[tuple[str, str]]) -> None:
        """Tell of new runs: the workflow and the id of each."""
        for workflow, run_id in runs:
            logger.info(
                "run of %s started",
                workflow,
                extra=log_fields(run_id=run_id, workflow=workflow),
            )
            for recorder in self._telemetry.recorders:
                recorder.run_started(workflow)

    def ended(self, runs: Sequence[EndedRun]) -> None:
        """Tell of runs that a call of this process has ended."""
        wants_figures = self.wants_figures
        for run in runs:
            is_failed = run.status == "failed"
            level = logging.ERROR if is_failed else logging.INFO
            if logger.isEnabledFor(level):
                self._log_end(run, level)
            if wants_figures and run.workflow and run.started_at and run.ended_at:
                self._record_end(run, run.workflow, run.started_at, run.ended_at)

    def cancelled(self, run_ids: Iterable[str], reason: str | None) -> None:
        """Tell of runs that were cancelled, when there is no more to be known."""
        for run_id in run_ids:
            logger.info(
                "run cancelled: %s",
                reason or "no reason was given",
                extra=log_fields(run_id=run_id),
            )

    def moved(self, runs: Iterable[Moved], what: str) -> None:
        """Tell of runs that were paused or resumed."""
        for run in runs:
            if run.is_changed:
                logger.info("run %s", what, extra=log_fields(run_id=run.run_id))

    def _log_end(self, run: EndedRun, level: int) -> None:
        why = ""
        if run.error is not None:
            cause = _cause_of(run)
            why = (
                f" at step {run.error.get('step')!r}: {cause.get('type')}: "
                f"{shortened(cause.get('message'))}"
            )
        elif run.reason is not None:
            why = f": {run.reason}"
        fields = log_fields(run_id=run.run_id)
        if run.workflow is not None:
            fields["workflow"] = run.workflow
        if run.started_at is not None and run.ended_at is not None:
            fields["duration_ms"] = round((run.ended_at - run.started_at) * 1e3, 3)
        logger.log(level, "run %s%s", run.status, why, extra=fields)

    def _record_end(
        self, run: EndedRun, workflow: str, started_at: float, ended_at: float
    ) -> None:
        for recorder in self._telemetry.recorders:
            recorder.run_ended(workflow, run.status, ended_at - started_at)
        span = self._telemetry.tracing.start(
            f"run {workflow}",
            "INTERNAL",
            {"workflow": workflow, "run_id": run.run_id, "status": run.status},
            parent=run.traceparent,
            start=started_at,
        )
        if span is not None:
            error = None if run.error is None else _cause_of(run)
            self._telemetry.tracing.end(span, error=error, at=ended_at)


def _cause_of(run: EndedRun) -> Mapping[str, object]:
    """Return the error of the task that has ended a run, as it may be told."""
    found: Mapping[str, object] = (run.error or {}).get("error") or {}
    return redacted(found) if run.is_redacted else found
