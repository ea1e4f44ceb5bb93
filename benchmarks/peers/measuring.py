"""
Each peer in a process and a database of its own; the figures under their names.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from benchmarks.peers import dbos_chains, pgqueuer_jobs
from benchmarks.peers.databases import temporary_database
from benchmarks.peers.dbos_chains import DbosLoad
from benchmarks.peers.pgqueuer_jobs import PgqueuerLoad

__all__ = ["measured_dbos", "measured_pgqueuer"]

Load = TypeVar("Load")
Figures = TypeVar("Figures")


def measured_dbos(dsn: str, load: DbosLoad) -> dict[str, float]:
    """Measure DBOS."""
    figures = _measured_apart(dsn, "dbos", dbos_chains.measure, load)
    return {
        "dbos_chains_steps_per_s": round(figures.steps_per_s, 1),
        "dbos_chain10_ms_p50": round(figures.chain10_ms, 2),
        "dbos_single_runs_per_s": round(figures.single_runs_per_s, 1),
    }


def measured_pgqueuer(dsn: str, load: PgqueuerLoad) -> dict[str, float]:
    """Measure PgQueuer."""
    figures = _measured_apart(dsn, "pgqueuer", pgqueuer_jobs.measure, load)
    return {
        "pgqueuer_jobs_per_s": round(figures.jobs_per_s, 1),
        "pgqueuer_drain_jobs_per_s": round(figures.drain_jobs_per_s, 1),
    }


def _measured_apart(
    dsn: str, label: str, measure: Callable[[str, Load], Figures], load: Load
) -> Figures:
    """Run *measure* in a fresh process and a fresh database."""
    fresh = multiprocessing.get_context("spawn")
    with (
        temporary_database(dsn, label) as url,
        ProcessPoolExecutor(1, mp_context=fresh) as pool,
    ):
        return pool.submit(measure, url, load).result()
