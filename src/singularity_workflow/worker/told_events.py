"""
What running tasks tell: progress, and events of the application.

It is gathered for a moment and stored by one call for all tasks. What a task has told
just before its end goes with its outcome, in the same transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import orjson

from singularity_workflow.errors import ConnectionFailed, SingularityError
from singularity_workflow.store.replies import TaskRef
from singularity_workflow.telemetry.fields import log_fields

__all__ = ["EmitStore", "ToldEvents"]

logger = logging.getLogger(__name__)

_PROGRESS: Final = "task_progress"
_GATHER: Final = 0.1
"""Seconds that what is told waits for more: a listener sees it that much later."""

_PAUSE_WHEN_AWAY: Final = 1.0
_LARGEST_BATCH: Final = 500
_MOST_WAITING: Final = 10_000
"""Events of a task that wait for the database; what is told beyond is refused."""

_Event = Mapping[str, object]


class EmitStore(Protocol):
    """The one call that this module makes."""

    async def emit(self, batch: bytes) -> tuple[list[TaskRef], Sequence[int]]: ...


class ToldEvents:
    """
    Gather what tasks tell, and store it.

    Args:
        store: Where it is stored.
        on_events: Told the positions of what was stored.
    """

    def __init__(
        self, store: EmitStore, on_events: Callable[[Sequence[int]], None]
    ) -> None:
        self._store = store
        self._on_events = on_events
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()
        self._lock = threading.Lock()
        self._waiting: dict[TaskRef, list[_Event]] = {}
        # what is only true with the outcome
        self._last: dict[TaskRef, list[_Event]] = {}
        # what a call is just storing
        self._under_way: dict[TaskRef, list[_Event]] = {}
        self._is_stored = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_asked = False

    def start(self) -> None:
        """Remember the loop that calls are made on, and the context."""
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()

    async def close(self) -> None:
        """Stop; what was not stored yet goes with the outcomes of its tasks."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def tell(
        self, task: TaskRef, kind: str, data: object, *, is_last: bool = False
    ) -> None:
        """
        Take note of an event, from any thread.

        Args:
            task: Who tells it.
            kind: Its type.
            data: The rest.
            is_last: It is only true if the task ends as it is about to: it is stored in
                the transaction of the outcome, behind all others, or not at all.

        Raises:
            OverflowError: Too many of the task wait for the database.
        """
        event = {"type": kind, "at": datetime.now(UTC).isoformat(), "data": data}
        if is_last:
            with self._lock:
                self._last.setdefault(task, []).append(event)
            return
        with self._lock:
            events = self._waiting.setdefault(task, [])
            if kind == _PROGRESS and events and events[-1]["type"] == _PROGRESS:
                events[-1] = event  # what has been overtaken is of no interest
            elif len(events) >= _MOST_WAITING:
                raise OverflowError(
                    f"{len(events):,} events of the task wait to be stored"
                )
            else:
                events.append(event)
            is_asked, self._is_asked = self._is_asked, True
        if not is_asked and self._loop is not None:
            # not in that of the step that tells: it is stored for all of them
            self._loop.call_soon_threadsafe(self._store_soon, context=self._context)

    def has_told(self, task: TaskRef) -> bool:
        """Whether there is something of a task that is not known to be stored."""
        return task in self._waiting or task in self._under_way or task in self._last

    async def settle(self, task: TaskRef) -> list[_Event]:
        """Return what a task has told and nobody stores, for its outcome to carry."""
        while task in self._under_way:
            self._is_stored.clear()
            await self._is_stored.wait()
        return self.forget(task)

    def forget(self, task: TaskRef) -> list[_Event]:
        """Store nothing more of a task; return what was waiting."""
        with self._lock:
            return self._waiting.pop(task, []) + self._last.pop(task, [])

    def _store_soon(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="swf-told-events")

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(_GATHER)
            with self._lock:
                if not self._waiting:
                    self._is_asked = False
                    return
                self._under_way = self._take_batch()
            try:
                await self._store_batch()
            finally:
                self._under_way = {}
                self._is_stored.set()

    def _take_batch(self) -> dict[TaskRef, list[_Event]]:
        batch: dict[TaskRef, list[_Event]] = {}
        room = _LARGEST_BATCH
        for task in list(self._waiting):
            events = self._waiting.pop(task)
            batch[task], rest = events[:room], events[room:]
            if rest:
                self._waiting[task] = rest
            room -= len(batch[task])
            if room <= 0:
                break
        return batch

    async def _store_batch(self) -> None:
        items = [
            {
                "run": task.run_id,
                "step": task.step_no,
                "task": task.task_index,
                "attempt": task.attempt,
                "events": events,
            }
            for task, events in self._under_way.items()
        ]
        try:
            refused, positions = await self._store.emit(orjson.dumps(items))
        except (ConnectionFailed, asyncio.CancelledError) as error:
            # it may have been stored: rather twice than not at all
            with self._lock:
                for task, events in self._under_way.items():
                    self._waiting[task] = events + self._waiting.get(task, [])
            if isinstance(error, asyncio.CancelledError):
                raise
            self._under_way = {}
            self._is_stored.set()
            await asyncio.sleep(_PAUSE_WHEN_AWAY)
        except SingularityError as error:
            logger.error("what %d tasks told was not stored: %s", len(items), error)  # noqa: TRY400 - its message says it all
        except Exception:
            logger.exception("what %d tasks told was not stored", len(items))
        else:
            self._on_events(positions)
            for task in refused:
                logger.info(
                    "what attempt %d told was refused: it is not in charge any more",
                    task.attempt,
                    extra=log_fields(
                        run_id=task.run_id,
                        task_index=task.task_index,
                        attempt=task.attempt,
                    ),
                )
