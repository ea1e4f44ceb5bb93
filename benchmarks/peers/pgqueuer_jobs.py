"""
PgQueuer: bare no-op jobs, put in with one bulk call and drained by one process.

What is measured, per round:

    jobs_per_s        `jobs` divided by the time from the start of the bulk enqueue to
                      the last job done
    drain_jobs_per_s  the same, from the start of the worker (the jobs are already
                      there) to the last job done

A job counts as done when PgQueuer has moved it out of the queue into its log in a
committed statement, not when the handler returned: that is what outlives a crash. The
moment is taken right behind PgQueuer's own batched write, so neither a poll interval
nor the worker's shutdown is charged to it.

Settings, after PgQueuer's tuning guide: the asyncpg driver (the guide's faster one) on
a pool of 5 to 20 connections, uvloop (what PgQueuer's own command line runs on), a
batch size well above the default of 10 since the jobs are short, no limit on concurrent
tasks (its default), the recommended autovacuum settings, and the default `durable`
tables (logged, so that a crash loses nothing). Batches of 100, 250, 500 and 1000 were
tried on a pool and on a single connection: the pool won, and from 500 on a larger batch
brought nothing beyond the noise.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job, TracebackRecord
from pgqueuer.queries import Queries
from pgqueuer.types import JOB_STATUS, QueueExecutionMode

ENTRYPOINT = "noop"
BATCH_SIZE = 500
POOL_MIN_SIZE = 5
POOL_MAX_SIZE = 20
WARM_UP_JOBS = 1_000


@dataclass(frozen=True)
class PgqueuerLoad:
    """How much work one round holds, and how many rounds there are."""

    jobs: int
    rounds: int


@dataclass(frozen=True)
class PgqueuerFigures:
    """Medians over the rounds."""

    jobs_per_s: float
    drain_jobs_per_s: float


@dataclass
class Tally:
    """How many jobs a drain ran and finished, and when the last was written down."""

    ran: int = 0
    finished: int = 0
    last_finish: float = 0.0


class WatchedQueries(Queries):
    """PgQueuer's queries, with a look at the clock after each batch of jobs."""

    def __init__(self, driver: AsyncpgPoolDriver, tally: Tally) -> None:
        """Count into *tally*."""
        super().__init__(driver)
        self.tally = tally

    async def log_jobs(
        self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]
    ) -> None:
        """Let PgQueuer write the batch, then count it."""
        await super().log_jobs(job_status)
        self.tally.finished += sum(
            status == "successful" for _, status, _ in job_status
        )
        self.tally.last_finish = time.perf_counter()


async def enqueue(driver: AsyncpgPoolDriver, jobs: int) -> None:
    """Put *jobs* jobs without payload into the queue, in one statement."""
    await Queries(driver).enqueue([ENTRYPOINT] * jobs, [None] * jobs, [0] * jobs)


async def drain(driver: AsyncpgPoolDriver) -> Tally:
    """Run a worker until the queue is empty."""
    tally = Tally()
    worker = PgQueuer(driver, queries=WatchedQueries(driver, tally))

    @worker.entrypoint(ENTRYPOINT)
    async def noop(job: Job) -> None:
        tally.ran += 1

    await worker.run(batch_size=BATCH_SIZE, mode=QueueExecutionMode.drain)
    return tally


async def measured_round(pool: asyncpg.Pool, jobs: int) -> PgqueuerFigures:
    """Enqueue and drain *jobs* jobs once."""
    driver = AsyncpgPoolDriver(pool)
    enqueue_started = time.perf_counter()
    await enqueue(driver, jobs)
    drain_started = time.perf_counter()
    tally = await drain(driver)
    if (tally.ran, tally.finished) != (jobs, jobs):
        raise RuntimeError(
            f"PgQueuer ran {tally.ran} and finished {tally.finished} of {jobs} jobs"
        )
    return PgqueuerFigures(
        jobs_per_s=jobs / (tally.last_finish - enqueue_started),
        drain_jobs_per_s=jobs / (tally.last_finish - drain_started),
    )


async def measured_rounds(url: str, load: PgqueuerLoad) -> list[PgqueuerFigures]:
    """Install PgQueuer at *url*, warm it up and run the rounds."""
    async with asyncpg.create_pool(
        url, min_size=POOL_MIN_SIZE, max_size=POOL_MAX_SIZE
    ) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()
        await queries.optimize_autovacuum()
        await measured_round(pool, WARM_UP_JOBS)
        return [await measured_round(pool, load.jobs) for _ in range(load.rounds)]


def measure(url: str, load: PgqueuerLoad) -> PgqueuerFigures:
    """Run the whole measurement in the empty database at *url*."""
    rounds = uvloop.run(measured_rounds(url, load))
    return PgqueuerFigures(
        jobs_per_s=statistics.median(one.jobs_per_s for one in rounds),
        drain_jobs_per_s=statistics.median(one.drain_jobs_per_s for one in rounds),
    )


def settings(load: PgqueuerLoad) -> dict[str, object]:
    """What the figures were taken with."""
    return {
        "jobs": load.jobs,
        "rounds": load.rounds,
        "processes": 1,
        "workers": 1,
        "driver": "asyncpg pool",
        "pool_size": [POOL_MIN_SIZE, POOL_MAX_SIZE],
        "batch_size": BATCH_SIZE,
        "max_concurrent_tasks": "unlimited (default)",
        "event_loop": "uvloop",
        "durability": "durable (default)",
        "autovacuum": "pgqueuer's recommended settings",
    }
