"""
A worker: dispatcher, heartbeat and ticker, put together.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import timedelta
from typing import Final
from uuid import UUID

from singularity_workflow.errors import ConnectionFailed, QueueTimeout, WorkerLost
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.ids import IdMaker
from singularity_workflow.notifications.notifier import Notifier
from singularity_workflow.store.replies import Adoption, Beat, EndedRun, Fired, Reaped
from singularity_workflow.store.store import HeartbeatStore, Store
from singularity_workflow.telemetry.fields import log_fields
from singularity_workflow.telemetry.telemetry import Telemetry
from singularity_workflow.version import library_version
from singularity_workflow.worker.catalog import Catalog
from singularity_workflow.worker.dispatcher import Dispatcher, DispatcherHooks
from singularity_workflow.worker.executors import Executors
from singularity_workflow.worker.heartbeat import SHARE_OF_WALKS, Heartbeat
from singularity_workflow.worker.resources import OpenResources
from singularity_workflow.worker.runner import Runner
from singularity_workflow.worker.task_observer import TaskObserver
from singularity_workflow.worker.threads import DaemonThreads
from singularity_workflow.worker.ticker import Duty, Reaper, Ticker
from singularity_workflow.worker.told_events import ToldEvents
from singularity_workflow.worker.waiters import Waiters
from singularity_workflow.worker.watchdog import LoopWatchdog

__all__ = ["TaskWorker", "local_queue"]

logger = logging.getLogger(__name__)

ADOPTION_PAUSE: Final = 10.0
_PRUNING_PAUSE: Final = 60.0
_PRUNED_AT_ONCE: Final = 2_000
_PAUSE_BETWEEN_PRUNES: Final = 0.1
_PAUSE_WHEN_AWAY: Final = 0.5


def local_queue(worker_id: UUID) -> str:
    """Return the queue of a worker's local runs; no other worker serves it."""
    return f"local:{worker_id}"


class TaskWorker:
    """
    Run tasks until closed.

    Args:
        store: The database.
        catalog: What can be run; may grow while the worker works.
        waiters: Who is told of the ends of runs.
        concurrency: The most tasks that run at once.
        resources: What steps get by name.
        executors: Where steps run that say where, by name.
        lease: How long this worker is believed to live after a heartbeat.
        queues: What it serves; None: only its own queue, of local runs.
        notifier: Tells other processes.
        telemetry: Where spans and metrics go.
        on_adopted: Told the ids of runs that were taken over.
        on_drain: Called once if the worker serves queues and was asked to end.
        is_told: Whether hints of other processes arrive.
    """

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        waiters: Waiters,
        concurrency: int,
        resources: Mapping[str, object],
        executors: Mapping[str, Executor],
        lease: timedelta,
        queues: Sequence[str] | None,
        notifier: Notifier,
        telemetry: Telemetry,
        on_adopted: Callable[[Sequence[str]], None],
        on_drain: Callable[[], None],
        is_told: Callable[[], bool],
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._on_adopted = on_adopted
        self._on_drain = on_drain
        self._is_told = is_told
        self._is_draining = False
        self._catalog = catalog
        self._concurrency = concurrency
        self._lease = lease
        self._queues = queues
        self._ids = IdMaker()
        self._threads = DaemonThreads()
        self._resources = OpenResources(resources)
        self._executors = Executors(
            executors, min(concurrency, os.cpu_count() or concurrency)
        )
        self._rebirth: asyncio.Task[None] | None = None
        worker_id = self._ids.new_id()
        self._observer = TaskObserver(telemetry, worker_id, is_local=queues is None)
        self.ticker = Ticker(store, lambda: self.worker_id, self._on_fired)
        self.reaper = Reaper(
            store,
            lambda: self.worker_id,
            lease,
            lambda: self.may_judge,
            self._on_reaped,
        )
        self._told = ToldEvents(store.events, notifier.tell_events)
        self.dispatcher = Dispatcher(
            store=store,
            worker_id=worker_id,
            queues=self._served(worker_id),
            concurrency=concurrency,
            catalog=catalog,
            runner=Runner(
                resources=self._resources.values,
                threads=self._threads,
                executors=self._executors,
                dsn=store.dsn,
                worker_id=lambda: self.worker_id,
                children=catalog.newest,
                on_child=self._hold_child if queues is None else _let_go,
                told=self._told,
            ),
            observer=self._observer,
            waiters=waiters,
            router=catalog,
            told=self._told,
            hooks=DispatcherHooks(
                on_timer=self.ticker.due_in,
                on_lost_call=self._on_lost_call,
                on_announced=self._on_announced,
                on_ended=self._on_ended,
                on_events=notifier.tell_events,
                is_told=is_told,
            ),
        )
        self.adopter = Duty("adoption", self._adopt, ADOPTION_PAUSE, SHARE_OF_WALKS)
        self.pruner = Duty("retention", self._prune, _PRUNING_PAUSE)
        self._adopting = asyncio.Lock()
        self._heartbeat: Heartbeat | None = None
        self._waiters = waiters

    @property
    def worker_id(self) -> UUID:
        """Who this worker is now; it takes another id when it was declared lost."""
        return self.dispatcher.worker_id

    async def start(self) -> None:
        """
        Register, and begin to work.

        Raises:
            ConnectionFailed: If the server cannot be reached.
        """
        await self._resources.open()
        try:
            await self._register(self.worker_id)
        except BaseException:
            await self._resources.close()
            raise
        loop = asyncio.get_running_loop()
        self._heartbeat = Heartbeat(
            make_store=self._make_heartbeat_store,
            worker_id=self.worker_id,
            lease=self._lease,
            known_tasks=self.dispatcher.jobs.known_tasks,
            on_beat=lambda beat: _call_soon(loop, self._on_beat, beat),
            watchdog=LoopWatchdog(loop, self.dispatcher.jobs.name_task),
            is_told=self._is_told,
        )
        self._heartbeat.start()
        self._told.start()
        self.dispatcher.start()
        self.ticker.start()
        self.reaper.start()
        self.reaper.due_in(0)  # whose place we take may have died
        self.adopter.start()
        self.adopter.due_in(0)
        self.pruner.start()

    async def close(self) -> None:
        """Stop in good order: what is not finished goes back to its queue."""
        await self.pruner.close()
        await self.adopter.close()
        await self.reaper.close()
        await self.ticker.close()
        await self.dispatcher.close()
        await self._told.close()
        if self._rebirth is not None:
            self._rebirth.cancel()
        if self._heartbeat is not None:
            await asyncio.to_thread(self._heartbeat.stop)
            try:
                await self._store.stop_worker(self.worker_id)
            except ConnectionFailed as error:
                logger.warning("leaving without a word: %s", error.message)
        self._threads.shutdown()
        await self._resources.close()
        await asyncio.to_thread(self._executors.close)

    def _hold_child(self, run_id: str, workflow: CompiledWorkflow) -> None:
        """Keep the code of a child of a local run until its end, which comes here."""
        self._waiters.track([run_id], [workflow])

    async def _prune(self) -> float | None:
        """Remove messages that were kept for long enough."""
        _, has_more = await self._store.messages.prune(_PRUNED_AT_ONCE)
        return _PAUSE_BETWEEN_PRUNES if has_more else None

    async def adopt(self, versions: Sequence[int]) -> Adoption:
        """
        Take over local runs whose owner is gone.

        Runs of a worker's own become its local runs; a worker that serves queues puts
        them into those of their workflows.

        It declares silent owners lost: the caller has to ask first whether this worker
        may judge.

        Args:
            versions: The versions whose runs are meant.
        """
        owner = self.worker_id if self._queues is None else None
        # two at once would pass over each other's runs, and one would say that there
        # are none
        async with self._adopting:
            adoption = await self._store.adopt_runs(owner, versions)
            if adoption.announced is not None:
                self.dispatcher.announce(adoption.announced)
                self._on_announced(adoption.announced)
            if adoption.adopted:
                adopted = [run_id for run_id, _ in adoption.adopted]
                for run_id in adopted:
                    logger.info(
                        "run adopted: its owner is lost", extra=self._fields(run_id)
                    )
                if owner is not None:
                    self._waiters.track(adopted)
                self._on_adopted(adopted)
        return adoption

    @property
    def may_judge(self) -> bool:
        """Whether a silence of others means that they are gone; see `Heartbeat`."""
        return self._heartbeat is not None and self._heartbeat.may_judge

    async def _adopt(self) -> float | None:
        if not self.may_judge:
            return _PAUSE_WHEN_AWAY
        if self._is_draining and self._queues is None:
            return None
        versions = self._catalog.ids()
        if versions and (await self.adopt(versions)).adopted:
            return 0.0
        return None

    def _make_heartbeat_store(self) -> HeartbeatStore:
        # two beats must fit into a lease, whatever the network does to one of them
        return HeartbeatStore(self._store.dsn, self._lease.total_seconds() / 3)

    def _served(self, worker_id: UUID) -> list[str]:
        if self._queues is None:
            return [local_queue(worker_id)]
        return list(self._queues)

    async def _register(self, worker_id: UUID) -> None:
        await self._store.register_worker(
            worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=library_version(),
            queues=self._served(worker_id),
            workflows=self._catalog.names(),
            concurrency=self._concurrency,
            lease=self._lease,
        )

    def _fields(self, run_id: str | None = None) -> dict[str, object]:
        fields = log_fields(worker_id=str(self.worker_id))
        return fields if run_id is None else fields | log_fields(run_id=run_id)

    def _on_fired(self, fired: Fired) -> None:
        if fired.announced is not None:
            # what we have no code for comes back by a timer of ours: told of it first,
            # we would take it again and again. So the hint has to do, as for the others
            if not self.dispatcher.jobs.has_put_aside:
                self.dispatcher.announce(fired.announced)
            self._notifier.announce(fired.announced)
        if fired.ended:
            self.dispatcher.absorb_ended(fired.ended)
            self._notifier.tell_ended(end.run_id for end in fired.ended)
        self._notifier.tell_events(fired.events)
        for task in fired.overdue:
            self.dispatcher.jobs.fail(
                task, QueueTimeout("the task waited in its queue longer than allowed")
            )

    def _on_reaped(self, reaped: Reaped) -> None:
        self._observer.reaped(reaped)
        if reaped.lost:
            self.adopter.due_in(0)  # they may have had local runs
        for task, worker_id, losses in reaped.given_up:
            self.dispatcher.jobs.fail(
                task,
                WorkerLost(
                    f"the task's worker died {losses} times, the last one was "
                    f"{worker_id}",
                    hint="The step may kill its process: look at that worker's log.",
                ),
            )
        if reaped.announced is not None:
            self.dispatcher.announce(reaped.announced)
            self._notifier.announce(reaped.announced)
        self._notifier.tell_events(reaped.events)

    def _on_announced(self, key: int) -> None:
        # nobody else serves the queue of local runs
        if self._queues is not None:
            self._notifier.announce(key)

    def _on_ended(self, ended: Sequence[EndedRun]) -> None:
        if self._queues is not None:
            self._notifier.tell_ended(end.run_id for end in ended)

    def _on_lost_call(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.sweep_soon()

    def _on_beat(self, beat: Beat) -> None:
        if not beat.is_alive:
            if self._rebirth is None or self._rebirth.done():
                self._rebirth = asyncio.create_task(self._be_reborn())
            return
        if beat.must_drain and not self._is_draining:
            self._drain()
        # cancelled past us, or somebody else has them: nobody may tell us how they end
        self._waiters.disown(self.dispatcher.jobs.lose(beat.gone))
        if beat.swept:
            logger.info(
                "%d tasks that we never heard of were queued again",
                beat.swept,
                extra=self._fields(),
            )
            self.dispatcher.announce(None)

    def _drain(self) -> None:
        """
        Do as we were asked: take nothing more, and end.

        The local runs of an engine go on: nobody else would run them, and who started
        them waits for them here. What it need not do is to adopt those of others.
        """
        self._is_draining = True
        logger.info(
            "worker %s was asked to drain", self.worker_id, extra=self._fields()
        )
        if self._queues is not None:
            self.dispatcher.stop_claiming()
            self._on_drain()

    async def _be_reborn(self) -> None:
        """Go on under a new id: we were declared lost, and our tasks are not ours."""
        old, new = self.worker_id, self._ids.new_id()
        logger.warning(
            "worker %s was declared lost and goes on as %s",
            old,
            new,
            extra=log_fields(worker_id=str(old)),
        )
        try:
            await self._register(new)
            if self._is_draining:
                await self._store.drain_workers([new])
        except ConnectionFailed as error:
            logger.warning("taking a new id failed: %s", error.message)
            return  # the next beat tries again
        self.dispatcher.jobs.lose(self.dispatcher.jobs.known_tasks())
        self.dispatcher.worker_id = self._observer.worker_id = new
        self.dispatcher.queues = self._served(new)
        assert self._heartbeat is not None
        self._heartbeat.worker_id = new
        if self._queues is None:
            # what cannot be taken back somebody else has adopted
            self._waiters.disown_all_but(await self._take_back(new))
        self.dispatcher.announce(None)
        self._waiters.ask_for_all()

    async def _take_back(self, worker_id: UUID) -> set[str]:
        """Adopt the local runs of the id that was declared lost, and return them."""
        taken: set[str] = set()
        while True:
            try:
                adoption = await self._store.adopt_runs(worker_id, self._catalog.ids())
            except ConnectionFailed as error:
                logger.warning("taking runs back failed: %s", error.message)
                await asyncio.sleep(_PAUSE_WHEN_AWAY)
            else:
                if not adoption.adopted:
                    self._waiters.track(taken)
                    return taken
                taken.update(run_id for run_id, _ in adoption.adopted)


def _call_soon(
    loop: asyncio.AbstractEventLoop, function: object, argument: object
) -> None:
    try:
        loop.call_soon_threadsafe(function, argument)  # type: ignore[arg-type]
    except RuntimeError:  # the loop was closed meanwhile
        logger.debug("the event loop is closed")


def _let_go(run_id: str, workflow: CompiledWorkflow) -> None:
    """Keep nothing: any worker may end the child."""
