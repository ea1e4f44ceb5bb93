"""
Many completed runs in the tables: does the work go on as in an empty database?

The runs are written by plain inserts, as the engine would have left them: every tenth
is a chain of ten steps, the others have one. Both databases have a crew of their own,
and the rounds go from one to the other and back.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import psycopg

from benchmarks.apart import Measurement, check_outputs, check_runs
from benchmarks.claimers import default_queue
from benchmarks.crew import Crew
from benchmarks.pickup import pick_up_times
from benchmarks.workers import PROCESSES, drain, observer, wait_for_ends
from benchmarks.workloads import CHAIN_STEPS, chain, single, timed
from singularity_workflow import AsyncEngine

__all__ = ["HistoryLoad", "measure", "write_history"]

_WARM_UP = 100
_CHAINS_EVERY = 10
_PART = 100_000

# version 7 ids of the thirty days before now, the same whenever they are computed
_HISTORY = """
create temporary table history as
select n,
       (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
        || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid as run_id,
       at, w.workflow_id, w.step_count
from (
  select n, md5(n::text) as hash,
         now() - interval '30 days' * ((%(count)s - n + 1) / %(count)s::float8) as at
  from generate_series(%(first)s::bigint, %(last)s::bigint) n) h
join singularity_workflow.workflows w
  on w.name = case when n %% %(every)s = 0 then %(chain)s else %(single)s end
"""
_RUNS = """
insert into singularity_workflow.runs (
  run_id, workflow_id, status, remaining_steps, order_key, priority, serial, tags,
  input, created_at, started_at, ended_at)
select run_id, workflow_id, 'completed', 0,
       floor(extract(epoch from at) * 1000)::bigint, 0, false, '{}',
       to_json(n), at, at, at + interval '1 second'
from history
"""
_STEPS = """
insert into singularity_workflow.step_states (
  run_id, step_no, status, remaining_deps, initial_tasks, remaining_tasks, output,
  created_at, started_at, ended_at)
select h.run_id, s.step_no, 'completed', 0, 1, 0, to_json(h.n + s.step_no + 1),
       h.at, h.at, h.at + interval '1 second'
from history h
join singularity_workflow.workflow_steps s on s.workflow_id = h.workflow_id
"""
_TASKS = """
insert into singularity_workflow.tasks (
  run_id, step_no, task_index, status, attempt, worker_id, created_at, started_at,
  ended_at)
select h.run_id, s.step_no, 0, 'completed', 1, %(worker)s, h.at, h.at,
       h.at + interval '1 second'
from history h
join singularity_workflow.workflow_steps s on s.workflow_id = h.workflow_id
"""
_TABLES = ("runs", "step_states", "tasks")

_CLAIM = """
select singularity_workflow.claim_tasks(%s::uuid, array[%s::text], 1, 0)
"""
_RELEASE = "select singularity_workflow.release_tasks(%s::json)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLoad:
    """
    The size of this part.

    Args:
        runs: How many completed runs are in the tables.
        rounds: How often each database is measured.
        chains: Chains a round.
        claims: Claims of one task a round, one after the other.
        pickups: Runs a round, one after the other.
        pages: Pages of `list_workflow_runs`.
    """

    runs: int
    rounds: int = 8
    chains: int = 2_000
    claims: int = 300
    pickups: int = 60
    pages: int = 600


@dataclass(slots=True)
class _Side:
    """One of the two databases, and what was started there."""

    name: str
    dsn: str
    engine: AsyncEngine
    crew: Crew
    connection: psycopg.Connection[tuple[Any, ...]]
    queue: str
    runs: int = 0
    released: int = 0


def measure(empty: str, full: str, load: HistoryLoad) -> Measurement:
    """
    Measure both databases in turn.

    Args:
        empty: A fresh database.
        full: Another one, which gets the history.
        load: How much.
    """
    return asyncio.run(_measure(empty, full, load))


async def _measure(empty: str, full: str, load: HistoryLoad) -> Measurement:
    found = Measurement()
    since = datetime.now(UTC)
    async with AsyncEngine(empty) as empty_engine, AsyncEngine(full) as full_engine:
        for engine in (empty_engine, full_engine):
            for workflow in (single, chain, timed):
                await engine.register(workflow)
        found.add("history_seconds_to_write", write_history(full, load.runs))
        found.add("history_runs", load.runs)
        with (
            Crew(empty, PROCESSES) as empty_crew, observer(empty) as empty_connection,
            Crew(full, PROCESSES) as full_crew, observer(full) as full_connection,
        ):  # fmt: skip
            sides = [
                _Side(
                    "empty", empty, empty_engine, empty_crew, empty_connection,
                    await default_queue(empty),
                ),
                _Side(
                    "history", full, full_engine, full_crew, full_connection,
                    await default_queue(full), runs=load.runs,
                ),
            ]  # fmt: skip
            for side in sides:
                await _round(side, Measurement(), _small(load))
            for number in range(load.rounds):
                for side in sides if number % 2 else reversed(sides):
                    await _round(side, found, load)
        times = await _page_times(full_engine, load.pages)
        found.add("history_page_ms_p50", statistics.median(times))
        found.add("history_page_ms_p95", statistics.quantiles(times, n=20)[-1])
    for side in sides:
        check_runs(side.dsn, side.runs)
        check_outputs(side.dsn, chain.name, CHAIN_STEPS, since=since)
        check_outputs(side.dsn, single.name, 1, since=since, repeated=side.released)
    return found


async def _page_times(engine: AsyncEngine, count: int) -> list[float]:
    """Ask for pages with each filter, anywhere in the history; milliseconds."""
    dice = random.Random(1)
    filters: list[dict[str, Any]] = [
        {},
        {"workflow": chain.name},
        {"workflow": timed.name, "status": "completed"},
        {"status": ["failed", "cancelled"]},
        {"status": "started"},
        {"tags": ["no such tag"]},
        {"input": "$ ? (@ == 7)"},
        {"output": {"no": "such"}},
    ]
    times = []
    for number in range(count):
        until = datetime.now(UTC) - timedelta(days=30 * dice.random())
        began = time.perf_counter()
        await engine.list_workflow_runs(until=until, **filters[number % len(filters)])
        times.append((time.perf_counter() - began) * 1_000)
    return times


def _small(load: HistoryLoad) -> HistoryLoad:
    return HistoryLoad(
        runs=load.runs, chains=_WARM_UP, claims=_WARM_UP, pickups=_WARM_UP // 10
    )


def write_history(dsn: str, count: int) -> float:
    """Write completed runs; the seconds that it took."""
    began = time.monotonic()
    values: dict[str, object] = {
        "count": count, "every": _CHAINS_EVERY, "chain": chain.name,
        "single": single.name, "worker": uuid4(),
    }  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        for first in range(1, count + 1, _PART):
            values |= {"first": first, "last": min(count, first + _PART - 1)}
            with connection.transaction():
                connection.execute(_HISTORY, values)
                connection.execute(_RUNS)
                connection.execute(_STEPS)
                connection.execute(_TASKS, values)
                connection.execute("drop table history")
        for table in _TABLES:
            connection.execute(f"vacuum (analyze) singularity_workflow.{table}")
        connection.execute("checkpoint")
    return time.monotonic() - began


async def _round(side: _Side, found: Measurement, load: HistoryLoad) -> None:
    seconds = await drain(side.engine, side.crew, side.connection, chain, load.chains)
    found.add(f"{side.name}_chains_steps_per_s", load.chains * CHAIN_STEPS / seconds)
    times = await _claim_times(side, load.claims)
    found.add(f"{side.name}_claim_ms_p50", statistics.median(times))
    side.crew.begin()
    times = await pick_up_times(side.engine, load.pickups)
    side.crew.rest()
    found.add(f"{side.name}_pickup_ms_p50", statistics.median(times))
    side.runs += load.chains + load.claims + load.pickups


async def _claim_times(side: _Side, count: int) -> list[float]:
    """Claim *count* tasks one by one, give them back, and let the crew run them."""
    await side.engine.start_many(
        single, range(count), execution="distributed", notify_events=False
    )
    worker = uuid4()
    times, claimed = [], []
    for _ in range(count):
        started = time.perf_counter()
        row = side.connection.execute(_CLAIM, (worker, side.queue)).fetchone()
        times.append((time.perf_counter() - started) * 1_000)
        assert row is not None
        ((run, step, task, attempt, *_),) = row[0]["work"]["tasks"]
        claimed.append({"run": run, "step": step, "task": task, "attempt": attempt})
    side.connection.execute(_RELEASE, (orjson.dumps(claimed).decode(),))
    side.released += count
    wait_for_ends(side.crew, side.connection)
    return times
