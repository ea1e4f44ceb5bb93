"""
A worker: dispatcher, heartbeat and ticker, put together.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from singularity_workflow.errors import ConnectionFailed
from singularity_workflow.model.ids import IdMaker
from singularity_workflow.store.replies import Beat, Fired
from singularity_workflow.store.store import HeartbeatStore, Store
from singularity_workflow.version import library_version
from singularity_workflow.worker.catalog import Catalog
from singularity_workflow.worker.dispatcher import Dispatcher
from singularity_workflow.worker.heartbeat import Heartbeat
from singularity_workflow.worker.runner import Runner
from singularity_workflow.worker.threads import DaemonThreads
from singularity_workflow.worker.ticker import Ticker
from singularity_workflow.worker.waiters import Waiters

__all__ = ["TaskWorker", "local_queue"]

logger = logging.getLogger(__name__)

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
        lease: How long this worker is believed to live after a heartbeat.
        queues: What it serves; None: only its own queue, of local runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        waiters: Waiters,
        concurrency: int,
        resources: Mapping[str, object],
        lease: timedelta,
        queues: Sequence[str] | None = None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._concurrency = concurrency
        self._lease = lease
        self._queues = queues
        self._ids = IdMaker()
        self._threads = DaemonThreads()
        self._rebirth: asyncio.Task[None] | None = None
        worker_id = self._ids.new_id()
        self.ticker = Ticker(store, self._on_fired)
        self.dispatcher = Dispatcher(
            store=store,
            worker_id=worker_id,
            queues=self._served(worker_id),
            concurrency=concurrency,
            catalog=catalog,
            runner=Runner(resources, self._threads),
            waiters=waiters,
            on_timer=self.ticker.due_in,
            on_lost_call=self._on_lost_call,
        )
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
        await self._register(self.worker_id)
        loop = asyncio.get_running_loop()
        self._heartbeat = Heartbeat(
            store=HeartbeatStore(self._store.dsn),
            worker_id=self.worker_id,
            lease=self._lease,
            known_tasks=self.dispatcher.known_tasks,
            on_beat=lambda beat: _call_soon(loop, self._on_beat, beat),
        )
        self._heartbeat.start()
        self.dispatcher.start()
        self.ticker.start()

    async def close(self) -> None:
        """Stop in good order: what is not finished goes back to its queue."""
        await self.ticker.close()
        await self.dispatcher.close()
        if self._rebirth is not None:
            self._rebirth.cancel()
        if self._heartbeat is not None:
            await asyncio.to_thread(self._heartbeat.stop)
            try:
                await self._store.stop_worker(self.worker_id)
            except ConnectionFailed as error:
                logger.warning("leaving without a word: %s", error.message)
        self._threads.shutdown()

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
            concurrency=self._concurrency,
            lease=self._lease,
        )

    def _on_fired(self, fired: Fired) -> None:
        if fired.announced is not None:
            self.dispatcher.announce(fired.announced)
        if fired.ended:
            self.dispatcher.absorb_ended(fired.ended)

    def _on_lost_call(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.sweep_soon()

    def _on_beat(self, beat: Beat) -> None:
        if not beat.is_alive:
            if self._rebirth is None or self._rebirth.done():
                self._rebirth = asyncio.create_task(self._be_reborn())
            return
        self.dispatcher.lose(beat.gone)
        if beat.swept:
            logger.info("%d tasks that we never heard of were queued again", beat.swept)
            self.dispatcher.announce(None)

    async def _be_reborn(self) -> None:
        """Go on under a new id: we were declared lost, and our tasks are not ours."""
        old, new = self.worker_id, self._ids.new_id()
        logger.warning("worker %s was declared lost and goes on as %s", old, new)
        try:
            await self._register(new)
        except ConnectionFailed as error:
            logger.warning("taking a new id failed: %s", error.message)
            return  # the next beat tries again
        self.dispatcher.lose(self.dispatcher.known_tasks())
        self.dispatcher.worker_id = new
        self.dispatcher.queues = self._served(new)
        assert self._heartbeat is not None
        self._heartbeat.worker_id = new
        if self._queues is None:
            await self._take_back(new)
        self.dispatcher.announce(None)
        # somebody else may have adopted runs that are waited for here
        self._waiters.ask_for_all()

    async def _take_back(self, worker_id: UUID) -> None:
        """Adopt the local runs of the id that was declared lost."""
        while True:
            try:
                adoption = await self._store.adopt_runs(worker_id, self._catalog.ids())
            except ConnectionFailed as error:
                logger.warning("taking runs back failed: %s", error.message)
                await asyncio.sleep(_PAUSE_WHEN_AWAY)
            else:
                if not adoption.adopted:
                    return


def _call_soon(
    loop: asyncio.AbstractEventLoop, function: object, argument: object
) -> None:
    try:
        loop.call_soon_threadsafe(function, argument)  # type: ignore[arg-type]
    except RuntimeError:  # the loop was closed meanwhile
        logger.debug("the event loop is closed")
