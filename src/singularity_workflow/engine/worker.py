"""
A worker: a process that serves queues.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from singularity_workflow.engine.arguments import read_duration
from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.registry import Registry
from singularity_workflow.engine.settings import read_concurrency, read_resources
from singularity_workflow.errors import ConfigurationError, InvalidSetting
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.names import name_problem
from singularity_workflow.telemetry.fields import log_fields
from singularity_workflow.worker.catalog import Catalog

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Self

    from singularity_workflow.worker.worker import TaskWorker

__all__ = ["DEFAULT_GRACE", "Worker"]

logger = logging.getLogger(__name__)

DEFAULT_GRACE = 30
"""Seconds; what Kubernetes gives a pod between SIGTERM and SIGKILL."""


class Worker:
    """
    Run the tasks of distributed runs.

    Any number of workers, on any number of machines, share the work of one database;
    any of them may die at any instant.

    Args:
        engine: A connected engine; the worker uses its connections.
        workflows: What it can run: a `Workflow`, what describes one, or several.
        queues: The queues it serves; by default those of its workflows.
        concurrency: The most tasks at once; by default as of the engine.
        resources:
            What steps get by name, beside those of the engine; a `Resource` is opened
            when the worker starts, and closed when it ends.
        executors:
            Executors of `concurrent.futures` by name, for steps with
            `executor="name"`. They are borrowed and never shut down.

    Raises:
        InvalidSetting: If an argument cannot work.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        engine: AsyncEngine,
        workflows: object,
        queues: str | Iterable[str] | None = None,
        *,
        concurrency: int | None = None,
        resources: Mapping[str, object] | None = None,
        executors: Mapping[str, Executor] | None = None,
    ) -> None:
        if not isinstance(engine, AsyncEngine):
            raise InvalidSetting(
                f"a worker needs an AsyncEngine, got {type(engine).__name__}",
                hint="Blocking programs have `singularity-workflow worker`.",
            )
        self._engine = engine
        self._workflows = _listed(workflows)
        self._queues = None if queues is None else _read_queues(queues)
        self._concurrency = (
            engine.concurrency
            if concurrency is None
            else read_concurrency("concurrency", concurrency)
        )
        self._resources = {**engine.resources, **read_resources(resources)}
        self._executors = dict(executors or {})
        self._worker: TaskWorker | None = None
        self._must_stop = asyncio.Event()

    async def start(self) -> Self:
        """
        Register the workflows and begin to work.

        Raises:
            DefinitionError: If a workflow is wrong.
            ConnectionFailed: The server cannot be reached.
        """
        if self._worker is not None:
            return self
        session = self._engine.session
        catalog = Catalog(session.store, self._resources)
        registry = Registry(session.store, catalog, self._resources)
        for workflow in self._workflows:
            await registry.register(workflow)
        queues = catalog.queues() if self._queues is None else self._queues
        self._worker = await session.add_worker(
            catalog,
            queues=queues,
            concurrency=self._concurrency,
            resources=self._resources,
            executors=self._executors,
            on_drain=self.stop,
        )
        logger.info(
            "worker %s serves %s",
            self._worker.worker_id,
            ", ".join(queues),
            extra=log_fields(worker_id=str(self._worker.worker_id)),
        )
        return self

    async def run(self, grace: Duration = DEFAULT_GRACE) -> None:
        """
        Work until `stop` is called, or the call is cancelled.

        A worker that is asked to drain (`AsyncEngine.drain_workers`) stops by itself.

        Args:
            grace: How long tasks may go on after that, in seconds or as a
                `timedelta`; the rest goes back to its queue, and counts no loss.
        """
        await self.start()
        try:
            await self._must_stop.wait()
        finally:
            await self.close(grace)

    def stop(self) -> None:
        """Let `run` end; from the worker's own event loop."""
        self._must_stop.set()

    async def close(self, grace: Duration = 0) -> None:
        """
        Take no more tasks, wait for those that run, and give the rest back.

        Args:
            grace: How long to wait, in seconds or as a `timedelta`.
        """
        limit = read_duration("grace", grace)
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            if limit and not await worker.dispatcher.drain(limit.total_seconds()):
                logger.warning(
                    "the grace period is over: giving tasks back",
                    extra=log_fields(worker_id=str(worker.worker_id)),
                )
        finally:
            await self._engine.session.remove_worker(worker)
            logger.info(
                "worker %s has ended",
                worker.worker_id,
                extra=log_fields(worker_id=str(worker.worker_id)),
            )

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        if self._worker is None:
            return "<Worker stopped>"
        return f"<Worker {self._worker.worker_id}>"


def _listed(workflows: object) -> list[object]:
    if isinstance(workflows, (list, tuple, set, frozenset)):
        found = list(workflows)
    else:
        found = [workflows]
    if not found:
        raise ConfigurationError(
            "a worker without workflows has nothing to do",
            hint="Pass the workflows whose steps it can run.",
        )
    return found


def _read_queues(queues: str | Iterable[str]) -> list[str]:
    names = [queues] if isinstance(queues, str) else list(queues)
    for name in names:
        if problem := name_problem(name, allow_reserved=True):
            raise InvalidSetting(f"queue {name!r} {problem}")
    if not names:
        raise InvalidSetting("queues must name at least one queue")
    return sorted({name.lower() for name in names})
