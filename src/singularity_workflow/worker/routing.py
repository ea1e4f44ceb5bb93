"""
Tasks of versions that this worker has not met yet: their code is found, then they run.

Beside the loop, because it may take a query: what else was handed over begins at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from singularity_workflow.errors import ConnectionFailed, InternalError
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.store.replies import Reply, TaskRef
from singularity_workflow.worker.memory import RunMemory

__all__ = ["ForeignTasks", "WorkflowRouter"]

logger = logging.getLogger(__name__)

_PAUSE_WHEN_AWAY: Final = 1.0


class WorkflowRouter(Protocol):
    """Where the code of a version is found."""

    async def find(self, workflow_id: int) -> CompiledWorkflow: ...


class ForeignTasks:
    """
    The tasks whose code is being looked for.

    Args:
        router: Finds it.
        memory: Gets the inputs of their runs with it.
        on_found: Called with a reply whose tasks can run now.
        on_lost: Called with one whose code was not found.
    """

    def __init__(
        self,
        *,
        router: WorkflowRouter,
        memory: RunMemory,
        on_found: Callable[[Reply], None],
        on_lost: Callable[[Reply], None],
    ) -> None:
        self._router = router
        self._memory = memory
        self._on_found = on_found
        self._on_lost = on_lost
        # they have slots, as those that run
        self.refs: set[TaskRef] = set()
        self._searches: set[asyncio.Task[None]] = set()

    def add(self, reply: Reply) -> None:
        """Look for the code of the tasks of a reply."""
        self.refs.update(handed.ref for handed in reply.tasks)
        task = asyncio.create_task(self._search(reply))
        self._searches.add(task)
        task.add_done_callback(self._searches.discard)

    async def close(self) -> list[TaskRef]:
        """Stop looking, and return the tasks whose code was not found yet."""
        unfinished = list(self.refs)
        for task in self._searches:
            task.cancel()
        await asyncio.gather(*self._searches, return_exceptions=True)
        return unfinished

    async def _search(self, reply: Reply) -> None:
        run_ids = {task.run_id for task in reply.tasks}
        pinned: list[str] = []
        try:
            for run in reply.inputs:
                if run.run_id in run_ids:
                    workflow = await self._find_version(run.workflow_id)
                    self._memory.pin_run(
                        run.run_id,
                        workflow,
                        run.input,
                        run.traceparent,
                        run.is_redacted,
                    )
                    pinned.append(run.run_id)
            self._refuse_without_inputs(run_ids)
            self._on_found(reply)
        except Exception:
            logger.exception("the code of %d tasks was not found", len(reply.tasks))
            self._on_lost(reply)
        finally:
            self.refs.difference_update(handed.ref for handed in reply.tasks)
            self._memory.unpin_runs(pinned)

    def _refuse_without_inputs(self, run_ids: Iterable[str]) -> None:
        if not all(self._memory.has_run(run_id) for run_id in run_ids):
            raise InternalError("tasks came without the input of their run")

    async def _find_version(self, workflow_id: int) -> CompiledWorkflow:
        while True:
            try:
                return await self._router.find(workflow_id)
            except ConnectionFailed:
                await asyncio.sleep(_PAUSE_WHEN_AWAY)
