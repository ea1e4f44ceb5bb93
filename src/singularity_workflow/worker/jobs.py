"""
The attempts that are here: from their hand-over until what became of them is recorded.

Owns who runs, and whose payloads the memory keeps for that long. What has ended lies in
the outbox until the loop reports it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from singularity_workflow.errors import SingularityError
from singularity_workflow.model.context import Context
from singularity_workflow.store.replies import HandedTask, Reply, TaskRef
from singularity_workflow.telemetry.fields import log_fields
from singularity_workflow.worker.catalog import unserved
from singularity_workflow.worker.lost_lane import LostLane
from singularity_workflow.worker.memory import RunMemory
from singularity_workflow.worker.outcome import Outcome, describe_error
from singularity_workflow.worker.reporting import Outbox
from singularity_workflow.worker.runner import Job, Runner
from singularity_workflow.worker.task_observer import TaskObserver
from singularity_workflow.worker.told_events import ToldEvents

__all__ = ["Jobs"]

logger = logging.getLogger(__name__)

_PUT_ASIDE_FOR: Final = 90.0
"""Seconds; the longest wait of a task without code is a minute (wait_unserved.sql)."""

_FAREWELL: Final = 1.0
"""Seconds that stopped steps have to end."""


class Jobs:
    """
    The tasks of one worker.

    Args:
        runner: What runs them.
        observer: Told how attempts begin and end.
        memory: Where their payloads are.
        outbox: Where what has ended waits to be reported.
        on_foreign: Given the tasks whose run the memory does not know.
        on_recorded: Told what the own transaction of a step has recorded.
        on_end: Called when a task no longer runs.
        on_lane_free: Called when another one may come that was lost before.
        told: What tasks tell while they run.
    """

    def __init__(
        self,
        *,
        runner: Runner,
        observer: TaskObserver,
        memory: RunMemory,
        outbox: Outbox,
        on_foreign: Callable[[Reply], None],
        on_recorded: Callable[[Reply], None],
        on_end: Callable[[], None],
        on_lane_free: Callable[[], None],
        told: ToldEvents,
    ) -> None:
        self._told = told
        self._runner = runner
        self._observer = observer
        self._memory = memory
        self._on_foreign = on_foreign
        self._on_recorded = on_recorded
        self._on_end = on_end
        # the outbox's own: one step less for each task
        self._ended = outbox.ended
        self._contended = outbox.contended
        # every attempt that is here: running, ended or being reported
        self.known: dict[TaskRef, None] = {}
        self.running: dict[TaskRef, Job] = {}
        # those whose payloads the memory keeps: not what was given to us to fail it
        self.taken: set[TaskRef] = set()
        self.lost = LostLane(on_lane_free)
        self.is_idle = asyncio.Event()
        self._put_aside_at = float("-inf")

    @property
    def has_put_aside(self) -> bool:
        """Whether tasks may wait that we were given and have no code for."""
        return time.monotonic() - self._put_aside_at < _PUT_ASIDE_FOR

    def known_tasks(self) -> list[TaskRef]:
        """Return every attempt that is here: running, ended or being reported."""
        # called from the heartbeat's thread: list() of one dict is one step for the
        # loop's, and a task that changes its place meanwhile is not missed
        return list(self.known)

    def name_task(self, task: asyncio.Task[object]) -> str | None:
        """Return which step *task* runs, None if it is none; from any thread."""
        for job in list(self.running.values()):
            if job.task is task:
                return f"step {job.step.name!r} of workflow {job.context.workflow!r}"
        return None

    def start(self, reply: Reply) -> None:
        """Run the tasks of a reply; those of runs that are not known are foreign."""
        outputs = self._memory.outputs_of(reply)
        foreign: list[HandedTask] = []
        loop = asyncio.get_running_loop()
        for handed in reply.tasks:
            ref = handed.ref
            self.known[ref] = None
            if handed.losses:
                self.lost.enter(ref)
            if not self._memory.has_run(handed.run_id):
                foreign.append(handed)
                continue
            workflow, step, inputs = self._memory.take(handed, outputs)
            self.taken.add(ref)
            context = Context(
                handed.run_id,
                workflow.name,
                step.name,
                handed.task_index,
                handed.attempt,
                step.timeout,
            )
            job = Job(ref, step, inputs, context)
            self.running[ref] = job
            job.task = loop.create_task(self._run(job))
            if handed.losses:
                self.lost.begin(ref)
        if foreign:
            self._on_foreign(replace(reply, tasks=foreign))

    def fail(self, task: TaskRef, error: SingularityError) -> None:
        """Report a task as failed for good, that was started for us to do so."""
        self.known[task] = None
        self._ended.append(
            Outcome(
                task=task, kind="failed", error=describe_error(error), is_final=True
            )
        )
        self._on_end()

    def lose(self, tasks: Iterable[TaskRef]) -> list[str]:
        """Stop attempts that are not ours any more; return the runs of those we had."""
        found = [job for ref in tasks if (job := self.running.get(ref)) is not None]
        self._observer.stopped(found)
        for job in found:
            job.stop()
        return [job.ref.run_id for job in found]

    def stop_runs(self, run_ids: Sequence[str]) -> None:
        """Stop what runs here of runs that have ended."""
        ended = set(run_ids)
        self.lose([ref for ref in self.running if ref.run_id in ended])

    async def stop_all(self) -> list[TaskRef]:
        """Stop what runs here, and return it: nobody waits for its outcome."""
        unfinished = list(self.running)
        tasks = [job.task for job in self.running.values() if job.task is not None]
        for job in list(self.running.values()):
            job.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=_FAREWELL)
        return unfinished

    def release(self, ref: TaskRef) -> None:
        """Forget an attempt: it is recorded, or not ours."""
        self.known.pop(ref, None)
        if ref in self.taken:
            self.taken.discard(ref)
            self._memory.release(ref)
        if ref in self.lost.on_trial:
            self.lost.leave(ref)
        if not self.known:
            self.is_idle.set()

    async def _run(self, job: Job) -> None:
        outcome: Outcome | None = None
        try:
            if not job.begin():
                pass
            elif job.step.original is unserved:
                outcome = Outcome(task=job.ref, kind="unserved")
                self._put_aside_at = time.monotonic()
            else:
                self._observer.begin(job, self._memory)
                try:
                    outcome = await self._runner.run(job)
                finally:
                    self._observer.end(job, outcome)
                if outcome is not None and self._told.has_told(job.ref):
                    outcome.events = await self._told.settle(job.ref)
        finally:
            self.running.pop(job.ref, None)
            if outcome is not None and outcome.reply is not None:
                self._absorb_recorded(job.ref, outcome.reply)
            elif outcome is None or job.is_gone:
                self._told.forget(job.ref)
                self.release(job.ref)
            elif job.ref.run_id in self._contended:
                self._contended[job.ref.run_id].append(outcome)
            else:
                self._ended.append(outcome)
            self._on_end()

    def _absorb_recorded(self, ref: TaskRef, reply: Reply) -> None:
        """Go on from a result that the step's own transaction recorded."""
        if reply.refused:
            logger.info(
                "the transaction of %s was refused and rolled back",
                "/".join(map(str, ref)),
                extra=log_fields(
                    run_id=ref.run_id, task_index=ref.task_index, attempt=ref.attempt
                ),
            )
        self._on_recorded(reply)
        self.release(ref)
