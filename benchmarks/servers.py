"""
The server of a benchmark: an embedded one in a home of its own, or a given one.

A template is migrated once; every row gets a fresh clone of it. Nothing is dropped
before the end, for a drop forces a checkpoint on the row that is measured then.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from singularity_workflow import AsyncEngine
from singularity_workflow.store.embedded import acquire_server

__all__ = ["BenchServer", "embedded_server", "open_server"]


@dataclass(slots=True)
class BenchServer:
    """
    Where databases are made, and dropped at the end.

    Args:
        dsn: Of its maintenance database, as a role that may create databases.
        home: The home of the embedded server; None for another one.
    """

    dsn: str
    home: Path | None = None
    _template: str = ""
    _names: list[str] = field(default_factory=list)

    def fresh_database(self, label: str) -> str:
        """Clone the template, begin a checkpoint's interval, and return the DSN."""
        if not self._template:
            self._template = self._create("template", None)
            asyncio.run(_migrate(self._dsn_of(self._template)))
        name = self._create(label, self._template)
        return self._dsn_of(name)

    def drop_all(self) -> None:
        """Drop every database that was made."""
        for name in reversed(self._names):
            self._execute(sql.SQL("drop database if exists {} with (force)"), name)

    def _create(self, label: str, template: str | None) -> str:
        name = f"swf_bench_{label}_{uuid.uuid4().hex[:8]}"
        self._names.append(name)
        statement = sql.SQL("create database {} template {}")
        self._execute(statement, name, template or "template1")
        # each row pays for the checkpoints that it causes, not for its neighbours'
        with suppress(psycopg.errors.InsufficientPrivilege):
            self._execute(sql.SQL("checkpoint"))
        return name

    def _execute(self, statement: sql.SQL, *names: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.format(*map(sql.Identifier, names)))

    def _dsn_of(self, database: str) -> str:
        return make_conninfo(self.dsn, dbname=database)


@contextmanager
def open_server(dsn: str | None) -> Iterator[BenchServer]:
    """
    Serve a benchmark, and leave nothing behind.

    Args:
        dsn: A server that runs; None: start the embedded one.
    """
    if dsn is None:
        with embedded_server() as (embedded, home):
            yield BenchServer(embedded, home)
        return
    server = BenchServer(dsn)
    try:
        yield server
    finally:
        server.drop_all()


@contextmanager
def embedded_server() -> Iterator[tuple[str, Path]]:
    """Start an embedded server; its maintenance database's DSN, and its home."""
    with temporary_home() as home, acquire_server(home) as server:
        yield server.dsn_for("postgres"), home


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Make a folder on a real disk: /tmp is memory on many machines."""
    disk = Path("/var/tmp")
    parent = disk if disk.is_dir() else None
    home = Path(tempfile.mkdtemp(prefix="swf_bench_", dir=parent))
    # root runs the server as another user, who must be able to enter
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _migrate(dsn: str) -> None:
    async with AsyncEngine(dsn, migrate=True):
        pass
