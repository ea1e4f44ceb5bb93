"""
The fixtures of these tests: a database, worker processes on it, and an engine.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chaos.server import OwnServer, own_server
from engine.support import Sql
from fixtures.fix_database import Databases, migrate_now
from fixtures.invariants import assert_invariants

from singularity_workflow import Engine
from workers.support import LEASE, Command, Look, Stage, eventually, forked, running


@pytest.fixture
def dsn(database: str) -> Iterator[str]:
    """A database of the test's own, whose invariants hold at the end."""
    yield database
    with psycopg.connect(database) as connection:
        assert_invariants(connection)


@pytest.fixture
def look(dsn: str) -> Look:
    """A look into the database, past the engine."""
    return Look(dsn)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Where steps meet the test."""
    folder = tmp_path / "stage"
    folder.mkdir()
    return Stage(folder)


@pytest.fixture
def start_worker(dsn: str, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """
    Start a worker in a process of its own, and kill it at the end.

    The function takes the name of a workflow in `workers.flows`, and further arguments
    of the command. It returns as soon as the worker serves.
    """
    with _starting(forked, dsn, tmp_path) as start:
        yield start


@pytest.fixture
def start_command(dsn: str, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start the command `worker` itself, as from a shell; see `start_worker`."""
    with _starting(running, dsn, tmp_path) as start:
        yield start


@contextmanager
def _starting(
    way: Callable[..., Any], dsn: str, folder: Path
) -> Iterator[Callable[..., Command]]:
    numbers = itertools.count()
    with ExitStack() as stack:

        def start(
            target: str = "WORKFLOWS",
            *arguments: str,
            lease: float = LEASE,
            is_awaited: bool = True,
            dsn: str = dsn,
            **environment: str,
        ) -> Command:
            log_file = folder / f"worker-{next(numbers)}.log"
            words = (target, "--lease", f"{lease:g}", *arguments)
            command = stack.enter_context(way(dsn, log_file, *words, **environment))
            if is_awaited:
                command.await_log("serves")
            return command

        yield start


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    """An engine that starts runs and waits for them, and runs none itself."""
    with Engine(dsn) as found:
        yield found


@pytest.fixture
def effects(dsn: str) -> Callable[[], list[str]]:
    """A table for the effects of steps; the function returns its keys."""
    sql = Sql(dsn)
    sql.rows("create table effects (key text not null)")
    return lambda: sql.rows("select key from effects order by key")


@pytest.fixture(scope="session")
def own() -> Iterator[OwnServer]:
    """
    A server of these tests alone: it may be crashed, and has few connections.

    It logs each statement.
    """
    with own_server(max_connections="30", log_statement="all") as server:
        yield server


@pytest.fixture
def own_dsn(own: OwnServer) -> Iterator[str]:
    """A migrated database on it, whose invariants hold at the end."""
    dsn = own.create_database(f"own_{uuid.uuid4().hex}")
    migrate_now(dsn)
    yield dsn
    with psycopg.connect(dsn) as connection:
        assert_invariants(connection)


@pytest.fixture(scope="session")
def grown_server(databases: Databases) -> None:
    """The server has run for longer than the shortest lease: somebody may be dead."""
    age = "select clock_timestamp() - pg_postmaster_start_time() > interval '1.1 s'"
    eventually(
        lambda: databases.connection.execute(age).fetchone()[0], "the server to grow"
    )
