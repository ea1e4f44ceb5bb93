"""
The hot loop: report what has ended, take what comes next, and run it.

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
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import ConnectionFailed, SingularityError
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.store.channel import BatchRejected
from singularity_workflow.store.replies import EndedRun, HandedTask, Reply, TaskRef
from singularity_workflow.worker.catalog import Catalog, unserved
from singularity_workflow.worker.memory import MapKey, RunMemory
from singularity_workflow.worker.outcome import Outcome, describe_error, encode_batch
from singularity_workflow.worker.queue_view import IDLE_POLL, QueueView
from singularity_workflow.worker.runner import Job, Runner
from singularity_workflow.worker.waiters import Waiters

__all__ = ["Dispatcher", "DispatcherHooks", "TaskStore", "WorkflowRouter"]

logger = logging.getLogger(__name__)

_LARGEST_BATCH: Final = 500
_SMALLEST_TO_SPLIT: Final = 32
_DEFERRALS_BEFORE_WAITING: Final = 3
_FIRST_POLL: Final = 0.02
_LAST_POLL: Final = 1.0
"""Without hints: from the pace of a busy queue to that of an idle one."""

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
    ) -> Reply: ...

    async def report_alone(
        self, worker_id: UUID, batch: bytes, wanted: Sequence[str]
    ) -> Reply: ...

    async def release_tasks(self, tasks: Sequence[TaskRef]) -> int: ...


class WorkflowRouter(Protocol):
    """Where the code of a version is found."""

    async def find(self, workflow_id: int) -> CompiledWorkflow: ...


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
        is_told: Whether hints of other processes arrive; else there is only polling.
    """

    on_timer: Callable[[float], None]
    on_lost_call: Callable[[], None]
    on_announced: Callable[[int], None]
    on_ended: Callable[[Sequence[EndedRun]], None]
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
        waiters: Who is told of the ends of runs.
        router: Finds the code of versions that the catalog lacks.
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
        waiters: Waiters,
        router: WorkflowRouter,
        hooks: DispatcherHooks,
    ) -> None:
        self.worker_id = worker_id
        self.queues = list(queues)
        self.memory = RunMemory()
        self._store = store
        self._concurrency = concurrency
        self._catalog = catalog
        self._runner = runner
        self.waiters = waiters
        self._router = router
        self._hooks = hooks
        # every attempt that is here: running, ended or being reported
        self._known: dict[TaskRef, None] = {}
        self._running: dict[TaskRef, Job] = {}
        self._ended: deque[Outcome] = deque()
        self._reported: dict[TaskRef, Outcome] = {}
        # runs that others hold all the time: reported apart, each in its own turn
        self._contended: dict[str, list[Outcome]] = {}
        self._apart: set[asyncio.Task[None]] = set()
        self._routing: set[asyncio.Task[None]] = set()
        # tasks that a worker died with before: one at a time
        self._lost_before: set[TaskRef] = set()
        self._reserved = 0
        self._wake = asyncio.Event()
        self._queue = QueueView(time.monotonic)
        self._is_idle = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._is_draining = False
        self._backoff = 0.0
        self._deaf_pause = _FIRST_POLL

    # from outside

    def start(self) -> None:
        """Begin to work; what waits in the queues is looked for at once."""
        self._wake.set()
        self._loop_task = asyncio.create_task(self._work(), name="swf-dispatcher")

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

    def known_tasks(self) -> list[TaskRef]:
        """Return every attempt that is here: running, ended or being reported."""
        # called from the heartbeat's thread: list() of one dict is one step for the
        # loop's, and a task that changes its place meanwhile is not missed
        return list(self._known)

    def name_task(self, task: asyncio.Task[object]) -> str | None:
        """Return which step *task* runs, None if it is none; from any thread."""
        for job in list(self._running.values()):
            if job.task is task:
                return f"step {job.step.name!r} of workflow {job.context.workflow!r}"
        return None

    def note_lost_call(self) -> None:
        """Take note that a call broke off: it may have handed tasks to nobody."""
        self._queue.announce(None)
        self._hooks.on_lost_call()

    def lose(self, tasks: Sequence[TaskRef]) -> None:
        """Stop attempts that are no longer ours."""
        for ref in tasks:
            job = self._running.get(ref)
            if job is not None:
                logger.info(
                    "stopping %s: it is not ours any more",
                    job.context,
                    extra={"run_id": ref.run_id, "step": job.step.name},
                )
                job.stop()

    def stop_runs(self, run_ids: Sequence[str]) -> None:
        """Stop what runs here of runs that have ended."""
        ended = set(run_ids)
        self.lose([ref for ref in self._running if ref.run_id in ended])

    def fail(self, task: TaskRef, error: SingularityError) -> None:
        """Report a task as failed for good, that was started for us to do so."""
        self._known[task] = None
        self._ended.append(
            Outcome(
                task=task, kind="failed", error=describe_error(error), is_final=True
            )
        )
        self._wake.set()

    async def drain(self, grace: float) -> bool:
        """
        Take no more tasks, and wait until those that are here have ended.

        Args:
            grace: Seconds to wait.

        Returns:
            Whether all have ended.
        """
        self._is_draining = True
        deadline = asyncio.get_running_loop().time() + grace
        while self._known:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            self._is_idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_idle.wait(), left)
        return True

    async def close(self) -> None:
        """Stop, report what has ended, and give the rest back to its queue."""
        self._is_draining = True
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        unfinished = list(self._running)
        jobs = [job.task for job in self._running.values() if job.task is not None]
        for job in list(self._running.values()):
            job.stop()
        if jobs:
            await asyncio.wait(jobs, timeout=1.0)
        self._ended.extendleft(self._reported.values())
        self._reported = {}
        try:
            while self._ended:
                await self._exchange()
            if unfinished:
                await self._store.release_tasks(unfinished)
                self._hooks.on_announced(0)
        except ConnectionFailed:
            logger.warning("closing without the database: the lease must run out")
        except Exception:
            logger.exception("the last tasks cannot be reported or given back")
        if self._apart:
            await asyncio.wait(self._apart, timeout=1.0)

    def absorb(self, reply: Reply) -> None:
        """Do what a reply says: wake waiters, run tasks, remember the queue's state."""
        for run_id, workflow_id, value in reply.inputs:
            workflow = self._catalog.get(workflow_id)
            if workflow is not None:
                self.memory.add_run(run_id, workflow, value)
        if reply.tasks:
            self._start_tasks(reply)
        if reply.ended:
            self.absorb_ended(reply.ended)
        if reply.announced is not None:
            self.announce(reply.announced)
            self._hooks.on_announced(reply.announced)
        if reply.timer_in is not None:
            self._hooks.on_timer(reply.timer_in)

    def absorb_ended(self, ended: Sequence[EndedRun]) -> None:
        """Wake who waits for these runs, and stop what still runs of them."""
        self.waiters.tell(ended)
        self._hooks.on_ended(ended)
        if broken := [end.run_id for end in ended if end.status != "completed"]:
            self.stop_runs(broken)

    # the loop

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # a timer of its own: `wait_for` would make a task for every step of a chain
            poll = loop.call_later(self._idle_pause(), self.announce, None)
            await self._wake.wait()
            poll.cancel()
            self._wake.clear()
            while self._ended or self._can_claim():
                self._queue.look_again()
                await self._exchange_or_back_off()

    async def _exchange_or_back_off(self) -> None:
        try:
            await self._exchange()
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
            if self._backoff:
                logger.warning("the database is back")
                self._backoff = 0.0
                self.waiters.ask_for_all()

    async def _back_off(self) -> None:
        self._queue.announce(None)
        self._backoff = min(_LAST_BACKOFF, self._backoff * 2 or 0.05)
        await asyncio.sleep(self._backoff * random.uniform(0.5, 1))  # noqa: S311

    async def _exchange(self, limit: int = _LARGEST_BATCH) -> None:
        """Report at most *limit* outcomes in one call, and do what it answers."""
        batch = self._take_batch(limit)
        maps = self.memory.pin_maps()
        try:
            await self._report(batch, maps)
        finally:
            self.memory.unpin_maps(maps)

    async def _report(self, batch: list[Outcome], maps: Sequence[MapKey]) -> None:
        slots = 0
        if not self._is_draining:
            # what has ended and goes with the next call keeps its slots: for what
            # follows from it
            slots = max(0, self._free_slots() - len(self._ended))
        does_claim = slots > 0 and self._queue.may_have_messages
        low = self._queue.begin_claim()
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
                lost=not self._lost_before,
            )
        except BatchRejected as error:
            self._put_back(batch)
            await self._isolate(batch, error)
            return
        except BaseException:
            # not known whether it took effect: the same again, refused if it did
            self._put_back(batch)
            raise
        self._settle(reply)
        if does_claim:
            self._queue.end_claim(low, slots, reply)
        self.absorb(reply)
        self._forget()

    def _take_batch(self, limit: int) -> list[Outcome]:
        batch = list(islice(self._ended, self._batch_size(limit)))
        self._reported = {outcome.task: outcome for outcome in batch}
        for _ in batch:
            self._ended.popleft()
        return batch

    def _batch_size(self, limit: int) -> int:
        """
        Return how many outcomes go with the next call.

        All of them, unless all there is has ended: then the database would work while
        this process waits, and the other way round. Of two halves, one is reported
        while what follows from the other runs.
        """
        ended = len(self._ended)
        if ended >= _SMALLEST_TO_SPLIT and not self._running:
            ended = (ended + 1) // 2
        return min(ended, limit)

    def _put_back(self, batch: list[Outcome]) -> None:
        self._ended.extendleft(reversed(batch))
        self._reported = {}

    def _settle(self, reply: Reply) -> None:
        """Take note of what was refused, and keep what was deferred."""
        for ref in reply.refused:
            logger.info(
                "the result of %s came too late and was refused",
                "/".join(map(str, ref)),
                extra={"run_id": ref.run_id},
            )
        for ref in reply.deferred:
            outcome = self._reported[ref]
            outcome.deferrals += 1
            if outcome.deferrals < _DEFERRALS_BEFORE_WAITING:
                self._ended.append(outcome)
            else:
                self._set_apart(outcome)
            del self._reported[ref]

    def _forget(self) -> None:
        """Give up the payloads of what was reported, now that the reply was used."""
        for ref in self._reported:
            self._release(ref)
        self._reported = {}

    def _release(self, ref: TaskRef) -> None:
        self._known.pop(ref, None)
        self.memory.release(ref)
        if ref in self._lost_before:
            self._lost_before.discard(ref)
            self.announce(None)
        if not self._known:
            self._is_idle.set()

    def _set_apart(self, outcome: Outcome) -> None:
        run_id = outcome.task.run_id
        if run_id in self._contended:
            self._contended[run_id].append(outcome)
            return
        self._contended[run_id] = [outcome]
        task = asyncio.create_task(self._report_apart(run_id))
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)

    async def _report_apart(self, run_id: str) -> None:
        """
        Report the tasks of a run that others hold all the time, waiting for our turn.

        What ends of that run meanwhile goes with the next call of this one.
        """
        outcomes = self._contended[run_id]
        while outcomes:
            batch = outcomes[:_LARGEST_BATCH]
            try:
                reply = await self._store.report_alone(
                    self.worker_id, encode_batch(batch), self._wanted(batch)
                )
            except Exception as error:
                logger.warning("reporting run %s apart failed: %s", run_id, error)
                break
            del outcomes[: len(batch)]
            self.absorb(reply)
            for outcome in batch:
                self._release(outcome.task)
        del self._contended[run_id]
        for outcome in outcomes:
            outcome.deferrals = 0
        self._ended.extend(outcomes)
        self._wake.set()

    async def _isolate(self, batch: list[Outcome], error: BatchRejected) -> None:
        """Find the outcome that the server cannot store, and fail its task for good."""
        if len(batch) > 1:
            middle = len(batch) // 2
            for size in (middle, len(batch) - middle):
                await self._exchange(size)
            return
        outcome = batch[0]
        outcome.kind = "failed"
        outcome.output = None
        outcome.is_final = True
        outcome.error = {
            "type": "singularity_workflow.errors.InvalidOutput",
            "message": f"PostgreSQL cannot store the output: {error}",
        }

    # tasks

    def _start_tasks(self, reply: Reply) -> None:
        outputs = self.memory.outputs_of(reply)
        foreign: list[HandedTask] = []
        loop = asyncio.get_running_loop()
        for handed in reply.tasks:
            ref = handed.ref
            self._known[ref] = None
            if handed.losses:
                self._lost_before.add(ref)
            if not self.memory.has_run(handed.run_id):
                foreign.append(handed)
                continue
            workflow, step, inputs = self.memory.take(handed, outputs)
            context = Context(
                handed.run_id,
                workflow.name,
                step.name,
                handed.task_index,
                handed.attempt,
                step.timeout,
            )
            job = Job(ref, step, inputs, context)
            self._running[ref] = job
            job.task = loop.create_task(self._run(job))
        if foreign:
            self._set_routing(replace(reply, tasks=foreign))

    def _set_routing(self, reply: Reply) -> None:
        task = asyncio.create_task(self._route(reply))
        self._routing.add(task)
        task.add_done_callback(self._routing.discard)

    async def _route(self, reply: Reply) -> None:
        """Find the code of tasks whose version we have not met yet, and run them."""
        run_ids = {task.run_id for task in reply.tasks}
        pinned: list[str] = []
        try:
            for run_id, workflow_id, value in reply.inputs:
                if run_id in run_ids:
                    workflow = await self._find_version(workflow_id)
                    self.memory.pin_run(run_id, workflow, value)
                    pinned.append(run_id)
            self._start_tasks(reply)
        except Exception:
            # unknown to us again, they go back to their queue with a later heartbeat
            logger.exception("the code of %d tasks was not found", len(reply.tasks))
            for task in reply.tasks:
                self._release(task.ref)
            self._hooks.on_lost_call()
        finally:
            self.memory.unpin_runs(pinned)

    async def _find_version(self, workflow_id: int) -> CompiledWorkflow:
        while True:
            try:
                return await self._router.find(workflow_id)
            except ConnectionFailed:
                await asyncio.sleep(_LAST_BACKOFF / 2)

    async def _run(self, job: Job) -> None:
        outcome: Outcome | None = None
        try:
            if not job.begin():
                pass
            elif job.step.original is unserved:
                outcome = Outcome(task=job.ref, kind="unserved")
            else:
                outcome = await self._runner.run(job)
        finally:
            self._running.pop(job.ref, None)
            if outcome is None or job.is_gone:
                self._release(job.ref)
            elif outcome.reply is not None:
                self._absorb_recorded(job.ref, outcome.reply)
            elif job.ref.run_id in self._contended:
                self._contended[job.ref.run_id].append(outcome)
            else:
                self._ended.append(outcome)
            self._wake.set()

    def _absorb_recorded(self, ref: TaskRef, reply: Reply) -> None:
        """Go on from a result that the step's own transaction recorded."""
        if reply.refused:
            logger.info("the transaction of %s was refused and rolled back", ref)
        self.absorb(reply)
        self._release(ref)

    def _free_slots(self) -> int:
        return max(0, self._concurrency - len(self._running) - self._reserved)

    def _idle_pause(self) -> float:
        """Return how long to wait for a hint before looking without one."""
        if self._hooks.is_told():
            self._deaf_pause = _FIRST_POLL
            return IDLE_POLL
        self._deaf_pause = min(self._deaf_pause * 1.5, _LAST_POLL)
        return self._deaf_pause

    def _can_claim(self) -> bool:
        if self._is_draining:
            return False
        return self._queue.may_have_messages and self._free_slots() > 0

    def _wanted(self, batch: list[Outcome]) -> list[str]:
        runs = {one.task.run_id for one in batch}
        return [run_id for run_id in runs if run_id in self.waiters]
