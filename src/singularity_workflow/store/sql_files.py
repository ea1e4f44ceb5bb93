"""
The SQL that ships with the package, loaded once.

Owns how files below `sql/` are found and named. Their text goes to the server as it
is: nothing is put into it, so that no value can ever become code.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, LiteralString, cast

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["Migration", "SqlFunction", "functions", "migrations", "query"]

_MIGRATION = re.compile(r"(\d{4})_(pre|post)_(tx|online)_(\w+)\.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """
    One numbered file of `sql/migrations/`.

    Args:
        number: Its place in the order; applied numbers only grow.
        name: The file's name without `.sql`.
        is_online: Runs outside a transaction, because it must (an index built
            concurrently); the others run in one.
        text: What is sent to the server.
        checksum: Of the text; an applied file must never change.
    """

    number: int
    name: str
    is_online: bool
    text: LiteralString
    checksum: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlFunction:
    """One file of `sql/functions/`, re-applied whenever its checksum changes."""

    name: str
    text: LiteralString
    checksum: str


def _root() -> Traversable:
    return resources.files("singularity_workflow") / "sql"


def _read(file: Traversable) -> LiteralString:
    # the type says what this module guarantees: the text comes from the package
    return cast("LiteralString", file.read_text("utf-8"))  # type: ignore[redundant-cast]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations in order of number."""
    found = []
    for file in (_root() / "migrations").iterdir():
        if match := _MIGRATION.fullmatch(file.name):
            text = _read(file)
            found.append(
                Migration(
                    number=int(match[1]),
                    name=file.name.removesuffix(".sql"),
                    is_online=match[3] == "online",
                    text=text,
                    checksum=_checksum(text),
                )
            )
    return tuple(sorted(found, key=lambda m: m.number))


@cache
def functions() -> tuple[SqlFunction, ...]:
    """Return all functions, ordered by area and name."""
    found = []
    for area in (_root() / "functions").iterdir():
        for file in area.iterdir():
            if file.name.endswith(".sql"):
                text = _read(file)
                name = f"{area.name}/{file.name.removesuffix('.sql')}"
                found.append(
                    SqlFunction(name=name, text=text, checksum=_checksum(text))
                )
    return tuple(sorted(found, key=lambda f: f.name))


@cache
def query(name: str) -> LiteralString:
    """
    Return the text of one query.

    Args:
        name: Area and name, as in `tasks/report_tasks`.
    """
    return _read(_root() / "queries" / f"{name}.sql")
