"""
Read the command line, call one command, and turn its end into an exit code.

Exit codes: 0 done · 1 the library refused, the message says why · 2 the command line
is wrong · 3 what was asked about is not in order (`db status`) · 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from singularity_workflow.cli import db, worker
from singularity_workflow.errors import SingularityError
from singularity_workflow.version import library_version

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command and return its exit code.

    Args:
        arguments: What follows the program's name; by default of this process.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = asyncio.run(options.run(options))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SingularityError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="singularity-workflow",
        description="Durable workflows on PostgreSQL and pgmq.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {library_version()}"
    )
    nouns = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    db.add_commands(nouns)
    worker.add_commands(nouns)
    return parser
