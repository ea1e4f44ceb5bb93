"""
(i) What a worker that has nothing to do asks of the server.

Statements are counted where the server counts them (pg_stat_statements), else its
transactions: outside a transactional step each of our statements is one. Those of
autovacuum, which comes once a minute, are counted too, so the median of three times is
the figure.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from benchmarks.apart import Measurement
from benchmarks.crew import Crew
from benchmarks.loads import Load

__all__ = ["measure"]

# an idle session tells of its transactions ten seconds late
_SETTLE = 12.0
_TIMES = 3
_OUR_READING = 1

_STATEMENTS = """
select sum(s.calls)::bigint
from pg_stat_statements s join pg_database d on d.oid = s.dbid
where s.toplevel and d.datname = current_database()
"""
_TRANSACTIONS = """
select xact_commit + xact_rollback from pg_stat_database
where datname = current_database()
"""


def measure(dsn: str, load: Load) -> Measurement:
    """Count for some seconds, some times."""
    found = Measurement()
    with (
        Crew(dsn, 1) as crew,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        query = _counter(connection)
        crew.begin()
        time.sleep(_SETTLE)
        before, began = _count(connection, query), time.monotonic()
        for _ in range(_TIMES):
            time.sleep(load.idle_seconds)
            after, ended = _count(connection, query), time.monotonic()
            queries = after - before - _OUR_READING
            found.add("idle_queries_per_s", queries / (ended - began))
            before, began = after, ended
        crew.rest()
    return found


def _counter(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """Return the query that counts best here."""
    try:
        connection.execute("create extension if not exists pg_stat_statements")
        connection.execute(_STATEMENTS)
    except psycopg.Error:
        return _TRANSACTIONS
    return _STATEMENTS


def _count(connection: psycopg.Connection[tuple[Any, ...]], query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
