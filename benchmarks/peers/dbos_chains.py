"""
DBOS: durable workflows of no-op async steps, in one process.

What is measured, per round:

    steps_per_s        `chains` workflows of ten steps each, all awaited at once; every
                       step is a coroutine that returns its argument plus one. Steps
                       finished, divided by the time from the first start to the last
                       result
    single_runs_per_s  the same with `runs` workflows of one step
    chain10_ms         the median time of one ten-step chain with nothing else running,
                       over `latency_chains` chains, one after the other

Every result is checked, and at the end the system database must hold every workflow
as finished and every step's output: the time bought durable work.

Settings: DBOS's documented defaults, for they are what it recommends. PostgreSQL as
system database, its pool of 20 connections, a thread pool without a bound (its
maintainers made it so on purpose: a bound can deadlock), coroutines for workflows and
steps, on asyncio's own loop. No OTLP export, no Conductor, warnings only in the log.
Single short trials, on a machine that was not always quiet, found nothing clearly
faster among: pools of 10 and 50, 20 threads, a limit on the chains in flight, plain
(threaded) workflows, uvloop, no `pool_pre_ping`. A profile showed one process busy
with Python (per step four SQLAlchemy statements and two thread hand-overs) rather than
waiting for PostgreSQL; more processes, which are not measured here, may do more.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import psycopg
from dbos import DBOS, DBOSConfig

CHAIN_STEPS = 10
POOL_SIZE = 20
WARM_UP_CHAINS = 20


@dataclass(frozen=True)
class DbosLoad:
    """How much work one round holds, and how many rounds there are."""

    chains: int
    runs: int
    latency_chains: int
    rounds: int


@dataclass(frozen=True)
class DbosFigures:
    """Medians over the rounds."""

    steps_per_s: float
    single_runs_per_s: float
    chain10_ms: float


@DBOS.step()
async def increment(value: int) -> int:
    """Do nothing worth naming: the step that is measured."""
    return value + 1


@DBOS.workflow()
async def chain(steps: int) -> int:
    """Run *steps* steps, each on the result of the one before."""
    value = 0
    for _ in range(steps):
        value = await increment(value)
    return value


def configuration(url: str) -> DBOSConfig:
    """DBOS's defaults, spelled out where they matter to the figures."""
    return {
        "name": "bench-peers",
        "application_version": "bench",
        "system_database_url": url,
        "sys_db_pool_size": POOL_SIZE,
        "enable_otlp": False,
        "log_level": "WARNING",
    }


async def timed_workflows(count: int, steps: int) -> float:
    """Run *count* workflows of *steps* steps at once; the seconds that it took."""
    started = time.perf_counter()
    results = await asyncio.gather(*(chain(steps) for _ in range(count)))
    elapsed = time.perf_counter() - started
    if results != [steps] * count:
        raise RuntimeError("DBOS: a workflow returned a wrong result")
    return elapsed


async def median_latency(count: int) -> float:
    """Run *count* ten-step chains one after the other; the median seconds of one."""
    return statistics.median(
        [await timed_workflows(1, CHAIN_STEPS) for _ in range(count)]
    )


async def measured_round(load: DbosLoad) -> DbosFigures:
    """Take all three figures once."""
    chains = await timed_workflows(load.chains, CHAIN_STEPS)
    singles = await timed_workflows(load.runs, 1)
    latency = await median_latency(load.latency_chains)
    return DbosFigures(
        steps_per_s=load.chains * CHAIN_STEPS / chains,
        single_runs_per_s=load.runs / singles,
        chain10_ms=latency * 1000,
    )


def check_recorded(url: str, load: DbosLoad) -> None:
    """Fail unless all workflows are stored as finished, with all steps' outputs."""
    long_chains = WARM_UP_CHAINS + load.rounds * (load.chains + load.latency_chains)
    singles = load.rounds * load.runs
    expected = (long_chains + singles, long_chains * CHAIN_STEPS + singles)
    with psycopg.connect(url) as connection:
        recorded = connection.execute(
            "select"
            " (select count(*) from dbos.workflow_status where status = 'SUCCESS'),"
            " (select count(*) from dbos.operation_outputs)"
        ).fetchone()
    if recorded != expected:
        raise RuntimeError(
            f"DBOS recorded {recorded} (workflows, steps), not {expected}"
        )


async def measured_rounds(url: str, load: DbosLoad) -> list[DbosFigures]:
    """Launch DBOS on *url*, warm it up and run the rounds."""
    DBOS(config=configuration(url))
    DBOS.launch()
    try:
        await timed_workflows(WARM_UP_CHAINS, CHAIN_STEPS)
        return [await measured_round(load) for _ in range(load.rounds)]
    finally:
        DBOS.destroy()


def measure(url: str, load: DbosLoad) -> DbosFigures:
    """Run the whole measurement in the empty database at *url*."""
    rounds = asyncio.run(measured_rounds(url, load))
    check_recorded(url, load)
    return DbosFigures(
        steps_per_s=statistics.median(one.steps_per_s for one in rounds),
        single_runs_per_s=statistics.median(one.single_runs_per_s for one in rounds),
        chain10_ms=statistics.median(one.chain10_ms for one in rounds),
    )


def settings(load: DbosLoad) -> dict[str, object]:
    """What the figures were taken with."""
    return {
        "chains": load.chains,
        "steps_per_chain": CHAIN_STEPS,
        "single_runs": load.runs,
        "latency_chains": load.latency_chains,
        "rounds": load.rounds,
        "processes": 1,
        "workflows": "async, all awaited at once",
        "event_loop": "asyncio",
        "sys_db_pool_size": POOL_SIZE,
        "max_executor_threads": "unbounded (default)",
        "otlp": False,
        "conductor": False,
    }
