"""
(g) Distributed runs, started in bulk before, and drained by two worker processes.

The time goes from the moment when both workers are told to begin, which includes that
they register, to the end of the last run, both by the clock of the server.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from benchmarks.apart import Measurement, WrongResult, check_outputs
from benchmarks.crew import Crew
from benchmarks.events import EVENTS, figure_with, in_turn
from benchmarks.loads import Load
from benchmarks.workloads import CHAIN_STEPS, chain, single
from singularity_workflow import AsyncEngine, Workflow

__all__ = [
    "PROCESSES",
    "drain",
    "measure",
    "now",
    "observer",
    "seconds_to_last_end",
    "wait_for_ends",
]

PROCESSES = 2

_WARM_UP = 200
_PAUSE = 0.02
_LONGEST_DRAIN = 600.0

# from the back: what was started last ends last, and what ended left the index
_AN_OPEN_RUN = """
select run_id from singularity_workflow.runs
where status in ('pending', 'started', 'paused') order by run_id desc limit 1
"""
_LAST_END = "select max(ended_at) from singularity_workflow.runs where ended_at > %s"


def measure(dsn: str, load: Load) -> Measurement:
    """Measure single runs and chains in turn, in all rounds."""
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    kinds = (
        (single, load.worker_runs, 1, "workers_single_runs_per_s_2p"),
        (chain, load.worker_chains, CHAIN_STEPS, "workers_chains_steps_per_s_2p"),
    )
    async with AsyncEngine(dsn) as engine:
        with Crew(dsn, PROCESSES) as crew, observer(dsn) as connection:
            run = partial(drain, engine, crew, connection)
            for events in EVENTS:
                for workflow, _, _, _ in kinds:
                    await run(workflow, _WARM_UP, events=events)
                    found.runs += _WARM_UP
            for events in in_turn(load.rounds, EVENTS):
                for workflow, count, steps, name in kinds:
                    seconds = await run(workflow, count, events=events)
                    found.add(figure_with(events, name), count * steps / seconds)
                    found.runs += count
    for workflow, _, steps, _ in kinds:
        check_outputs(dsn, workflow.name, steps)
    return found


def observer(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to look at the tables, by their indexes."""
    return psycopg.connect(dsn, autocommit=True, options="-c enable_seqscan=off")


async def drain(
    engine: AsyncEngine,
    crew: Crew,
    connection: psycopg.Connection[tuple[Any, ...]],
    workflow: Workflow,
    count: int,
    *,
    events: bool = False,
) -> float:
    """
    Start runs, then let a crew run them, and rest.

    Args:
        engine: Starts them.
        crew: Rests now.
        connection: An `observer`.
        workflow: What is run.
        count: How often.
        events: Whether with all events, or without any.

    Returns:
        The seconds from the crew's beginning to the end of the last run.
    """
    await engine.start_many(
        workflow, range(count), execution="distributed", notify_events=events
    )
    return wait_for_ends(crew, connection)


def wait_for_ends(crew: Crew, connection: psycopg.Connection[tuple[Any, ...]]) -> float:
    """Let a crew run what is there, and rest; the seconds to the last end."""
    began = now(connection)
    crew.begin()
    seconds = seconds_to_last_end(connection, began)
    crew.rest()
    return seconds


def now(connection: psycopg.Connection[tuple[Any, ...]]) -> datetime:
    """Return the time by the clock of the server."""
    moment: datetime = _value(connection, "select clock_timestamp()")
    return moment


def seconds_to_last_end(
    connection: psycopg.Connection[tuple[Any, ...]], began: datetime
) -> float:
    """Wait until all runs have ended; the seconds from *began* to the last end."""
    give_up_at = time.monotonic() + _LONGEST_DRAIN
    while connection.execute(_AN_OPEN_RUN).fetchone() is not None:
        if time.monotonic() > give_up_at:
            raise WrongResult("runs hang: their workers did not end them")
        time.sleep(_PAUSE)
    ended: datetime = _value(connection, _LAST_END, began)
    return (ended - began).total_seconds()


def _value(
    connection: psycopg.Connection[tuple[Any, ...]], query: Any, *parameters: object
) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]
