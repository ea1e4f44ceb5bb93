"""
One run, in the hands of a program without coroutines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.sync_messages import SyncSubscription, subscribe
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.runs import RunMetadata
from singularity_workflow.model.statuses import RunStatus

if TYPE_CHECKING:
    from singularity_workflow.engine.handles import RunHandle
    from singularity_workflow.engine.sync_controls import SyncRunControls
    from singularity_workflow.model.events import Event

__all__ = ["SyncRunHandle"]


class SyncRunHandle:
    """
    A run that was started, or adopted; made by an `Engine`. See `RunHandle`.

    .. versionadded:: 0.1
    """

    __slots__ = ("_engine", "_handle")

    def __init__(self, engine: SyncRunControls, handle: RunHandle) -> None:
        self._engine = engine
        self._handle = handle

    @property
    def id(self) -> UUID:
        """The run's id."""
        return self._handle.id

    def result(self, timeout: Duration | None = None) -> dict[str, Any]:
        """Wait for the end of the run; see `RunHandle.result`."""
        return self._engine._call(self._handle.result(timeout))

    def status(self) -> tuple[RunStatus, RunMetadata]:
        """Return where the run is; see `RunHandle.status`."""
        return self._engine._call(self._handle.status())

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the run; see `RunHandle.cancel`."""
        self._engine._call(self._handle.cancel(reason))

    def events(self, after: str | None = None) -> SyncSubscription[Event]:
        """Listen to the run, from its beginning on; see `RunHandle.events`."""
        return subscribe(self._engine._call, lambda: self._handle.events(after))

    def pause(self) -> None:
        """Pause the run; see `RunHandle.pause`."""
        self._engine._call(self._handle.pause())

    def resume(self) -> None:
        """Go on with the paused run; see `RunHandle.resume`."""
        self._engine._call(self._handle.resume())

    def retry(self) -> SyncRunHandle:
        """Repeat the failed run as a new one; see `RunHandle.retry`."""
        return SyncRunHandle(self._engine, self._engine._call(self._handle.retry()))

    def fork(self, from_step: str) -> SyncRunHandle:
        """Repeat the run from a step on; see `RunHandle.fork`."""
        handle = self._engine._call(self._handle.fork(from_step))
        return SyncRunHandle(self._engine, handle)

    def __repr__(self) -> str:
        return f"<SyncRunHandle {self.id}>"
