"""
`db`: the schema of the database.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from singularity_workflow.engine.schema import read_schema, upgrade_schema

__all__ = ["add_commands"]

_NOT_IN_ORDER = 3


def add_commands(nouns: Any) -> None:
    """Add the commands to the parser."""
    parser = nouns.add_parser("db", help="the schema of the database")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    migrate = verbs.add_parser("migrate", help="bring the schema up to date")
    migrate.set_defaults(run=_migrate)
    status = verbs.add_parser(
        "status", help="say whether the schema is up to date (exit code 3 if not)"
    )
    status.set_defaults(run=_status)
    for one in (migrate, status):
        one.add_argument(
            "--dsn",
            help="address of the database; by default SINGULARITY_WORKFLOW_DATABASE_URL"
            ", DATABASE_URL, or the embedded server",
        )
        one.add_argument("--json", action="store_true", help="print JSON")


async def _migrate(options: argparse.Namespace) -> int:
    applied = await upgrade_schema(options.dsn)
    if options.json:
        _print(json.dumps({"applied": list(applied)}))
    elif applied:
        _print(f"applied {len(applied)} changes, the schema is up to date")
    else:
        _print("the schema is up to date")
    return 0


async def _status(options: argparse.Namespace) -> int:
    status = await read_schema(options.dsn)
    problem = status.problem
    if options.json:
        _print(
            json.dumps(
                {
                    "is_up_to_date": problem is None,
                    "pending": list(status.pending),
                    "problem": None if problem is None else problem.message,
                    "hint": None if problem is None else problem.hint,
                }
            )
        )
    else:
        _print("the schema is up to date" if problem is None else str(problem))
    return 0 if problem is None else _NOT_IN_ORDER


def _print(text: str) -> None:
    print(text)  # noqa: T201
