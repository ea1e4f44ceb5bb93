"""
What can be done with runs that exist: see, pause, resume, cancel, repeat, delete.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from singularity_workflow.engine.arguments import read_text
from singularity_workflow.engine.filters import RunFilter, narrowed, to_json
from singularity_workflow.engine.handles import RunHandle
from singularity_workflow.engine.inspection import (
    read_cursor,
    read_limit,
    to_metadata,
    to_page,
    to_run_id,
)
from singularity_workflow.errors import (
    InvalidSetting,
    RunNotFound,
    StateTransitionError,
)
from singularity_workflow.model.runs import Page, RunInfo, RunMetadata
from singularity_workflow.model.statuses import RunStatus

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session
    from singularity_workflow.store.replies import Moved

__all__ = ["RunControls", "RunId"]

RunId: TypeAlias = UUID | str

_AT_ONCE: Final = 100
"""Runs that one transaction of a bulk call touches."""

_OPEN: Final = (RunStatus.PENDING, RunStatus.STARTED, RunStatus.PAUSED)
_ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class RunControls:
    """The part of `AsyncEngine` that is about runs which exist already."""

    @property
    def _opened(self) -> Session:
        raise NotImplementedError

    def _new_id(self) -> UUID:
        raise NotImplementedError

    def get_handle(self, run_id: RunId) -> RunHandle:
        """Return a handle of a run that was started anywhere."""
        return RunHandle(self, to_run_id(run_id), is_ours=False)

    async def get_run_status(self, run_id: RunId) -> tuple[RunStatus, RunMetadata]:
        """
        Return where a run is, with its figures.

        Raises:
            RunNotFound: If there is no such run.
        """
        return to_metadata(await self._opened.store.run_status(to_run_id(run_id)))

    async def list_workflow_runs(
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
        """
        Return a page of runs, newest first.

        A page looks at some thousand runs at most. If few of them match, it comes back
        short, or empty, with a `next_cursor` to go on from; only None says that there
        are no more.

        Args:
            status: Only these statuses.
            workflow: Only runs of the workflow of this name.
            tags: Only runs that have all of these.
            since: Only runs created at this time or later.
            until: Only runs created before this time.
            input:
                Only runs whose input contains this mapping, or in which this SQL/JSON
                path finds something.
            output: The same of the result of completed runs.
            parent: Only children of this run.
            origin: Only runs that retry, fork or undo this one.
            limit: The most runs a page, from 1 to 1,000.
            cursor: `next_cursor` of the page before.

        Raises:
            InvalidSetting: If an argument cannot be.
        """
        wanted = RunFilter(
            status=status, workflow=workflow, tags=tags, since=since, until=until,
            input=input, output=output, parent=parent, origin=origin,
        )  # fmt: skip
        rows, rest = await self._opened.store.list_runs(
            to_json(wanted), before=read_cursor(cursor), limit=read_limit(limit)
        )
        return to_page(rows, rest)

    # one run

    async def pause_workflow_run(self, run_id: RunId) -> None:
        """
        Pause a run: what runs goes on to its end, nothing more starts.

        Its deadline stands still. Children pause with it. Pausing a paused run does
        nothing.

        Raises:
            RunNotFound: If there is no such run.
            StateTransitionError: If it has ended.
        """
        run = to_run_id(run_id)
        moved = await self._opened.pause([run])
        _check(run, moved, "paused", allowed=RunStatus.PAUSED)

    async def resume_workflow_run(self, run_id: RunId) -> None:
        """
        Go on with a paused run, and with the children that were paused with it.

        Resuming a run that is started does nothing.

        Raises:
            RunNotFound: If there is no such run.
            StateTransitionError: If it has ended, or has not started yet.
        """
        run = to_run_id(run_id)
        moved = await self._opened.resume([run])
        _check(run, moved, "resumed", allowed=RunStatus.STARTED)

    async def cancel_workflow_run(
        self, run_id: RunId, *, reason: str | None = None
    ) -> None:
        """
        Cancel a run: what is queued never starts, what runs is stopped.

        Coroutines are cancelled, threads see `ctx.cancelled`, processes are ended, on
        whichever worker. Children are cancelled too; steps with `compensate` that have
        completed are undone.

        Args:
            run_id: The run.
            reason: Why, in words for people.

        Raises:
            RunNotFound: If there is no such run.
            StateTransitionError: If it has ended.
        """
        run = to_run_id(run_id)
        if await self._opened.cancel([run], read_text("reason", reason)):
            return
        status, _ = await self.get_run_status(run)
        raise _impossible(run, "cancelled", status)

    async def retry_failed_workflow(self, run_id: RunId) -> RunHandle:
        """
        Repeat a failed or cancelled run, as a new run that reuses what completed.

        Completed and skipped steps are taken over with their outputs, and so are the
        completed elements of maps; what a compensation has undone runs again. The new
        run has the same version, input and options. This engine runs it if it knows
        the workflow, else any worker.

        Raises:
            RunNotFound: If there is no such run.
            StateTransitionError: If it has not failed and was not cancelled.
        """
        return await self._repeat(run_id, None)

    async def fork(self, run_id: RunId, from_step: str) -> RunHandle:
        """
        Start a new run that takes a run over up to a step, and goes on from there.

        Completed and skipped steps are reused, but for *from_step* and whatever
        depends on it.

        Args:
            run_id: The run; it may be in any status.
            from_step: Name of the first step that runs again.

        Raises:
            RunNotFound: If there is no such run.
            StepNotFound: If its workflow has no such step.
            StateTransitionError: If a step that *from_step* depends on has not ended.
        """
        if not isinstance(from_step, str):
            raise InvalidSetting(f"from_step must be a step's name, got {from_step!r}")
        return await self._repeat(run_id, from_step)

    async def delete_run(self, run_id: RunId) -> None:
        """
        Remove a run that has ended, with all its rows.

        Raises:
            RunNotFound: If there is no such run.
            StateTransitionError: If it has not ended.
        """
        run = to_run_id(run_id)
        await self.get_run_status(run)
        await self._opened.delete([run])

    # many runs

    async def pause_workflow_runs(self, runs: RunFilter) -> list[UUID]:
        """Pause all runs that match and can be paused; return those that were."""
        found: list[UUID] = []
        async for ids in self._matching(runs, (RunStatus.PENDING, RunStatus.STARTED)):
            found += _changed(await self._opened.pause(ids))
        return found

    async def resume_workflow_runs(self, runs: RunFilter) -> list[UUID]:
        """Resume all paused runs that match; return those that were."""
        found: list[UUID] = []
        async for ids in self._matching(runs, (RunStatus.PAUSED,)):
            found += _changed(await self._opened.resume(ids))
        return found

    async def cancel_workflow_runs(
        self, runs: RunFilter, *, reason: str | None = None
    ) -> list[UUID]:
        """
        Cancel all runs that match and have not ended; return those that were.

        Compensations under way are cancelled only if the filter has an `origin`.
        """
        why = read_text("reason", reason)
        found: list[UUID] = []
        async for ids in self._matching(runs, _OPEN, spares_undoing=True):
            found += await self._opened.cancel(ids, why)
        return found

    async def retry_failed_workflows(self, runs: RunFilter) -> list[RunHandle]:
        """
        Retry all failed and cancelled runs that match; return the new runs.

        What cannot be retried now, because its compensation is under way or somebody
        has deleted it meanwhile, is passed over.
        """
        possible = (RunStatus.FAILED, RunStatus.CANCELLED)
        handles: list[RunHandle] = []
        async for ids in self._matching(runs, possible, spares_undoing=True):
            for run_id in ids:
                with contextlib.suppress(StateTransitionError, RunNotFound):
                    handles.append(await self._repeat(run_id, None))
        return handles

    async def delete_runs(self, runs: RunFilter) -> list[UUID]:
        """
        Delete all runs that match and have ended; return those that were.

        A run that is about to be undone, or whose parent still needs its result, stays.
        """
        found: list[UUID] = []
        async for ids in self._matching(runs, _ENDED):
            try:
                found += await self._opened.delete(ids)
            except StateTransitionError:
                # one of them must stay, such as a run that is about to be undone
                for run_id in ids:
                    with contextlib.suppress(StateTransitionError, RunNotFound):
                        found += await self._opened.delete([run_id])
        return found

    async def _repeat(self, run_id: RunId, from_step: str | None) -> RunHandle:
        run, new_id = to_run_id(run_id), self._new_id()
        is_ours = await self._opened.copy_run(run, new_id, from_step)
        return RunHandle(self, new_id, is_ours=is_ours)

    async def _matching(
        self,
        runs: RunFilter,
        possible: Sequence[RunStatus],
        *,
        spares_undoing: bool = False,
    ) -> AsyncIterator[list[UUID]]:
        """
        Yield the runs that match, as many at a time as one transaction may touch.

        Args:
            runs: Which.
            possible: The statuses in which it makes sense.
            spares_undoing: Whether compensations are meant only by who asks for them.
        """
        wanted = to_json(narrowed(runs, possible))
        before: UUID | None = None
        while True:
            rows, before = await self._opened.store.list_runs(
                wanted, before=before, limit=_AT_ONCE
            )
            spared = "compensation" if spares_undoing and runs.origin is None else None
            ids = [
                UUID(row["id"])
                for row in rows
                if row["origin_kind"] is None or row["origin_kind"] != spared
            ]
            if ids:
                yield ids
            if before is None:
                return


def _check(
    run_id: UUID, moved: Sequence[Moved], what: str, *, allowed: RunStatus
) -> None:
    if not moved:
        raise RunNotFound(f"no run has the id {run_id}", run_id=run_id)
    status = RunStatus(moved[0].status)
    if not moved[0].is_changed and status is not allowed:
        raise _impossible(run_id, what, status)


def _changed(moved: Sequence[Moved]) -> list[UUID]:
    return [UUID(one.run_id) for one in moved if one.is_changed]


def _impossible(run_id: UUID, what: str, status: RunStatus) -> StateTransitionError:
    return StateTransitionError(
        f"run {run_id} cannot be {what}: it is {status}", run_id=run_id
    )
