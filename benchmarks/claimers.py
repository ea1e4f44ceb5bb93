"""
(j) Many connections that claim from one queue: 64 of them against 8.

They do nothing but claim, the next time when the last answer is there, one task or ten
at a time. One thread serves all connections through libpq itself, so that the server
is what is measured, with 8 and with 64. Nothing of what is claimed is run.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from psycopg import pq

from benchmarks.apart import Measurement, WrongResult
from benchmarks.loads import Load
from benchmarks.workloads import single
from singularity_workflow import AsyncEngine

__all__ = ["CLAIM", "Claimer", "default_queue", "measure"]

FEW, MANY = 8, 64
SIZES = (1, 10)

CLAIM = """
select singularity_workflow.claim_tasks($1::uuid, array[$2::text], $3::int, $4::bigint)
"""
_NAME = b"claim"
_LONGEST_CALL = 30.0


def measure(dsn: str, load: Load) -> Measurement:
    """Measure both numbers of connections in turn, in all rounds."""
    found = Measurement()
    queue = asyncio.run(default_queue(dsn))
    claimers = [Claimer(dsn, queue) for _ in range(MANY)]
    try:
        # what is left over when the last claims are on their way, and the warm-up
        spare = MANY * (max(SIZES) + 1)
        started = asyncio.run(_start(dsn, spare))
        taken = _claim(claimers, MANY, 1)[0]
        for number in range(load.rounds):
            ratios = []
            for size in SIZES:
                rates = {}
                for count in (FEW, MANY) if number % 2 else (MANY, FEW):
                    started += asyncio.run(_start(dsn, load.claims * size))
                    tasks, seconds = _claim(claimers[:count], load.claims, size)
                    taken += tasks
                    rates[count] = tasks / seconds
                    found.add(f"claims_n{size}_{count}_per_s", rates[count])
                ratios.append(rates[MANY] / rates[FEW])
                found.add(f"claimers_n{size}_64_vs_8", ratios[-1])
            found.add("claimers_64_vs_8", min(ratios))
    finally:
        for claimer in claimers:
            claimer.close()
    _check(dsn, taken)
    found.runs = found.unfinished = started
    return found


class Claimer:
    """
    One connection that claims, in the worker's way.

    Args:
        dsn: The database.
        queue: The queue.
    """

    def __init__(self, dsn: str, queue: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._pgconn = self._connection.pgconn
        self._worker_id = str(uuid4()).encode()
        self._queue = queue.encode()
        self._low = b"0"
        self._pgconn.prepare(_NAME, CLAIM.encode())
        self._pgconn.nonblocking = 1

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self._pgconn.socket

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, n: int) -> None:
        """Ask for *n* tasks."""
        parameters = [self._worker_id, self._queue, b"%d" % n, self._low]
        self._pgconn.send_query_prepared(_NAME, parameters)
        # some hundred bytes: the socket takes them at once
        while self._pgconn.flush():
            time.sleep(0)

    def receive(self) -> list[Any] | None:
        """Return the tasks, or None: the answer is not complete yet."""
        self._pgconn.consume_input()
        if self._pgconn.is_busy():
            return None
        result = self._pgconn.get_result()
        assert result is not None
        while self._pgconn.get_result() is not None:
            pass
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise WrongResult(f"claiming failed: {result.get_error_message()}")
        value = result.get_value(0, 0)
        assert value is not None
        reply = orjson.loads(value)
        if reply["last"] is not None:
            self._low = b"%d" % reply["last"]
        return reply["work"]["tasks"] if reply["work"] else []


def _claim(claimers: list[Claimer], calls: int, n: int) -> tuple[int, float]:
    """Claim *calls* times; how many tasks that brought, and how long it took."""
    tasks, sent = 0, len(claimers)
    with selectors.DefaultSelector() as selector:
        for claimer in claimers:
            selector.register(claimer, selectors.EVENT_READ, claimer)
        began = time.perf_counter()
        for claimer in claimers:
            claimer.send(n)
        waiting = len(claimers)
        while waiting:
            ready = selector.select(_LONGEST_CALL)
            if not ready:
                raise WrongResult("claiming hangs")
            for key, _ in ready:
                claimer = key.data
                found = claimer.receive()
                if found is None:
                    continue
                tasks += len(found)
                if sent < calls:
                    sent += 1
                    claimer.send(n)
                else:
                    waiting -= 1
        seconds = time.perf_counter() - began
    if tasks < 0.9 * calls * n:
        raise WrongResult(f"{calls} claims of {n} brought no more than {tasks} tasks")
    return tasks, seconds


async def _start(dsn: str, count: int) -> int:
    async with AsyncEngine(dsn) as engine:
        await engine.start_many(
            single, range(count), execution="distributed", notify_events=False
        )
    return count


async def default_queue(dsn: str) -> str:
    """Register the workflow that is claimed, and return the name of its queue."""
    async with AsyncEngine(dsn) as engine:
        await engine.register(single)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute(
            "select s.queue from singularity_workflow.workflow_steps s "
            "join singularity_workflow.workflows w using (workflow_id) "
            "where w.name = %s",
            (single.name,),
        )
        row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


def _check(dsn: str, taken: int) -> None:
    """See whether each answer's tasks were started, once, and the others not."""
    with psycopg.connect(dsn) as connection:
        counts = connection.execute(
            "select count(*) filter (where status = 'started' and attempt = 1), "
            "count(*) filter (where status <> 'queued') "
            "from singularity_workflow.tasks"
        ).fetchone()
    if counts != (taken, taken):
        raise WrongResult(f"{taken} tasks were claimed; the database has {counts}")
