"""
One typed method for each SQL function that the engine calls.

Owns which connection a call takes: claims and reports have one of their own (the
hot path must never wait for a pool), starts another, everything else the pool. What
the functions do is written at their heads, in `sql/functions/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from singularity_workflow.store import sql_files
from singularity_workflow.store.channel import Channel
from singularity_workflow.store.connections import JsonText, translated_errors
from singularity_workflow.store.replies import EndedRun, Reply, TaskRef, parse_reply

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import LiteralString
    from uuid import UUID

    from psycopg_pool import AsyncConnectionPool

__all__ = ["Store"]


class Store:
    """
    The database, as the engine sees it.

    Args:
        dsn: For the dedicated connections.
        pool: For everything else; borrowed, never closed here.
    """

    def __init__(self, dsn: str, pool: AsyncConnectionPool[Any]) -> None:
        self.dsn = dsn
        self._pool = pool
        self._hot = Channel(dsn, "tasks")
        self._starts = Channel(dsn, "starts")

    async def close(self) -> None:
        """Close the dedicated connections."""
        await self._hot.close()
        await self._starts.close()

    # definitions

    async def register_workflow(
        self, definition: Mapping[str, Any], *, force: bool = False
    ) -> dict[str, Any]:
        """Register a definition; see `register_workflow.sql`."""
        return await self._pooled(
            "workflows/register_workflow",
            definition=JsonText(orjson.dumps(definition)),
            force=force,
        )

    async def list_workflows(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the registered versions, of one workflow or of all."""
        return await self._pooled("workflows/list_workflows", name=name)

    # runs

    async def start_runs(
        self, requests: bytes, *, owner: UUID | None, slots: int
    ) -> tuple[list[tuple[str, str, bool]], Reply]:
        """
        Start runs; see `start_runs.sql`.

        Args:
            requests: An encoded array of requests.
            owner: The worker whose local runs they are; None: distributed.
            slots: How many tasks the owner can take at once.

        Returns:
            For each request the id it asked for, the run it got and whether that is
            new; and the work that was handed over.
        """
        data = await self._starts.call(
            sql_files.query("runs/start_runs"),
            {"requests": JsonText(requests), "owner": owner, "slots": slots},
        )
        return data["runs"], parse_reply(data)

    async def run_status(self, run_id: UUID) -> dict[str, Any]:
        """Return all there is to know about one run, but its payloads."""
        return await self._pooled("runs/run_status", run_id=run_id)

    async def run_results(self, run_ids: Collection[UUID]) -> list[EndedRun]:
        """Return the ends of those of the runs that have ended."""
        rows = await self._pooled("runs/run_results", run_ids=list(run_ids))
        return [EndedRun._make(row) for row in rows or ()]

    async def list_runs(
        self,
        *,
        statuses: Sequence[str] | None,
        workflow: str | None,
        tags: Sequence[str] | None,
        since: datetime | None,
        before: UUID | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Return runs that match, newest first."""
        return await self._pooled(
            "runs/list_runs",
            statuses=statuses,
            workflow=workflow,
            tags=tags,
            since=since,
            before=before,
            limit=limit,
        )

    async def cancel_runs(
        self, run_ids: Collection[UUID], reason: str | None
    ) -> list[UUID]:
        """Cancel runs; return those that had not ended."""
        return await self._pooled(
            "runs/cancel_runs", run_ids=list(run_ids), reason=reason
        )

    async def adopt_runs(
        self, owner: UUID | None, workflow_ids: Collection[int], limit: int
    ) -> dict[str, Any]:
        """Take over local runs whose owner is gone; see `adopt_runs.sql`."""
        return await self._pooled(
            "runs/adopt_runs",
            owner=owner,
            workflow_ids=list(workflow_ids),
            limit=limit,
        )

    # tasks

    async def claim_tasks(
        self,
        worker_id: UUID,
        queues: Sequence[str],
        n: int,
        *,
        low: int,
        known_maps: Sequence[str],
    ) -> Reply:
        """Start the next queued tasks; see `claim_tasks.sql`."""
        return parse_reply(
            await self._hot.call(
                sql_files.query("tasks/claim_tasks"),
                {
                    "worker_id": worker_id,
                    "queues": queues,
                    "n": n,
                    "low": low,
                    "known_maps": known_maps,
                },
            )
        )

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
        wanted: Sequence[UUID] = (),
        known_maps: Sequence[str] = (),
    ) -> Reply:
        """Record outcomes and take the next tasks; see `report_tasks.sql`."""
        parameters = {
            "worker_id": worker_id,
            "batch": JsonText(batch),
            "slots": slots,
            "queues": queues,
            "claim": claim,
            "low": low,
            "max_key": max_key,
            "wanted": list(wanted),
            "known_maps": list(known_maps),
            "wait": False,
        }
        query = sql_files.query("tasks/report_tasks")
        return parse_reply(await self._hot.call(query, parameters))

    async def report_alone(
        self, worker_id: UUID, batch: bytes, wanted: Sequence[UUID]
    ) -> Reply:
        """Record outcomes of one run, waiting for whoever holds it; takes no tasks."""
        return parse_reply(
            await self._pooled(
                "tasks/report_tasks",
                worker_id=worker_id,
                batch=JsonText(batch),
                slots=0,
                queues=[],
                claim=False,
                low=0,
                max_key=None,
                wanted=list(wanted),
                known_maps=[],
                wait=True,
            )
        )

    async def release_tasks(self, tasks: Iterable[TaskRef]) -> int:
        """Queue started tasks again without counting a loss."""
        items = [
            {
                "run": t.run_id,
                "step": t.step_no,
                "task": t.task_index,
                "attempt": t.attempt,
            }
            for t in tasks
        ]
        return await self._pooled(
            "tasks/release_tasks", tasks=JsonText(orjson.dumps(items))
        )

    # timers and workers

    async def fire_timers(self, limit: int = 500) -> dict[str, Any]:
        """Do what is due; see `fire_timers.sql`."""
        return await self._pooled("timers/fire_timers", limit=limit)

    async def register_worker(
        self,
        worker_id: UUID,
        *,
        host: str,
        pid: int,
        version: str,
        queues: Sequence[str],
        concurrency: int,
        lease: timedelta,
    ) -> None:
        """Add a worker; its lease begins."""
        await self._pooled(
            "workers/register_worker",
            worker_id=worker_id,
            host=host,
            pid=pid,
            version=version,
            queues=list(queues),
            concurrency=concurrency,
            lease=lease,
        )

    async def stop_worker(self, worker_id: UUID) -> None:
        """Mark a worker as stopped."""
        await self._pooled("workers/stop_worker", worker_id=worker_id)

    async def _pooled(self, name: str, **parameters: Any) -> Any:
        query: LiteralString = sql_files.query(name)
        with translated_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query, parameters)
                row = await cursor.fetchone()
                return row[0] if row else None
