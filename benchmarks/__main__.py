"""
Measure, print one table, and write the figures where they are wanted.

    python -m benchmarks                         all of it, some twenty minutes
    python -m benchmarks --quick --json FILE     a try, in a minute or two
    python -m benchmarks --dsn DSN               on a server of yours
    python -m benchmarks --markdown FILE         also into a document

The server is an embedded one with a home of its own, which is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.apart import WrongResult
from benchmarks.bars import BARS, Bar, judge
from benchmarks.loads import FULL, QUICK
from benchmarks.machine import machine, server_settings, server_version, versions
from benchmarks.plan import PARTS, Samples, measure_all
from benchmarks.report import Report
from benchmarks.rows import ROWS, Row
from benchmarks.servers import open_server
from benchmarks.tables import replace_between_markers
from singularity_workflow.engine.settings import (
    DEFAULT_CONCURRENCY,
    DEFAULT_LEASE,
    DEFAULT_POOL_SIZE,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKER = "benchmark"


def main() -> int:
    """Do what the command line says."""
    options = read_arguments()
    load = QUICK if options.quick else FULL
    if options.rounds:
        load = load.with_rounds(options.rounds)
    try:
        with open_server(options.dsn) as server:
            context = read_context(
                server.dsn,
                "quick" if options.quick else "full",
                load.to_dict(),
                is_embedded=options.dsn is None,
            )
            samples = measure_all(server, load, options.only, say)
    except WrongResult as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    report = make_report(samples, context)
    print(report.to_text())
    if options.json is not None:
        text = json.dumps(report.to_json(), indent=2)
        options.json.write_text(f"{text}\n", "utf-8")
    if options.markdown is not None:
        replace_between_markers(options.markdown, MARKER, report.to_markdown())
    return 0


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dsn", help="a server on which databases may be created")
    parser.add_argument("--quick", action="store_true", help="small loads")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure these"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all there is")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help=f"write the table between <!-- {MARKER} --> and <!-- /{MARKER} -->",
    )
    return parser.parse_args(arguments)


def read_context(
    dsn: str, load: str, loads: dict[str, object], *, is_embedded: bool
) -> dict[str, object]:
    """Return what the figures mean nothing without; *load* has a name and *loads*."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": {**versions(), "postgresql": server_version(dsn)},
        "settings": {
            "load": load,
            "loads": loads,
            "server": server_settings(dsn),
            "is_embedded": is_embedded,
            "engine": {
                "concurrency": DEFAULT_CONCURRENCY,
                "pool_size": DEFAULT_POOL_SIZE,
                "lease": DEFAULT_LEASE,
            },
        },
    }


def make_report(
    samples: Samples,
    context: dict[str, object],
    *,
    bars: tuple[Bar, ...] = BARS,
    rows: tuple[Row, ...] = ROWS,
) -> Report:
    """Take the medians, and judge them."""
    figures = {
        name: float(f"{statistics.median(values):.5g}")
        for name, values in samples.items()
    }
    return Report(
        figures=figures,
        samples=samples,
        verdicts=judge(figures, bars),
        context=context,
        rows=rows,
    )


def say(what: str) -> None:
    """Tell what is measured now, away from the table."""
    print(f"measuring: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
