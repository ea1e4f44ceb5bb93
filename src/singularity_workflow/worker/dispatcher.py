"""
The hot loop: report what has ended, and take what comes next.

While one call is under way, tasks go on ending; the next call takes all of them. So
batches are as large as the load makes them, and a lonely task never waits for others.
Each call hands over what follows from it, and fills what slots are left from the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import ConnectionFailed
from singularity_workflow.store.replies import EndedRun, Reply, TaskRef
from singularity_workflow.worker.catalog import Catalog
from singularity_workflow.worker.jobs import Jobs
from singularity_workflow.worker.memory import MapKey, RunMemory
from singularity_workflow.worker.outcome import Outcome, encode_batch
from singularity_workflow.worker.queue_view import IDLE_POLL, QueueView
from singularity_workflow.worker.reporting import REJECTIONS, Outbox, reject
from singularity_workflow.worker.routing import ForeignTasks, WorkflowRouter
from singularity_workflow.worker.runner import Runner
from singularity_workflow.worker.task_observer import TaskObserver
from singularity_workflow.worker.told_events import ToldEvents
from singularity_workflow.worker.waiters import Waiters

__all__ = ["Dispatcher", "DispatcherHooks", "TaskStore"]

logger = logging.getLogger(__name__)

_SMALLEST_HELP: Final = 16
_FIRST_LANE: Final = 0
_SECOND_LANE: Final = 1
_FIRST_POLL: Final = 0.02
_LAST_POLL: Final = 1.0
"""Without hints: from the pace of a busy queue to that of an idle one."""

_LONGEST_FAREWELL: Final = 2.0
_LAST_BACKOFF: Final = 2.0


class TaskStore(Protocol):
    """The calls that this module makes."""

    async def report_tasks(
        self,
        worker_id: UUID,
        batch: bytes,
        queues: Sequence[str],
        *,
        slots: int = 0,
        claim: bool = False,
        low: int = 0,
        max_key: int | None = None,
        wanted: Sequence[str] = (),
        known_maps: Sequence[str] = (),
        lost: bool = True,
        lane: int = 0,
    ) -> Reply: ...

    async def report_alone(
        self, worker_id: UUID, batch: bytes, wanted: Sequence[str]
    ) -> Reply: ...

    async def release_tasks(self, tasks: Sequence[TaskRef]) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherHooks:
    """
    Who else is told of what a dispatcher learns.

    Args:
        on_timer: Told when a timer is due sooner than was known, in seconds.
        on_lost_call: Called when a call broke off: tasks may have been handed over in
            a reply that never came.
        on_announced: Told the smallest key of messages that were written.
        on_ended: Told of runs that ended.
        on_events: Told the positions of events that were stored.
        is_told: Whether hints of other processes arrive; else there is only polling.
    """

    on_timer: Callable[[float], None]
    on_lost_call: Callable[[], None]
    on_announced: Callable[[int], None]
    on_ended: Callable[[Sequence[EndedRun]], None]
    on_events: Callable[[Sequence[int]], None]
    is_told: Callable[[], bool]


class Dispatcher:
    """
    Keep a worker's slots full.

    Args:
        store: Where tasks come from and go to.
        worker_id: Who we are.
        queues: The queues that are served.
        concurrency: The most tasks that run at once.
        catalog: What can be run.
        runner: What runs it.
        observer: Told what becomes of tasks and runs.
        waiters: Who is told of the ends of runs.
        router: Finds the code of versions that the catalog lacks.
        told: What tasks tell while they run.
        hooks: Who else is told of what happens.
    """

    def __init__(
        self,
        *,
        store: TaskStore,
        worker_id: UUID,
        queues: Sequence[str],
        concurrency: int,
        catalog: Catalog,
        runner: Runner,
        observer: TaskObserver,
        waiters: Waiters,
        router: WorkflowRouter,
        told: ToldEvents,
        hooks: DispatcherHooks,
    ) -> None:
        self.worker_id = worker_id
        self.queues = list(queues)
        self.memory = RunMemory()
        self._store = store
        self._concurrency = concurrency
        self._catalog = catalog
        self._observer = observer
        self.waiters = waiters
        self._hooks = hooks
        self._wake = asyncio.Event()
        self._outbox = Outbox(
            report_alone=self._report_alone,
            on_reported=self._absorb_apart,
            on_return=self._wake.set,
        )
        self._ended = self._outbox.ended
        self.jobs = Jobs(
            runner=runner,
            observer=observer,
            memory=self.memory,
            outbox=self._outbox,
            on_foreign=self._set_foreign,
            on_recorded=self.absorb,
            on_end=self._on_end,
            on_lane_free=self._on_lane_free,
            told=told,
        )
        self._foreign = ForeignTasks(
            router=router,
            memory=self.memory,
            on_found=self.jobs.start,
            on_lost=self._on_foreign_lost,
        )
        self._calls = 0
        self._is_claiming = False
        self._reserved = 0
        self._queue = QueueView(time.monotonic)
        self._help_wanted = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._backoff = 0.0
        self._deaf_pause = _FIRST_POLL

    # from outside

    def start(self) -> None:
        """Begin to work; what waits in the queues is looked for at once."""
        self._wake.set()
        self._loops = [
            asyncio.create_task(self._work(), name="swf-dispatcher"),
            asyncio.create_task(self._help(), name="swf-dispatcher-2"),
        ]

    def announce(self, key: int | None) -> None:
        """Take note that messages may wait, from *key* on; None: from anywhere."""
        self._queue.announce(key)
        self._wake.set()

    def reserve(self, wanted: int) -> int:
        """
        Keep up to *wanted* slots for tasks that another call brings.

        None while messages wait: what is older goes first, and the slots are better
        filled by the call that is made for it.
        """
        if self._queue.may_have_messages or self._is_draining:
            return 0
        free = max(0, min(wanted, self._free_slots() - len(self._ended)))
        self._reserved += free
        return free

    def unreserve(self, slots: int) -> None:
        """Give slots back that were reserved."""
        self._reserved -= slots
        if self._queue.may_have_messages:
            self._wake.set()

    def note_lost_call(self) -> None:
        """Take note that a call broke off: it may have handed tasks to nobody."""
        self._queue.announce(None)
        self._hooks.on_lost_call()

    def stop_claiming(self) -> None:
        """Take no more tasks, neither from the queues nor by hand-over."""
        self._is_draining = True

    async def drain(self, grace: float) -> bool:
        """
        Take no more tasks, and wait until those that are here have ended.

        Args:
            grace: Seconds to wait.

        Returns:
            Whether all have ended.
        """
        self.stop_claiming()
        deadline = asyncio.get_running_loop().time() + grace
        while self.jobs.known:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            self.jobs.is_idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.jobs.is_idle.wait(), left)
        return True

    async def close(self) -> None:
        """Stop, report what has ended, and give the rest back to its queue."""
        self.stop_claiming()
        for task in self._loops:
            task.cancel()
        unfinished = await self._foreign.close()
        await asyncio.gather(*self._loops, return_exceptions=True)
        unfinished += await self.jobs.stop_all()
        try:
            await self._report_the_rest()
            if unfinished:
                await self._store.release_tasks(unfinished)
                self._hooks.on_announced(0)
        except ConnectionFailed:
            logger.warning("closing without the database: the lease must run out")
        except Exception:
            logger.exception("the last tasks cannot be reported or given back")

    async def _report_the_rest(self) -> None:
        """Report what has ended; what is being reported apart may come back."""
        deadline = asyncio.get_running_loop().time() + _LONGEST_FAREWELL
        while self._ended or self._outbox.apart:
            if self._ended:
                await self._exchange(_FIRST_LANE)
                continue
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.wait(self._outbox.apart, timeout=left)

    def absorb(self, reply: Reply) -> None:
        """Do what a reply says: wake waiters, run tasks, remember the queue's state."""
        for run in reply.inputs:
            workflow = self.waiters.workflow_of(run.run_id)
            workflow = workflow or self._catalog.get(run.workflow_id)
            if workflow is not None:
                self.memory.add_run(
                    run.run_id, workflow, run.input, run.traceparent, run.is_redacted
                )
        if reply.tasks:
            self.jobs.start(reply)
        if reply.ended:
            self.absorb_ended(reply.ended)
        if reply.announced is not None:
            self.announce(reply.announced)
            self._hooks.on_announced(reply.announced)
        if reply.timer_in is not None:
            self._hooks.on_timer(reply.timer_in)
        if reply.events:
            self._hooks.on_events(reply.events)

    def absorb_ended(self, ended: Sequence[EndedRun]) -> None:
        """Wake who waits for these runs, and stop what still runs of them."""
        self.waiters.tell(ended)
        self._hooks.on_ended(ended)
        self._observer.runs.ended(ended)
        if broken := [end.run_id for end in ended if end.status != "completed"]:
            self.jobs.stop_runs(broken)

    # the loop

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # a timer of its own: `wait_for` would make a task for every step of a chain
            poll = loop.call_later(self._idle_pause(), self.announce, None)
            await self._wake.wait()
            poll.cancel()
            self._wake.clear()
            while await self._exchange_or_back_off(_FIRST_LANE):
                pass

    async def _help(self) -> None:
        """
        Make a second call while the first is under way, if there is enough for it.

        The database then works for this process on two cores, and never on one run
        twice at a time: the second call would find it locked.
        """
        while True:
            await self._help_wanted.wait()
            self._help_wanted.clear()
            while self._calls and len(self._ended) >= _SMALLEST_HELP:
                if not await self._exchange_or_back_off(_SECOND_LANE):
                    break

    async def _exchange_or_back_off(self, lane: int) -> bool:
        """Make one call, or wait after one that failed; False: nothing to do."""
        try:
            has_called = await self._exchange(lane)
        except ConnectionFailed as error:
            if not self._backoff:
                logger.warning("the database is away: %s", error.message)
            self.note_lost_call()
            await self._back_off()
        except Exception as error:
            # whatever it is, the worker must not die of it with its tasks
            if not self._backoff:
                logger.exception("reporting tasks failed, trying again")
            else:
                logger.debug("reporting tasks failed again: %s", error)
            await self._back_off()
        else:
            if has_called and self._backoff:
                logger.warning("the database is back")
                self._backoff = 0.0
                self.waiters.ask_for_all()
            return has_called
        return True

    async def _back_off(self) -> None:
        self._queue.announce(None)
        self._backoff = min(_LAST_BACKOFF, self._backoff * 2 or 0.05)
        await asyncio.sleep(self._backoff * random.uniform(0.5, 1))  # noqa: S311

    async def _exchange(self, lane: int) -> bool:
        """Report what has ended, take what comes next; False: nothing to do."""
        self._queue.look_again()
        batch = self._outbox.take_batch(
            is_all_there_is=not self.jobs.running and not self._calls
        )
        slots = 0
        # a run that has no task here has no input here either, and the reply counts on
        # it: what follows from a task that was given to us to fail is not handed over
        has_inputs = all(outcome.task in self.jobs.taken for outcome in batch)
        if has_inputs and not self._is_draining:
            # what has ended and goes with another call keeps its slots: for what
            # follows from it
            slots = max(0, self._free_slots() - len(self._ended))
        # one claim at a time: two of them would pass over each other's messages
        does_claim = (
            slots > 0 and self._queue.may_have_messages and not self._is_claiming
        )
        if not batch and (self._calls or not does_claim):
            return False  # what another call brings may fill the slots as well

        runs = {outcome.task.run_id for outcome in batch}
        maps = self.memory.pin_maps()
        self._outbox.busy_runs |= runs
        self._reserved += slots
        self._calls += 1
        self._is_claiming |= does_claim
        self._ask_for_help()
        try:
            await self._report(lane, batch, maps, slots, does_claim)
        finally:
            self._calls -= 1
            self._is_claiming &= not does_claim
            self._reserved -= slots
            self._outbox.busy_runs -= runs
            self.memory.unpin_maps(maps)
            if self._ended or self._queue.may_have_messages:
                self._wake.set()
        return True

    async def _report(
        self,
        lane: int,
        batch: list[Outcome],
        maps: Sequence[MapKey],
        slots: int = 0,
        does_claim: bool = False,  # noqa: FBT002
    ) -> None:
        low = self._queue.begin_claim() if does_claim else 0
        began = time.perf_counter()
        try:
            reply = await self._store.report_tasks(
                self.worker_id,
                encode_batch(batch),
                self.queues,
                slots=slots,
                claim=does_claim,
                low=low,
                max_key=self._queue.head,
                wanted=self._wanted(batch),
                known_maps=[f"({run_id},{step_no})" for run_id, step_no in maps],
                lost=self.jobs.lost.is_free,
                lane=lane,
            )
        except REJECTIONS as error:
            if does_claim:
                self._queue.break_claim()
            await self._isolate(lane, batch, maps, error)
            return
        except BaseException:
            # not known whether it took effect: the same again, refused if it did
            self._outbox.put_back(batch)
            if does_claim:
                self._queue.break_claim()
            raise
        reported = self._settle(batch, reply)
        if does_claim:
            self._queue.end_claim(low, slots, reply)
            self._observer.claimed(time.perf_counter() - began, len(reply.tasks))
        self.absorb(reply)
        # only now may payloads go: the reply counted on them
        for ref in reported:
            self.jobs.release(ref)

    def _ask_for_help(self) -> None:
        if self._calls and len(self._ended) >= _SMALLEST_HELP:
            self._help_wanted.set()

    def _settle(self, batch: list[Outcome], reply: Reply) -> list[TaskRef]:
        """Keep what was deferred, and return the attempts that are dealt with."""
        # recorded by a call whose answer was lost, or not ours: the database knows
        self.waiters.ask_about({ref.run_id for ref in reply.refused})
        reported = {outcome.task: outcome for outcome in batch}
        for ref in reply.deferred:
            self._outbox.defer(reported.pop(ref))
        self._observer.reported(reported.values(), reply)
        return list(reported)

    async def _report_alone(self, batch: Sequence[Outcome]) -> Reply:
        return await self._store.report_alone(
            self.worker_id, encode_batch(batch), self._wanted(batch)
        )

    def _absorb_apart(self, reply: Reply, batch: Sequence[Outcome]) -> None:
        self._observer.reported(batch, reply)
        self.absorb(reply)
        for outcome in batch:
            self.jobs.release(outcome.task)

    async def _isolate(
        self,
        lane: int,
        batch: list[Outcome],
        maps: Sequence[MapKey],
        error: Exception,
    ) -> None:
        """Find the outcome that the server refuses, and fail its task for good."""
        if len(batch) > 1:
            middle = len(batch) // 2
            try:
                await self._report(lane, batch[:middle], maps)
            except BaseException:
                self._outbox.put_back(batch[middle:])
                raise
            await self._report(lane, batch[middle:], maps)
            return
        reject(batch[0], error)
        self._outbox.put_back(batch)

    # tasks

    def _on_end(self) -> None:
        self._ask_for_help()
        self._wake.set()

    def _on_lane_free(self) -> None:
        self.announce(None)

    def _set_foreign(self, reply: Reply) -> None:
        self._foreign.add(reply)

    def _on_foreign_lost(self, reply: Reply) -> None:
        # unknown to us again, they go back to their queue with a later heartbeat
        for task in reply.tasks:
            self.jobs.release(task.ref)
        self._hooks.on_lost_call()

    def _free_slots(self) -> int:
        busy = len(self.jobs.running) + len(self._foreign.refs) + self._reserved
        return max(0, self._concurrency - busy)

    def _idle_pause(self) -> float:
        """Return how long to wait for a hint before looking without one."""
        if self._hooks.is_told():
            self._deaf_pause = _FIRST_POLL
            return IDLE_POLL
        self._deaf_pause = min(self._deaf_pause * 1.5, _LAST_POLL)
        return self._deaf_pause

    def _wanted(self, batch: Sequence[Outcome]) -> list[str]:
        runs = {one.task.run_id for one in batch}
        return [run_id for run_id in runs if run_id in self.waiters]
