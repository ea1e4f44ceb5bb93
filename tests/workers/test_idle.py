"""What a worker costs that has nothing to do."""

from __future__ import annotations

import psycopg

from workers.support import eventually

COMMITS = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
CLOCK = "select extract(epoch from clock_timestamp())"
SECONDS = 10.0
QUERIES_A_SECOND = 2.0


def test_no_more_than_two_queries_a_second(dsn, look, start_worker, databases):
    """
    Heartbeat, timers, leases, adoption and polling together (issue 4).
    """
    name = look.value("select current_database()")
    start_worker(lease=15)

    # from another database, so that it counts nothing of ours
    with psycopg.connect(databases.server.dsn, autocommit=True) as monitor:

        def ask(query, *arguments):
            return monitor.execute(query, arguments or None).fetchone()[0]

        begun_at = float(ask(CLOCK))
        eventually(lambda: float(ask(CLOCK)) > begun_at + 3, "the start to be over")
        begun_at, before = float(ask(CLOCK)), ask(COMMITS, name)
        eventually(lambda: float(ask(CLOCK)) > begun_at + SECONDS, "some seconds")
        commits = ask(COMMITS, name) - before

    assert 0 < commits <= QUERIES_A_SECOND * SECONDS
