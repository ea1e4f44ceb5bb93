"""
What can be done with runs, for programs without coroutines; see `controls`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from singularity_workflow.engine.controls import RunId
from singularity_workflow.engine.filters import RunFilter
from singularity_workflow.engine.sync_handles import SyncRunHandle
from singularity_workflow.model.runs import Page, RunInfo, RunMetadata
from singularity_workflow.model.statuses import RunStatus

if TYPE_CHECKING:
    from singularity_workflow.engine.async_engine import AsyncEngine

__all__ = ["SyncRunControls"]

_T = TypeVar("_T")


class SyncRunControls:
    """The part of `Engine` that is about runs which exist already."""

    _engine: AsyncEngine

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        raise NotImplementedError

    def get_handle(self, run_id: RunId) -> SyncRunHandle:
        """Return a handle of a run that was started anywhere."""
        return SyncRunHandle(self, self._engine.get_handle(run_id))

    def get_run_status(self, run_id: RunId) -> tuple[RunStatus, RunMetadata]:
        """Return where a run is; see `AsyncEngine.get_run_status`."""
        return self._call(self._engine.get_run_status(run_id))

    def list_workflow_runs(
        self,
        *,
        status: RunStatus | str | Iterable[RunStatus | str] | None = None,
        workflow: str | None = None,
        tags: Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        input: Mapping[str, object] | str | None = None,
        output: Mapping[str, object] | str | None = None,
        parent: RunId | None = None,
        origin: RunId | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[RunInfo]:
        """Return a page of runs; see `AsyncEngine.list_workflow_runs`."""
        return self._call(
            self._engine.list_workflow_runs(
                status=status,
                workflow=workflow,
                tags=tags,
                since=since,
                until=until,
                input=input,
                output=output,
                parent=parent,
                origin=origin,
                limit=limit,
                cursor=cursor,
            )
        )

    def pause_workflow_run(self, run_id: RunId) -> None:
        """Pause a run; see `AsyncEngine.pause_workflow_run`."""
        self._call(self._engine.pause_workflow_run(run_id))

    def resume_workflow_run(self, run_id: RunId) -> None:
        """Go on with a paused run; see `AsyncEngine.resume_workflow_run`."""
        self._call(self._engine.resume_workflow_run(run_id))

    def cancel_workflow_run(self, run_id: RunId, *, reason: str | None = None) -> None:
        """Cancel a run; see `AsyncEngine.cancel_workflow_run`."""
        self._call(self._engine.cancel_workflow_run(run_id, reason=reason))

    def retry_failed_workflow(self, run_id: RunId) -> SyncRunHandle:
        """Repeat a failed run; see `AsyncEngine.retry_failed_workflow`."""
        handle = self._call(self._engine.retry_failed_workflow(run_id))
        return SyncRunHandle(self, handle)

    def fork(self, run_id: RunId, from_step: str) -> SyncRunHandle:
        """Repeat a run from a step on; see `AsyncEngine.fork`."""
        return SyncRunHandle(self, self._call(self._engine.fork(run_id, from_step)))

    def delete_run(self, run_id: RunId) -> None:
        """Remove a run that has ended; see `AsyncEngine.delete_run`."""
        self._call(self._engine.delete_run(run_id))

    def pause_workflow_runs(self, runs: RunFilter) -> list[UUID]:
        """Pause runs; see `AsyncEngine.pause_workflow_runs`."""
        return self._call(self._engine.pause_workflow_runs(runs))

    def resume_workflow_runs(self, runs: RunFilter) -> list[UUID]:
        """Resume runs; see `AsyncEngine.resume_workflow_runs`."""
        return self._call(self._engine.resume_workflow_runs(runs))

    def cancel_workflow_runs(
        self, runs: RunFilter, *, reason: str | None = None
    ) -> list[UUID]:
        """Cancel runs; see `AsyncEngine.cancel_workflow_runs`."""
        return self._call(self._engine.cancel_workflow_runs(runs, reason=reason))

    def retry_failed_workflows(self, runs: RunFilter) -> list[SyncRunHandle]:
        """Retry runs; see `AsyncEngine.retry_failed_workflows`."""
        handles = self._call(self._engine.retry_failed_workflows(runs))
        return [SyncRunHandle(self, handle) for handle in handles]

    def delete_runs(self, runs: RunFilter) -> list[UUID]:
        """Delete runs; see `AsyncEngine.delete_runs`."""
        return self._call(self._engine.delete_runs(runs))
