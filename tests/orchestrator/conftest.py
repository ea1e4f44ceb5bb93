"""
Databases of the engine's tests: one that they share, and private ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from engine.support import Sql
from fixtures.invariants import assert_invariants

from singularity_workflow import Engine


@pytest.fixture(scope="session")
def dsn(clone_database) -> Iterator[str]:
    """
    A database that tests share: each has workflows of its own.

    Whatever the tests did, the invariants hold at the end.
    """
    with clone_database() as found:
        yield found
        with psycopg.connect(found) as connection:
            assert_invariants(connection)


@pytest.fixture(scope="session")
def engine(dsn: str) -> Iterator[Engine]:
    """An engine on the shared database, for tests that do not need their own."""
    with Engine(dsn) as found:
        yield found


@pytest.fixture
def private(database: str) -> Iterator[str]:
    """A database of the test's own, whose invariants hold at the end."""
    yield database
    with psycopg.connect(database) as connection:
        assert_invariants(connection)


@pytest.fixture
def sql(dsn: str) -> Sql:
    """Queries on the shared database."""
    return Sql(dsn)
