"""
Measure what takes long, print the tables, and write the figures where they are wanted.

    python -m benchmarks.endurance                      all of it, about half an hour
    python -m benchmarks.endurance --only history --history 100000
    python -m benchmarks.endurance --markdown FILE      also into a document

The server is an embedded one with a home of its own, which is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.__main__ import make_report, read_context, say
from benchmarks.apart import WrongResult, check_runs
from benchmarks.bars import ENDURANCE_BARS
from benchmarks.endurance import history, snapshot, sustained
from benchmarks.endurance.history import HistoryLoad
from benchmarks.endurance.outcome import (
    WINDOW_HEADER,
    Outcome,
    Window,
    window_cells,
)
from benchmarks.plan import Samples
from benchmarks.rows import ENDURANCE_ROWS
from benchmarks.servers import BenchServer, open_server
from benchmarks.tables import replace_between_markers, to_markdown, to_text

MARKER = "benchmark-endurance"
PARTS = ("history", "sustained", "snapshot")


def main() -> int:
    """Do what the command line says."""
    options = read_arguments()
    load = HistoryLoad(runs=options.history)
    if options.rounds:
        load = HistoryLoad(runs=options.history, rounds=options.rounds)
    loads = {
        "history": asdict(load),
        "sustained_seconds": options.sustained,
        "snapshot_seconds": options.snapshot,
    }
    try:
        with open_server(options.dsn) as server:
            context = read_context(
                server.dsn, "endurance", loads, is_embedded=options.dsn is None
            )
            samples, windows = measure_all(server, load, options)
    except WrongResult as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130

    report = make_report(samples, context, bars=ENDURANCE_BARS, rows=ENDURANCE_ROWS)
    cells = window_cells(windows)
    print(report.to_text())
    if cells:
        print(f"\n{to_text(WINDOW_HEADER, cells)}")
    if options.json is not None:
        everything = {
            **report.to_json(),
            "windows": [asdict(window) for window in windows],
        }
        options.json.write_text(f"{json.dumps(everything, indent=2)}\n", "utf-8")
    if options.markdown is not None:
        text = report.to_markdown()
        if cells:
            text += f"\n\n{to_markdown(WINDOW_HEADER, cells)}"
        replace_between_markers(options.markdown, MARKER, text)
    return 0


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dsn", help="a server on which databases may be created")
    parser.add_argument(
        "--history", type=int, default=1_000_000, metavar="N",
        help="completed runs in the tables (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="rounds with the history")
    parser.add_argument(
        "--sustained", type=float, default=600.0, metavar="SECONDS",
        help="how long the load goes on, in ten windows (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--snapshot", type=float, default=300.0, metavar="SECONDS",
        help="how long a snapshot is held (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure these"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all there is")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help=f"write the tables between <!-- {MARKER} --> and <!-- /{MARKER} -->",
    )
    options = parser.parse_args(arguments)
    if min(options.history, options.sustained, options.snapshot) <= 0:
        parser.error("--history, --sustained and --snapshot must be above 0")
    return options


def measure_all(
    server: BenchServer, load: HistoryLoad, options: argparse.Namespace
) -> tuple[Samples, list[Window]]:
    """Measure some parts, each in fresh databases, and check what they left."""
    samples: Samples = {}
    windows: list[Window] = []
    if "history" in options.only:
        say(f"{load.runs:,} completed runs, and none")
        empty = server.fresh_database("empty")
        full = server.fresh_database("history")
        samples |= history.measure(empty, full, load).samples
    steady = (
        ("sustained", partial(sustained.measure, seconds=options.sustained)),
        ("snapshot", partial(snapshot.measure, seconds=options.snapshot)),
    )
    for part, measure in steady:
        if part in options.only:
            say(part)
            database = server.fresh_database(part)
            outcome: Outcome = measure(database)
            check_runs(database, outcome.found.runs)
            samples |= outcome.found.samples
            windows += outcome.windows
    return samples, windows


if __name__ == "__main__":
    sys.exit(main())
