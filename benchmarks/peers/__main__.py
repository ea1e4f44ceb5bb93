"""Measure the peers on one PostgreSQL server, print a table and write the figures as JSON.

Each peer runs in a process and a database of its own, one after the other; the
database is created before and dropped after.  Figures are medians over the rounds.

    python -m benchmarks.peers --dsn postgresql://postgres@localhost/postgres --json peers.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from benchmarks.peers import dbos_chains, pgqueuer_jobs
from benchmarks.peers.databases import server_settings, temporary_database
from benchmarks.peers.dbos_chains import DbosLoad
from benchmarks.peers.pgqueuer_jobs import PgqueuerLoad

PACKAGES = ("dbos", "pgqueuer", "asyncpg", "psycopg", "SQLAlchemy", "uvloop")
PEERS = ("dbos", "pgqueuer")
ROUNDS = 3

Load = TypeVar("Load")
Figures = TypeVar("Figures")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__
    )
    parser.add_argument(
        "--dsn", required=True, help="a server on which databases may be created"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures here"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small loads: a try, not a figure"
    )
    parser.add_argument("--only", choices=PEERS, help="measure one peer")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="default: %(default)s"
    )
    parser.add_argument(
        "--chains", type=int, help="DBOS: workflows at once (200; quick: 20)"
    )
    parser.add_argument(
        "--jobs", type=int, help="PgQueuer: jobs a round (10000; quick: 1000)"
    )
    return parser.parse_args()


def dbos_load(options: argparse.Namespace) -> DbosLoad:
    """Size the DBOS rounds."""
    chains = options.chains or (20 if options.quick else 200)
    return DbosLoad(
        chains=chains,
        runs=chains,
        latency_chains=5 if options.quick else 20,
        rounds=options.rounds,
    )


def pgqueuer_load(options: argparse.Namespace) -> PgqueuerLoad:
    """Size the PgQueuer rounds."""
    return PgqueuerLoad(
        jobs=options.jobs or (1_000 if options.quick else 10_000), rounds=options.rounds
    )


def measured_apart(
    dsn: str, label: str, measure: Callable[[str, Load], Figures], load: Load
) -> Figures:
    """Run ``measure`` in a fresh process and a fresh database."""
    fresh = multiprocessing.get_context("spawn")
    with (
        temporary_database(dsn, label) as url,
        ProcessPoolExecutor(1, mp_context=fresh) as pool,
    ):
        return pool.submit(measure, url, load).result()


def measured_dbos(dsn: str, load: DbosLoad) -> dict[str, float]:
    """Measure DBOS; its figures under the names of the report."""
    figures = measured_apart(dsn, "dbos", dbos_chains.measure, load)
    return {
        "dbos_chains_steps_per_s": round(figures.steps_per_s, 1),
        "dbos_chain10_ms_p50": round(figures.chain10_ms, 2),
        "dbos_single_runs_per_s": round(figures.single_runs_per_s, 1),
    }


def measured_pgqueuer(dsn: str, load: PgqueuerLoad) -> dict[str, float]:
    """Measure PgQueuer; its figures under the names of the report."""
    figures = measured_apart(dsn, "pgqueuer", pgqueuer_jobs.measure, load)
    return {
        "pgqueuer_jobs_per_s": round(figures.jobs_per_s, 1),
        "pgqueuer_drain_jobs_per_s": round(figures.drain_jobs_per_s, 1),
    }


def versions() -> dict[str, str]:
    """Versions of everything that took part on this side of the connection."""
    found = {name.lower(): version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def print_table(figures: dict[str, float], found: dict[str, str]) -> None:
    """Print the figures, one a line."""
    width = max(len(name) for name in figures)
    print(
        f"dbos {found['dbos']}, pgqueuer {found['pgqueuer']}, Python {found['python']}"
    )
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:>10,.1f}")


def main() -> None:
    """Measure, print, write."""
    options = arguments()
    figures: dict[str, float] = {}
    settings: dict[str, object] = {
        "quick": options.quick,
        "postgresql": server_settings(options.dsn),
    }
    if options.only in (None, "dbos"):
        load = dbos_load(options)
        figures |= measured_dbos(options.dsn, load)
        settings["dbos"] = dbos_chains.settings(load)
    if options.only in (None, "pgqueuer"):
        jobs_load = pgqueuer_load(options)
        figures |= measured_pgqueuer(options.dsn, jobs_load)
        settings["pgqueuer"] = pgqueuer_jobs.settings(jobs_load)
    found = versions()
    print_table(figures, found)
    if options.json is not None:
        report = {**figures, "versions": found, "settings": settings}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
