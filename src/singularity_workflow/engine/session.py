"""
What lives from `connect` to `close`: the store, the registry, and who waits.

The worker lives from the first local run on: an engine that only looks is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from singularity_workflow.engine.binder import Binder
from singularity_workflow.engine.database import Database
from singularity_workflow.engine.inspection import to_metrics
from singularity_workflow.engine.registry import Registry
from singularity_workflow.engine.requests import Execution, StartRequest
from singularity_workflow.engine.settings import EngineSettings
from singularity_workflow.engine.start_spans import start_spans
from singularity_workflow.engine.starter import Starter
from singularity_workflow.errors import SingularityError
from singularity_workflow.model.compiled import MADE_BY
from singularity_workflow.model.metrics import Metrics
from singularity_workflow.notifications.feeds import Feeds
from singularity_workflow.notifications.hub import Hub
from singularity_workflow.notifications.notifier import Notifier
from singularity_workflow.store.replies import EndedRun, Moved, Reply
from singularity_workflow.store.store import Store
from singularity_workflow.telemetry.telemetry import Telemetry
from singularity_workflow.worker.catalog import Catalog, unserved
from singularity_workflow.worker.run_observer import RunObserver
from singularity_workflow.worker.ticker import Duty
from singularity_workflow.worker.waiters import Waiters
from singularity_workflow.worker.worker import TaskWorker

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Session"]

logger = logging.getLogger(__name__)

_CANCELLED_AT_ONCE = 100
_FIRST_PAUSE = 0.001
_LEVELS_AT_ONCE = 3
"""Of children of children; what is deeper is left to the workers' timers."""
_METRICS_PAUSE = 15.0
_SHARE_OF_METRICS = 0.02
"""Seconds between two looks for metrics, and the most of the time they may take."""
_LONGEST_HOLD = 0.2
"""Seconds after which a run that was held at the first look is free again."""


class Session:
    """
    Everything of an engine that needs the database.

    Args:
        database: What was opened.
        settings: How the engine was set up.
        telemetry: Where spans and metrics go.
    """

    def __init__(
        self, database: Database, settings: EngineSettings, telemetry: Telemetry
    ) -> None:
        self._telemetry = telemetry
        self._runs = RunObserver(telemetry)
        self._metrics = Duty(
            "metrics", self._look_at_metrics, _METRICS_PAUSE, _SHARE_OF_METRICS
        )
        self._database = database
        self._settings = settings
        self.store: Store = database.store
        self.catalog = Catalog(self.store, self._settings.resources)
        self.hub = Hub(self.store)
        self.feeds = Feeds(self.hub, self.store.announce_listening)
        self.waiters = Waiters(self.store, lambda: self.hub.is_listening)
        self.registry = Registry(self.store, self.catalog, self._settings.resources)
        self.binder = Binder(self.store, self.registry)
        self.notifier = Notifier(self.store, lambda: self.hub.has_event_listeners)
        self.hub.subscribe(
            on_ended=self._on_ended_elsewhere, on_gap=self.waiters.ask_for_all
        )
        self._kept: set[asyncio.Task[None]] = set()
        self._worker: TaskWorker | None = None
        self._starter: Starter | None = None
        self._workers: list[TaskWorker] = []
        self._adopted: list[str] = []
        # steps see the context variables of `connect`, whoever starts their run
        self._context = contextvars.copy_context()
        self._remote_starter = Starter(
            self.store,
            runs=self._runs,
            context=self._context,
            on_reply=self._on_started_elsewhere,
        )
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, settings: EngineSettings, telemetry: Telemetry) -> Self:
        """Open the database of an engine, and what stands on it."""
        session = cls(await Database.open(settings), settings, telemetry)
        session._keep_metrics()
        return session

    async def start(
        self, requests: Sequence[StartRequest], execution: Execution
    ) -> list[UUID]:
        """Start runs; the first local ones start the worker too."""
        with start_spans(self._telemetry.tracing, requests) as tell:
            run_ids = await self._start(requests, execution)
            tell(run_ids)
        return run_ids

    async def _start(
        self, requests: Sequence[StartRequest], execution: Execution
    ) -> list[UUID]:
        if execution == "distributed":
            starter = self._remote_starter
        else:
            if self._starter is None:
                await self._start_worker()
            assert self._starter is not None
            starter = self._starter
        if len(requests) == 1:
            return [await starter.start(requests[0])]
        for request in requests:
            request.call = requests[0].run_id
        answers = await asyncio.gather(
            *[starter.start(one) for one in requests], return_exceptions=True
        )
        started = [one for one in answers if isinstance(one, UUID)]
        for error in answers:
            if isinstance(error, BaseException):
                await self._cancel_all(started, "another run of its call was refused")
                raise error
        return started

    async def start_on(
        self, connection: object, request: StartRequest, execution: Execution
    ) -> UUID:
        """Start a run in the transaction of the caller."""
        owner = None
        if execution == "local":
            await self._start_worker()
            assert self._worker is not None
            owner = self._worker.worker_id
        with start_spans(self._telemetry.tracing, [request]) as tell:
            ((_, run_id, is_new),) = await self.store.start_runs_on(
                connection, orjson.dumps([request.to_item()]), owner=owner
            )
            tell([UUID(run_id)])
        if is_new and self._runs.wants_starts:
            self._runs.started([(request.workflow.name, run_id)])
        return UUID(run_id)

    async def cancel(self, run_ids: Sequence[UUID], reason: str | None) -> list[UUID]:
        """Cancel runs, stop what runs of them, and return those that had not ended."""
        cancelled = await self.store.cancel_runs(run_ids, reason)
        ended = [str(run_id) for run_id in run_ids]
        self._on_ended_elsewhere(ended)
        self.notifier.tell_ended(ended)
        if cancelled:
            if self._runs.wants_figures:
                self._runs.ended(await self.store.run_results(cancelled))
            else:
                self._runs.cancelled(map(str, cancelled), reason)
            await self._follow_up()
        return cancelled

    async def pause(self, run_ids: Sequence[UUID]) -> list[Moved]:
        """Pause runs, and their children."""
        moved = await self.store.pause_runs(run_ids)
        self._runs.moved(moved, "paused")
        await self._follow_up()
        return moved

    async def resume(self, run_ids: Sequence[UUID]) -> list[Moved]:
        """Resume runs, and their children."""
        moved, reply = await self.store.resume_runs(run_ids)
        self._runs.moved(moved, "resumed")
        self._on_started_elsewhere(reply, are_workers_told=False)
        await self._follow_up()
        return moved

    async def copy_run(self, run_id: UUID, new_id: UUID, from_step: str | None) -> bool:
        """Repeat a run; tell whether this process runs the new one."""
        workflow = (await self.store.run_status(run_id))["workflow"]
        owner = None
        if await self._has_code(workflow):
            await self._start_worker()
            assert self._worker is not None
            owner = self._worker.worker_id
            self.waiters.track([str(new_id)])
        try:
            workflow_id, reply = await self.store.copy_run(
                run_id, new_id, from_step=from_step, owner=owner, notify=owner is None
            )
        except SingularityError:
            self.waiters.disown([str(new_id)])
            raise
        if self._runs.wants_starts:
            self._runs.started([(workflow, str(new_id))])
        if owner is None or self._worker is None:
            self._on_started_elsewhere(reply, are_workers_told=True)
            return False
        held = self.catalog.get(workflow_id)
        if held is not None:
            # the code that the run needs stays here for as long as it lives
            self.waiters.track([str(new_id)], [held])
        self._worker.dispatcher.absorb(reply)
        return True

    async def _has_code(self, workflow: str) -> bool:
        """Tell whether a workflow can be run here, or be made of one that can."""
        if self.catalog.newest(workflow) is not None:
            return True
        found = await self.store.read_flow(workflow)
        made_by = (found["input_schema"] or {}).get(MADE_BY)
        if not isinstance(made_by, str) or self.catalog.newest(made_by) is None:
            return False
        compiled = await self.catalog.find(found["workflow_id"])
        return all(step.original is not unserved for step in compiled.steps)

    async def delete(self, run_ids: Sequence[UUID]) -> list[UUID]:
        """Delete runs that have ended, in parts; return those that are gone."""
        deleted: list[UUID] = []
        left = list(run_ids)
        pause = _FIRST_PAUSE
        while left:
            gone, has_more = await self.store.delete_runs(left)
            deleted += gone
            left = [one for one in left if one not in gone] if has_more else []
            pause = _FIRST_PAUSE if gone else min(1.0, pause * 2)
            if has_more and not gone:
                await asyncio.sleep(pause)  # somebody may hold them
        return deleted

    async def _follow_up(self) -> None:
        """Let children and compensations follow now what was done to their runs."""
        for _ in range(_LEVELS_AT_ONCE):
            try:
                fired = await self.store.fire_timers(None)
            except SingularityError as error:
                # what was asked for has taken effect, and the timers are still there
                logger.info("left to the workers' timers: %s", error.message)
                return
            for worker in self._workers:
                if fired.announced is not None:
                    worker.dispatcher.announce(fired.announced)
            if fired.announced is not None:
                self.notifier.announce(fired.announced)
            if fired.ended:
                self._runs.ended(fired.ended)
                ended = [one.run_id for one in fired.ended]
                self._on_ended_elsewhere(ended)
                self.notifier.tell_ended(ended)
            self.notifier.tell_events(fired.events)
            if fired.next_in is None or fired.next_in > 0:
                return

    def follow(self, run_ids: Sequence[str]) -> None:
        """Find out about the ends of runs that others run."""
        self.hub.start()
        self.waiters.ask_again(run_ids)

    async def cancel_abandoned(self, starting: asyncio.Future[list[UUID]]) -> None:
        """Cancel the runs of an `execute` that nobody waits for any more."""
        with contextlib.suppress(SingularityError):
            await self._cancel_all(await starting, "the call of execute was cancelled")

    async def _cancel_all(self, run_ids: Sequence[UUID], reason: str) -> None:
        for first in range(0, len(run_ids), _CANCELLED_AT_ONCE):
            await self.cancel(run_ids[first : first + _CANCELLED_AT_ONCE], reason)

    async def recover(self, workflows: Sequence[object], *, wait: bool) -> list[UUID]:
        """Adopt the local runs of owners that are gone."""
        await self._start_worker()
        assert self._worker is not None
        versions = self.catalog.ids()
        if workflows:
            wanted = [await self.registry.resolve(one) for one in workflows]
            versions = [one.workflow_id for one in wanted]
        now, give_up_at, was_over = asyncio.get_running_loop().time, 0.0, False
        while versions:
            if not self._worker.may_judge:
                # we slept, or the database was away: the others may have had no chance
                # to show that they live
                if not wait:
                    break
                await asyncio.sleep(_LONGEST_HOLD)
                continue
            adoption = await self._worker.adopt(versions)
            if adoption.adopted:
                continue
            if not wait:
                break
            silence = adoption.waiting
            # who is still there after the time of the first look has beaten since
            is_over = silence is None or (0 < give_up_at < now() and silence > 0)
            if is_over and was_over:
                break
            was_over = is_over
            if silence is None or is_over:
                pause = _LONGEST_HOLD  # a run that somebody held was passed over
            else:
                pause = max(0.05, min(silence + 0.02, 1.0))
                give_up_at = give_up_at or now() + max(0.0, silence)
            await asyncio.sleep(pause)
        adopted = [UUID(run_id) for run_id in self._adopted]
        self._adopted.clear()  # the workers hold this very list
        return adopted

    async def wait(self, run_id: UUID, *, is_ours: bool) -> EndedRun:
        """Wait for the end of a run that was started."""
        if not is_ours:
            self.hub.start()
        return await self.waiters.wait(str(run_id), is_ours=is_ours)

    async def add_worker(
        self,
        catalog: Catalog,
        *,
        queues: Sequence[str] | None,
        concurrency: int,
        resources: Mapping[str, object],
        executors: Mapping[str, Executor] | None = None,
        on_drain: Callable[[], None] = lambda: None,
    ) -> TaskWorker:
        """Start a worker; without queues, of the local runs of this engine."""
        worker = TaskWorker(
            store=self.store,
            catalog=catalog,
            waiters=self.waiters,
            concurrency=concurrency,
            resources=resources,
            executors=executors or {},
            lease=self._settings.lease,
            queues=queues,
            notifier=self.notifier,
            telemetry=self._telemetry,
            on_adopted=self._adopted.extend,
            on_drain=on_drain,
            is_told=lambda: self.hub.is_listening,
        )
        self.hub.subscribe(on_work=worker.dispatcher.announce)
        self.hub.start()
        await asyncio.create_task(worker.start(), context=self._context.copy())
        self._workers.append(worker)
        return worker

    def keep(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine of a listener run, until the session is closed."""
        task = asyncio.create_task(coroutine)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def close(self) -> None:
        """Stop the worker, and close what was opened."""
        await self.feeds.close()
        for task in list(self._kept):
            if task is not asyncio.current_task():
                task.cancel()
        self._telemetry.on_added = lambda: None
        await self._metrics.close()
        await self._remote_starter.close()
        if self._starter is not None:
            await self._starter.close()
        for worker in list(self._workers):
            await self.remove_worker(worker)
        await self.hub.close()
        await self.notifier.close()
        await self.waiters.close()
        await self._database.close()

    async def remove_worker(self, worker: TaskWorker) -> None:
        """Stop a worker that `add_worker` started."""
        if worker in self._workers:
            self._workers.remove(worker)
            self.hub.unsubscribe(worker.dispatcher.announce)
            await worker.close()

    async def read_metrics(self) -> Metrics:
        """Return what the database holds that has not ended."""
        return to_metrics(await self.store.metrics())

    def _keep_metrics(self) -> None:
        """Look at once when somebody begins to keep metrics, and now and then."""
        loop = asyncio.get_running_loop()

        def look_soon() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._metrics.due_in, 0)

        self._telemetry.on_added = look_soon
        self._metrics.start()
        self._metrics.due_in(0)

    async def _look_at_metrics(self) -> None:
        if self._telemetry.recorders:
            metrics = await self.read_metrics()
            running = sum(len(one.dispatcher.jobs.running) for one in self._workers)
            for recorder in self._telemetry.recorders:
                recorder.state(metrics, running)

    def _on_started_elsewhere(self, reply: Reply, are_workers_told: bool) -> None:
        if not are_workers_told:
            self.notifier.tell_events(reply.events)
        if reply.ended:
            self._runs.ended(reply.ended)  # it had nothing to do
        if reply.announced is not None:
            if not are_workers_told:
                self.notifier.announce(reply.announced)
            for worker in self._workers:
                worker.dispatcher.announce(reply.announced)

    def _on_ended_elsewhere(self, run_ids: Sequence[str]) -> None:
        self.waiters.ask_about(run_ids)
        for worker in self._workers:
            worker.dispatcher.jobs.stop_runs(run_ids)

    async def _start_worker(self) -> None:
        async with self._lock:
            if self._worker is not None:
                return
            self._worker = await self.add_worker(
                self.catalog,
                queues=None,
                concurrency=self._settings.concurrency,
                resources=self._settings.resources,
            )
            self._starter = Starter(
                self.store,
                self._worker.dispatcher,
                runs=self._runs,
                context=self._context,
            )
