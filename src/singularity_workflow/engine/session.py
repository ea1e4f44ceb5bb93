"""
What lives from `connect` to `close`: the store, the registry, and who waits.

The worker lives from the first local run on: an engine that only looks is none.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from uuid import UUID

from singularity_workflow.engine.database import Database
from singularity_workflow.engine.registry import Registry
from singularity_workflow.engine.requests import Execution
from singularity_workflow.engine.settings import EngineSettings
from singularity_workflow.engine.starter import Starter, StartRequest
from singularity_workflow.errors import SingularityError
from singularity_workflow.store.store import Store
from singularity_workflow.worker.catalog import Catalog
from singularity_workflow.worker.waiters import Waiters
from singularity_workflow.worker.worker import TaskWorker

__all__ = ["Session"]


class Session:
    """
    Everything of an engine that needs the database.

    Args:
        database: What was opened.
        settings: How the engine was set up.
    """

    def __init__(self, database: Database, settings: EngineSettings) -> None:
        self._database = database
        self._settings = settings
        self.store: Store = database.store
        self.catalog = Catalog()
        self.waiters = Waiters(self.store)
        self.registry = Registry(self.store, self.catalog, self._settings.resources)
        self._worker: TaskWorker | None = None
        self._starter: Starter | None = None
        self._lock = asyncio.Lock()

    async def start(self, request: StartRequest, execution: Execution) -> UUID:
        """Start a run; the first local one starts the worker too."""
        if execution == "distributed":
            return await self._start_distributed(request)
        if self._starter is None:
            await self._start_worker()
        assert self._starter is not None
        return await self._starter.start(request)

    async def cancel(self, run_id: UUID, reason: str | None) -> bool:
        """Cancel a run and stop what runs here of it; False if it had ended."""
        cancelled = await self.store.cancel_runs([run_id], reason)
        if self._worker is not None:
            self._worker.dispatcher.stop_runs([str(run_id)])
        if str(run_id) in self.waiters:
            self.waiters.ask_for_all()
        return bool(cancelled)

    async def cancel_abandoned(self, starting: asyncio.Future[UUID]) -> None:
        """Cancel the run of an `execute` that nobody waits for any more."""
        with contextlib.suppress(SingularityError):
            run_id = await starting
            await self.cancel(run_id, "the call of execute was cancelled")

    async def recover(self, workflows: Sequence[object], *, wait: bool) -> list[UUID]:
        """Adopt the local runs of owners that are gone."""
        await self._start_worker()
        assert self._worker is not None
        versions = self.catalog.ids()
        if workflows:
            wanted = [await self.registry.resolve(one) for one in workflows]
            versions = [one.workflow_id for one in wanted]
        found: list[UUID] = []
        while versions:
            adoption = await self.store.adopt_runs(self._worker.worker_id, versions)
            found += [UUID(run_id) for run_id, _ in adoption.adopted]
            if adoption.announced is not None:
                self._worker.dispatcher.announce(adoption.announced)
            if adoption.adopted:
                continue
            if adoption.waiting is None or not wait:
                break
            await asyncio.sleep(max(0.05, min(adoption.waiting + 0.02, 1.0)))
        return found

    async def close(self) -> None:
        """Stop the worker, and close what was opened."""
        if self._starter is not None:
            await self._starter.close()
        if self._worker is not None:
            await self._worker.close()
        await self.waiters.close()
        await self._database.close()

    async def _start_worker(self) -> None:
        async with self._lock:
            if self._worker is not None:
                return
            worker = TaskWorker(
                store=self.store,
                catalog=self.catalog,
                waiters=self.waiters,
                concurrency=self._settings.concurrency,
                resources=self._settings.resources,
                lease=self._settings.lease,
            )
            await worker.start()
            self._worker = worker
            self._starter = Starter(self.store, worker.dispatcher)

    async def _start_distributed(self, request: StartRequest) -> UUID:
        raise NotImplementedError
