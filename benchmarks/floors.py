"""
What PostgreSQL and pgmq cost without us: the floors of everything else.
"""

from __future__ import annotations

import statistics
import time

import psycopg

from benchmarks.apart import Measurement
from benchmarks.loads import Load

__all__ = ["measure"]

BATCH = 100
_VISIBILITY_TIMEOUT = 30


def measure(dsn: str, load: Load) -> Measurement:
    """
    Measure both floors once, on one connection.

    (e) is the median of inserting one row and committing; (f) is messages through
    pgmq's send_batch, read and delete, a hundred at a time, each call a transaction.
    """
    found = Measurement()
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as connection:
        found.add("commit_ms_p50", _commit_ms(connection, load.commits))
        found.add("raw_pgmq_msgs_per_s", _messages_per_s(connection, load.cycles))
    return found


def _commit_ms(connection: psycopg.Connection, commits: int) -> float:
    connection.execute(
        "create table if not exists public.floor "
        "(id bigint generated always as identity primary key, note text)"
    )
    insert = "insert into public.floor (note) values (%s)"
    for _ in range(commits // 10):
        connection.execute(insert, ("warm-up",))
    times = []
    for _ in range(commits):
        started = time.perf_counter()
        connection.execute(insert, ("a row",))
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1_000


def _messages_per_s(connection: psycopg.Connection, cycles: int) -> float:
    connection.execute("select pgmq.create('floor')")
    messages = [f'{{"n": {number}}}' for number in range(BATCH)]
    for _ in range(cycles // 10):
        _cycle(connection, messages)
    started = time.perf_counter()
    for _ in range(cycles):
        _cycle(connection, messages)
    seconds = time.perf_counter() - started
    # the next measurement must not wade through the dead rows of this one
    connection.execute("select pgmq.drop_queue('floor')")
    return cycles * BATCH / seconds


def _cycle(connection: psycopg.Connection, messages: list[str]) -> None:
    connection.execute("select pgmq.send_batch('floor', %s::jsonb[])", (messages,))
    read = connection.execute(
        "select * from pgmq.read('floor', %s::integer, %s::integer)",
        (_VISIBILITY_TIMEOUT, len(messages)),
    )
    ids = [message_id for message_id, *_ in read]  # whoever reads wants it all
    deleted = connection.execute(
        "select pgmq.delete('floor', %s::bigint[])", (ids,)
    ).fetchall()
    if len(deleted) != len(messages):
        raise RuntimeError(f"pgmq lost messages: {len(deleted)} of {len(messages)}")
