"""
Start runs in natural batches.

Those that are asked for while a call is under way go with the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol
from uuid import UUID

import orjson

from singularity_workflow.engine.requests import StartRequest
from singularity_workflow.errors import (
    ConfigurationError,
    ConnectionFailed,
    InvalidInput,
    SingularityError,
)
from singularity_workflow.model.json_codec import decode_json
from singularity_workflow.store.channel import BatchRejected
from singularity_workflow.store.replies import Reply
from singularity_workflow.worker.dispatcher import Dispatcher
from singularity_workflow.worker.run_observer import RunObserver

__all__ = ["StartStore", "Starter"]

logger = logging.getLogger(__name__)

_LARGEST_BATCH: Final = 500
_TRIES: Final = 6
_FIRST_PAUSE: Final = 0.1
_ALONE: Final = 0.005
"""Seconds without another start after which one counts as alone."""

_SLOTS_PER_RUN: Final = 2
"""Root tasks of a run that may be handed over with its start."""


class StartStore(Protocol):
    """The one call that this module makes."""

    async def start_runs(
        self, requests: bytes, *, owner: UUID | None, slots: int, notify: bool = False
    ) -> tuple[list[tuple[str, str, bool]], Reply]: ...


_Waiting = tuple[StartRequest, "asyncio.Future[UUID]"]


class Starter:
    """
    Start runs: the local ones of a worker, or distributed ones.

    Args:
        store: Where runs are started.
        dispatcher: Who takes what is handed over; None: the runs are distributed.
        on_reply: Told of each reply when there is no dispatcher, and whether workers
            were told by the commit.
        runs: Told of the runs that are new.
        context: The context variables of its tasks, and so of the steps that are
            handed over: those of the engine, not of whoever calls first.
    """

    def __init__(
        self,
        store: StartStore,
        dispatcher: Dispatcher | None = None,
        on_reply: Callable[[Reply, bool], None] | None = None,
        *,
        runs: RunObserver,
        context: contextvars.Context,
    ) -> None:
        self._runs = runs
        self._store = store
        self._dispatcher = dispatcher
        self._on_reply = on_reply
        self._context = context
        self._waiting: deque[_Waiting] = deque()
        self._last_start = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self, request: StartRequest) -> asyncio.Future[UUID]:
        """
        Return, when it is there, the id of the run that *request* stands for.

        Raises:
            InvalidInput: The input lacks the elements of a root map.
            ConflictError: Its key was used with another input.
            ConnectionFailed: The server cannot be reached.
            ConfigurationError: The engine is closed meanwhile.
        """
        future: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(
                self._work(), name="swf-starter", context=self._context.copy()
            )
        return future

    async def close(self) -> None:
        """Refuse what was not started yet."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        _fail(self._waiting, _closed())
        self._waiting.clear()

    async def _work(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), _LARGEST_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            batch = [one for one in batch if not one[1].cancelled()]
            try:
                await self._start_batch(batch)
            except asyncio.CancelledError:
                _fail(batch, _closed())
                raise

    async def _start_batch(self, batch: Sequence[_Waiting]) -> None:
        """Start all, or find out which call is to blame and start the others."""
        if not batch:
            return
        try:
            started = await self._call([request for request, _ in batch])
        except (SingularityError, BatchRejected) as error:
            calls = _by_call(batch)
            if len(calls) > 1 and not isinstance(error, ConnectionFailed):
                for one in calls:
                    await self._start_batch(one)
                return
            _fail(batch, error)
        except Exception as error:
            _fail(batch, error)
        else:
            for request, future in batch:
                if not future.done():
                    future.set_result(started[str(request.run_id)])

    async def _call(self, requests: Sequence[StartRequest]) -> dict[str, UUID]:
        """Call again after a lost connection: the ids make it the same request."""
        data = orjson.dumps([request.to_item() for request in requests])
        pause = _FIRST_PAUSE
        for attempt in range(1, _TRIES + 1):
            try:
                if self._dispatcher is None:
                    answers = await self._start_distributed(data)
                else:
                    answers = await self._start_local(self._dispatcher, data, requests)
            except ConnectionFailed as error:
                if attempt == _TRIES:
                    raise
                logger.warning("starting runs failed, trying again: %s", error.message)
                if self._dispatcher is not None:
                    self._dispatcher.note_lost_call()
            else:
                if self._runs.wants_starts:
                    self._runs.started(_new_runs(requests, answers))
                return {asked: UUID(got) for asked, got, _ in answers}
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")  # pragma: no cover

    async def _start_distributed(self, data: bytes) -> list[tuple[str, str, bool]]:
        # a start that comes alone tells workers in its own commit, which saves them the
        # wait for another; many at once are told after it, by one hint for all
        now = asyncio.get_running_loop().time()
        is_alone = not self._waiting and now - self._last_start > _ALONE
        answers, reply = await self._store.start_runs(
            data, owner=None, slots=0, notify=is_alone
        )
        self._last_start = asyncio.get_running_loop().time()
        if self._on_reply is not None:
            self._on_reply(reply, is_alone)
        return answers

    async def _start_local(
        self, dispatcher: Dispatcher, data: bytes, requests: Sequence[StartRequest]
    ) -> list[tuple[str, str, bool]]:
        # the reply leaves out the inputs of runs that are new: they are here
        ids = [str(request.run_id) for request in requests]
        for request, run_id in zip(requests, ids, strict=True):
            dispatcher.memory.pin_run(
                run_id,
                request.workflow,
                decode_json(request.input),
                request.traceparent,
                request.is_redacted,
            )
        slots = dispatcher.reserve(_SLOTS_PER_RUN * len(requests))
        dispatcher.waiters.track(ids, [request.workflow for request in requests])
        try:
            answers, reply = await self._store.start_runs(
                data, owner=dispatcher.worker_id, slots=slots
            )
            dispatcher.waiters.untrack(
                [asked for asked, _, is_new in answers if not is_new]
            )
            dispatcher.absorb(reply)
        except BaseException:
            dispatcher.waiters.untrack(ids)
            raise
        finally:
            dispatcher.unreserve(slots)
            dispatcher.memory.unpin_runs(ids)
        return answers


def _new_runs(
    requests: Sequence[StartRequest], answers: Iterable[tuple[str, str, bool]]
) -> list[tuple[str, str]]:
    """Return workflow and id of the runs that did not exist before."""
    names = {str(request.run_id): request.workflow.name for request in requests}
    return [(names[asked], asked) for asked, _, is_new in answers if is_new]


def _by_call(batch: Sequence[_Waiting]) -> list[list[_Waiting]]:
    calls: dict[object, list[_Waiting]] = {}
    for one in batch:
        calls.setdefault(one[0].call or one[0].run_id, []).append(one)
    return list(calls.values())


def _closed() -> ConfigurationError:
    return ConfigurationError("the engine was closed while a run was being started")


def _fail(batch: Iterable[_Waiting], error: Exception) -> None:
    if isinstance(error, BatchRejected):
        error = InvalidInput(f"PostgreSQL cannot store the input: {error}")
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
