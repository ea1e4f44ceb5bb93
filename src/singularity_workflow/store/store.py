"""
One typed method for each SQL function that the engine calls.

Owns which connection a call takes: claims and reports have one of their own (the
hot path must never wait for a pool), starts another, everything else the pool. What
the functions do is written at their heads, in `sql/functions/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from singularity_workflow.store import sql_files
from singularity_workflow.store.borrowed import call_on
from singularity_workflow.store.channel import Channel
from singularity_workflow.store.connections import JsonText, array_text
from singularity_workflow.store.events import EventStore
from singularity_workflow.store.messages import MessageStore
from singularity_workflow.store.replies import (
    Adoption,
    Beat,
    EndedRun,
    Fired,
    Moved,
    Reaped,
    Reply,
    TaskRef,
    parse_adoption,
    parse_beat,
    parse_ended,
    parse_fired,
    parse_reaped,
    parse_reply,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import timedelta

    from singularity_workflow.store.pools import Pool

__all__ = ["HeartbeatStore", "Store"]


class Store:
    """
    The database, as the engine sees it.

    Args:
        pool: For everything that has no connection of its own, which are opened
            from its conninfo.
        use_notify: Whether other processes are told of queued tasks, ends and events.
    """

    def __init__(self, pool: Pool, *, use_notify: bool = True) -> None:
        self.dsn = pool.conninfo
        self.use_notify = use_notify
        self._pool = pool
        self._hot = (Channel(self.dsn, "tasks"), Channel(self.dsn, "tasks 2"))
        self._starts = Channel(self.dsn, "starts")
        self.messages = MessageStore(pool)
        self.events = EventStore(pool)

    async def close(self) -> None:
        """Close the dedicated connections, and the pool if it is ours."""
        for channel in self._hot:
            await channel.close()
        await self._starts.close()
        await self._pool.close()

    # definitions

    async def register_workflow(
        self, definition: Mapping[str, Any], *, force: bool = False
    ) -> dict[str, Any]:
        """Register a definition; see `register_workflow.sql`."""
        data: dict[str, Any] = await self._pooled(
            "workflows/register_workflow",
            definition=JsonText(orjson.dumps(definition)),
            force=force,
        )
        return data

    async def list_workflows(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the registered versions, of one workflow or of all."""
        data: list[dict[str, Any]] = await self._pooled(
            "workflows/list_workflows", name=name
        )
        return data

    async def read_workflow(self, workflow_id: int) -> dict[str, Any]:
        """Return one version as a definition."""
        data: dict[str, Any] = await self._pooled(
            "workflows/read_workflow", workflow_id=workflow_id
        )
        return data

    # dynamic workflows

    async def create_flow(
        self, name: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Open a draft; see `create_flow.sql`."""
        data: dict[str, Any] = await self._pooled(
            "flows/create_flow",
            name=name,
            options=JsonText(orjson.dumps(options)),
            input_schema=None,
        )
        return data

    async def add_flow_step(self, flow: str, step: Mapping[str, Any]) -> dict[str, Any]:
        """Add a step to a draft; see `add_flow_step.sql`."""
        data: dict[str, Any] = await self._pooled(
            "flows/add_flow_step", flow=flow, step=JsonText(orjson.dumps(step))
        )
        return data

    async def save_flow(self, definition: Mapping[str, Any]) -> dict[str, Any]:
        """Store a draft as a whole; see `save_flow.sql`."""
        data: dict[str, Any] = await self._pooled(
            "flows/save_flow", definition=JsonText(orjson.dumps(definition))
        )
        return data

    async def find_flow(self, name: str) -> dict[str, Any]:
        """Return which version a start would run, and whether there is a draft."""
        data: dict[str, Any] = await self._pooled("flows/find_flow", name=name)
        return data

    async def freeze_flow(
        self, name: str, input_schema: Mapping[str, object] | None
    ) -> dict[str, Any]:
        """Make a draft the latest version; see `freeze_flow.sql`."""
        schema = None
        if input_schema is not None:
            schema = JsonText(orjson.dumps(dict(input_schema)))
        data: dict[str, Any] = await self._pooled(
            "flows/freeze_flow", name=name, input_schema=schema
        )
        return data

    async def read_flow(self, name: str) -> dict[str, Any]:
        """Return a workflow with its steps; see `read_flow.sql`."""
        data: dict[str, Any] = await self._pooled("flows/read_flow", name=name)
        return data

    async def list_flows(self, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Return workflows by name, those behind *after*."""
        data: list[dict[str, Any]] = await self._pooled(
            "flows/list_flows", after=after, limit=limit
        )
        return data

    async def delete_workflow(
        self, name: str, after: str | None, limit: int
    ) -> dict[str, Any]:
        """Delete a batch of a workflow; see `delete_workflow.sql`."""
        data: dict[str, Any] = await self._pooled(
            "flows/delete_workflow", name=name, after=after, limit=limit
        )
        return data

    # runs

    async def start_runs(
        self, requests: bytes, *, owner: UUID | None, slots: int, notify: bool = False
    ) -> tuple[list[tuple[str, str, bool]], Reply]:
        """
        Start runs; see `start_runs.sql`.

        Args:
            requests: An encoded array of requests.
            owner: The worker whose local runs they are; None: distributed.
            slots: How many tasks the owner can take at once.
            notify: Whether workers are told by the commit.

        Returns:
            For each request the id it asked for, the run it got and whether that is
            new; and the work that was handed over.
        """
        data = await self._starts.call(
            sql_files.query("runs/start_runs"),
            {
                "requests": JsonText(requests),
                "owner": owner,
                "slots": slots,
                "notify": notify and self.use_notify,
            },
        )
        return data["runs"], parse_reply(data)

    async def start_runs_on(
        self, connection: object, requests: bytes, *, owner: UUID | None
    ) -> list[tuple[str, str, bool]]:
        """
        Start runs in the transaction of *connection*, whose commit tells workers.

        Raises:
            InvalidSetting: If it is no psycopg connection.
        """
        data = await call_on(
            connection,
            sql_files.query("runs/start_runs"),
            {
                "requests": JsonText(requests),
                "owner": owner,
                "slots": 0,
                "notify": self.use_notify,
            },
        )
        started: list[tuple[str, str, bool]] = data["runs"]
        return started

    async def run_status(self, run_id: UUID) -> dict[str, Any]:
        """Return all there is to know about one run, but its payloads."""
        data: dict[str, Any] = await self._pooled("runs/run_status", run_id=run_id)
        return data

    async def run_results(self, run_ids: Collection[UUID]) -> list[EndedRun]:
        """Return the ends of those of the runs that have ended."""
        rows = await self._pooled("runs/run_results", run_ids=list(run_ids))
        return parse_ended(rows)

    async def step_output(self, run_id: UUID, step: str) -> Any:
        """Return what a step of a run has given, None if it has not completed."""
        return await self._pooled("runs/step_output", run_id=run_id, step=step)

    async def step_outputs(self, run_id: UUID) -> dict[str, Any]:
        """Return what the completed steps of a run have given, by name."""
        found: dict[str, Any] = await self._pooled("runs/step_outputs", run_id=run_id)
        return found

    async def task_children(
        self, run_id: UUID, step: str, index: int = 0
    ) -> list[dict[str, Any]]:
        """Return the child runs that a task has started, the oldest first."""
        found: list[dict[str, Any]] = await self._pooled(
            "runs/task_children", run_id=run_id, step=step, index=index
        )
        return found

    async def failed_attempts(self, run_id: UUID, step: str, index: int = 0) -> int:
        """Return how often a task has failed so far."""
        found: int = await self._pooled(
            "runs/failed_attempts", run_id=run_id, step=step, index=index
        )
        return found

    async def outputs_below(
        self, run_id: UUID, steps: Collection[str], member: str
    ) -> list[Any]:
        """Return a member of what steps of these names gave in a run and below it."""
        found: list[Any] = await self._pooled(
            "runs/outputs_below", run_id=run_id, steps=list(steps), member=member
        )
        return found

    async def find_goal_plan(self, key: str) -> Any:
        """Return a plan that is cached, None if there is none."""
        return await self._pooled("goals/find_goal_plan", key=key)

    async def keep_goal_plan(
        self,
        key: str,
        *,
        goal_hash: str,
        decomposer: str,
        version: str,
        tree: Mapping[str, Any],
        seconds: float,
    ) -> None:
        """Keep a plan for so many seconds."""
        await self._pooled(
            "goals/keep_goal_plan",
            key=key,
            goal_hash=goal_hash,
            decomposer=decomposer,
            version=version,
            tree=JsonText(orjson.dumps(tree)),
            seconds=seconds,
        )

    async def list_runs(
        self, filter: Mapping[str, object], *, before: UUID | None, limit: int
    ) -> tuple[list[dict[str, Any]], UUID | None]:
        """Return runs that match, newest first, and before which to go on."""
        data = await self._pooled(
            "runs/list_runs",
            filter=JsonText(orjson.dumps(filter)),
            before=before,
            limit=limit,
        )
        return data["runs"], None if data["next"] is None else UUID(data["next"])

    async def pause_runs(self, run_ids: Collection[UUID]) -> list[Moved]:
        """Pause runs; unknown ones are absent from the answer."""
        rows = await self._pooled("runs/pause_runs", run_ids=list(run_ids))
        return [Moved(*row) for row in rows]

    async def resume_runs(self, run_ids: Collection[UUID]) -> tuple[list[Moved], Reply]:
        """Resume runs; unknown ones are absent from the answer."""
        data = await self._pooled("runs/resume_runs", run_ids=list(run_ids))
        return [Moved(*row) for row in data["runs"]], parse_reply(data)

    async def copy_run(
        self,
        run_id: UUID,
        new_id: UUID,
        *,
        from_step: str | None,
        owner: UUID | None,
        notify: bool,
    ) -> tuple[int, Reply]:
        """
        Make a new run that reuses what another one has done; see `copy_run.sql`.

        Returns:
            The version of its workflow, and what came of it.
        """
        data = await self._pooled(
            "runs/copy_run",
            run_id=run_id,
            new_id=new_id,
            from_step=from_step,
            owner=owner,
            notify=notify and self.use_notify,
        )
        return data["workflow_id"], parse_reply(data)

    async def delete_runs(
        self, run_ids: Collection[UUID], limit: int = 500
    ) -> tuple[list[UUID], bool]:
        """Delete a part of ended runs; tell which are gone, and if more is left."""
        data = await self._pooled(
            "runs/delete_runs", run_ids=list(run_ids), limit=limit
        )
        return [UUID(one) for one in data["deleted"]], data["has_more"]

    async def cancel_runs(
        self, run_ids: Collection[UUID], reason: str | None
    ) -> list[UUID]:
        """Cancel runs; return those that had not ended."""
        cancelled: list[UUID] = await self._pooled(
            "runs/cancel_runs", run_ids=list(run_ids), reason=reason
        )
        return cancelled

    async def adopt_runs(
        self, owner: UUID | None, workflow_ids: Collection[int], limit: int = 100
    ) -> Adoption:
        """Take over local runs whose owner is gone; see `adopt_runs.sql`."""
        return parse_adoption(
            await self._pooled(
                "runs/adopt_runs",
                owner=owner,
                workflow_ids=list(workflow_ids),
                limit=limit,
            )
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
        lost: bool = True,
    ) -> Reply:
        """Start the next queued tasks; see `claim_tasks.sql`."""
        return parse_reply(
            await self._hot[0].call(
                sql_files.query("tasks/claim_tasks"),
                {
                    "worker_id": worker_id,
                    "queues": queues,
                    "n": n,
                    "low": low,
                    "known_maps": known_maps,
                    "lost": lost,
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
        wanted: Sequence[str] = (),
        known_maps: Sequence[str] = (),
        lost: bool = True,
        lane: int = 0,
    ) -> Reply:
        """
        Record outcomes and take the next tasks; see `report_tasks.sql`.

        *lane* is 0 or 1: which of two connections makes the call.
        """
        parameters = {
            "worker_id": str(worker_id),
            "batch": JsonText(batch),
            "slots": slots,
            "queues": array_text(queues),
            "claim": claim,
            "low": low,
            "max_key": max_key,
            "wanted": array_text(wanted),
            "known_maps": array_text(known_maps),
            "wait": False,
            "lost": lost,
        }
        query = sql_files.query("tasks/report_tasks")
        return parse_reply(await self._hot[lane].call(query, parameters))

    async def report_alone(
        self, worker_id: UUID, batch: bytes, wanted: Sequence[str]
    ) -> Reply:
        """Record outcomes of one run, waiting for whoever holds it; takes no tasks."""
        return parse_reply(
            await self._pooled(
                "tasks/report_tasks",
                worker_id=worker_id,
                batch=JsonText(batch),
                slots=0,
                queues="{}",
                claim=False,
                low=0,
                max_key=None,
                wanted=array_text(wanted),
                known_maps="{}",
                wait=True,
                lost=False,
            )
        )

    async def release_tasks(self, tasks: Iterable[TaskRef]) -> int:
        """Queue started tasks again without counting a loss."""
        items = [
            {
                "run": task.run_id,
                "step": task.step_no,
                "task": task.task_index,
                "attempt": task.attempt,
            }
            for task in tasks
        ]
        released: int = await self._pooled(
            "tasks/release_tasks", tasks=JsonText(orjson.dumps(items))
        )
        return released

    # metrics

    async def metrics(self) -> dict[str, Any]:
        """Return depths of queues and counts of what is open; see `metrics.sql`."""
        data: dict[str, Any] = await self._pooled("metrics/metrics")
        return data

    # timers and workers

    async def fire_timers(self, worker_id: UUID | None, limit: int = 500) -> Fired:
        """Do what is due; see `fire_timers.sql`."""
        return parse_fired(
            await self._pooled("timers/fire_timers", limit=limit, worker_id=worker_id)
        )

    async def reap_workers(self, worker_id: UUID, timeout: float) -> Reaped:
        """Give back the tasks of workers that died; see `reap_workers.sql`."""
        query = sql_files.query("workers/reap_workers")
        return parse_reaped(
            await self._pool.call(query, {"worker_id": worker_id}, timeout)
        )

    async def register_worker(
        self,
        worker_id: UUID,
        *,
        host: str,
        pid: int,
        version: str,
        queues: Sequence[str],
        workflows: Sequence[str],
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
            workflows=list(workflows),
            concurrency=concurrency,
            lease=lease,
        )

    async def stop_worker(self, worker_id: UUID) -> None:
        """Mark a worker as stopped."""
        await self._pooled("workers/stop_worker", worker_id=worker_id)

    async def drain_workers(self, worker_ids: Collection[UUID]) -> list[UUID]:
        """Ask workers to end; return those that had not been asked before."""
        asked: list[UUID] = await self._pooled(
            "workers/drain_workers", worker_ids=list(worker_ids)
        )
        return asked

    # hints

    async def send_hints(
        self,
        key: int | None,
        ended: Collection[UUID],
        events: Collection[int] = (),
    ) -> None:
        """Tell of queued tasks, ended runs and events; see `send_hints.sql`."""
        if self.use_notify:
            await self._pooled(
                "notifications/send_hints",
                key=key,
                ended=list(ended),
                events=list(events),
            )

    async def send_probe(self, payload: str) -> None:
        """Send a listener of ours its own payload."""
        await self._pooled("notifications/probe", payload=payload)

    async def announce_listening(self) -> None:
        """Tell all engines that somebody listens to the events of runs."""
        if self.use_notify:
            await self._pooled("notifications/announce_listening")

    async def _pooled(self, query: str, /, **parameters: Any) -> Any:
        return await self._pool.call(sql_files.query(query), parameters)


class HeartbeatStore:
    """
    The one call of the heartbeat, on a connection of its own.

    Args:
        dsn: Where to connect.
        timeout: Seconds that a heartbeat may take.
    """

    def __init__(self, dsn: str, timeout: float) -> None:
        self._channel = Channel(dsn, "heartbeat", timeout)

    async def heartbeat(
        self, worker_id: UUID, known: Iterable[TaskRef], *, sweep: bool
    ) -> Beat:
        """Renew a worker's lease; see `heartbeat.sql`."""
        data = await self._channel.call(
            sql_files.query("workers/heartbeat"),
            {
                "worker_id": worker_id,
                "known": JsonText(orjson.dumps([list(task) for task in known])),
                "sweep": sweep,
            },
        )
        return parse_beat(data)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()
