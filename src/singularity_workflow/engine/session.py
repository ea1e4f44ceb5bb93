"""
What lives from `connect` to `close`: the store, the registry, and who waits.

The worker lives from the first local run on: an engine that only looks is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
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
        # steps see the context variables of `connect`, whoever starts their run
        self._context = contextvars.copy_context()
        self._remote_starter = Starter(self.store, context=self._context)
        self._lock = asyncio.Lock()

    async def start(
        self, requests: Sequence[StartRequest], execution: Execution
    ) -> list[UUID]:
        """Start runs; the first local ones start the worker too."""
        if execution == "distributed":
            starter = self._remote_starter
        else:
            if self._starter is None:
                await self._start_worker()
            assert self._starter is not None
            starter = self._starter
        if len(requests) == 1:
            return [await starter.start(requests[0])]
        return await asyncio.gather(*[starter.start(one) for one in requests])

    async def cancel(self, run_id: UUID, reason: str | None) -> bool:
        """Cancel a run and stop what runs here of it; False if it had ended."""
        cancelled = await self.store.cancel_runs([run_id], reason)
        if self._worker is not None:
            self._worker.dispatcher.stop_runs([str(run_id)])
        if str(run_id) in self.waiters:
            self.waiters.ask_for_all()
        return bool(cancelled)

    async def cancel_abandoned(self, starting: asyncio.Future[list[UUID]]) -> None:
        """Cancel the run of an `execute` that nobody waits for any more."""
        with contextlib.suppress(SingularityError):
            (run_id,) = await starting
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
        now, give_up_at = asyncio.get_running_loop().time, None
        while versions:
            adoption = await self.store.adopt_runs(self._worker.worker_id, versions)
            found += [UUID(run_id) for run_id, _ in adoption.adopted]
            if adoption.announced is not None:
                self._worker.dispatcher.announce(adoption.announced)
            if adoption.adopted:
                continue
            if adoption.waiting is None or not wait:
                break
            if give_up_at is None:
                give_up_at = now() + max(0.0, adoption.waiting)
            elif now() > give_up_at and adoption.waiting > 0:
                break  # whoever is left has sent a heartbeat since: it lives
            await asyncio.sleep(max(0.05, min(adoption.waiting + 0.02, 1.0)))
        return found

    async def close(self) -> None:
        """Stop the worker, and close what was opened."""
        await self._remote_starter.close()
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
            await asyncio.create_task(worker.start(), context=self._context.copy())
            self._worker = worker
            self._starter = Starter(
                self.store, worker.dispatcher, context=self._context
            )
