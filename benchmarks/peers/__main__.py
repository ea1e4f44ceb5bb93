"""
Measure DBOS and PgQueuer, and ourselves in the same session, on one server.

    python -m benchmarks.peers                       in the peers' environment
    python -m benchmarks.peers --quick --json FILE   small loads: a try, not a figure

Each library has a process and a database of its own, one after the other; figures are
medians over the rounds. Our own rows come between the peers', measured by
`python -m benchmarks` in the project's environment. Without --dsn that environment
starts an embedded server too.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, server_settings, server_version, versions
from benchmarks.peers import dbos_chains, ours, pgqueuer_jobs
from benchmarks.peers.dbos_chains import DbosLoad
from benchmarks.peers.measuring import measured_dbos, measured_pgqueuer
from benchmarks.peers.pgqueuer_jobs import PgqueuerLoad
from benchmarks.peers.report import comparison_markdown, comparison_text, judgement
from benchmarks.tables import replace_between_markers

MARKER = "benchmark-peers"
PACKAGES = ("dbos", "pgqueuer", "asyncpg", "psycopg", "SQLAlchemy", "uvloop")
LIBRARIES = ("dbos", "ours", "pgqueuer")


def main() -> int:
    """Measure, print, write."""
    options = read_arguments()
    try:
        with ours.serving(options.python, options.dsn) as dsn:
            report = measure(dsn, options)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    report["bars"] = judgement(report)
    print(comparison_text(report))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if options.markdown is not None:
        replace_between_markers(options.markdown, MARKER, comparison_markdown(report))
    return 0


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dsn", help="a server on which databases may be created")
    parser.add_argument("--quick", action="store_true", help="small loads")
    parser.add_argument(
        "--only", nargs="+", choices=LIBRARIES, default=LIBRARIES, help="measure these"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all there is")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help=f"write the table between <!-- {MARKER} --> and <!-- /{MARKER} -->",
    )
    parser.add_argument(
        "--python",
        type=Path,
        default=ours.PYTHON,
        help="an interpreter that has our library (default: %(default)s)",
    )
    return parser.parse_args()


def measure(dsn: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for; the figures, and what they were taken with."""
    settings: dict[str, Any] = {
        "load": "quick" if options.quick else "full",
        "server": server_settings(dsn),
    }
    report: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": {**versions(PACKAGES), "postgresql": server_version(dsn)},
        "settings": settings,
    }
    if "dbos" in options.only:
        load = dbos_load(options)
        say("DBOS")
        report |= measured_dbos(dsn, load)
        settings["dbos"] = dbos_chains.settings(load)
    if "ours" in options.only:
        say("singularity-workflow")
        add_ours(
            report, ours.measured_rows(options.python, dsn, is_quick=options.quick)
        )
    if "pgqueuer" in options.only:
        jobs = pgqueuer_load(options)
        say("PgQueuer")
        report |= measured_pgqueuer(dsn, jobs)
        settings["pgqueuer"] = pgqueuer_jobs.settings(jobs)
    return report


def add_ours(report: dict[str, Any], rows: dict[str, Any]) -> None:
    """Put our figures beside the peers', and what they were taken with."""
    report |= {name: value for name, value in rows.items() if isinstance(value, float)}
    report["settings"]["singularity-workflow"] = rows["settings"]
    report["versions"]["singularity-workflow"] = rows["versions"][
        "singularity-workflow"
    ]


def dbos_load(options: argparse.Namespace) -> DbosLoad:
    """Size the DBOS rounds."""
    chains = 20 if options.quick else 200
    return DbosLoad(
        chains=chains,
        runs=chains,
        latency_chains=5 if options.quick else 20,
        rounds=options.rounds,
    )


def pgqueuer_load(options: argparse.Namespace) -> PgqueuerLoad:
    """Size the PgQueuer rounds."""
    jobs = 3_000 if options.quick else 10_000
    return PgqueuerLoad(jobs=jobs, rounds=options.rounds)


def say(what: str) -> None:
    """Tell what is measured now, away from the table."""
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
