"""Listeners to events whose connection is cut again and again."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from engine.support import make_workflow

from singularity_workflow import AsyncEngine

EVENTS = 10_000
CUTS = 50
STEPS = 10
RUNS = 240
LONG = 60.0

_CUT = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'singularity_workflow'
  and query ~ '^(select 1;|listen|unlisten)'
"""
_SEQS = """
select (q.msg_id << 16) + e.place - 1
from pgmq.q_workflow_events q
cross join jsonb_array_elements(q.message->'events') with ordinality e (event, place)
"""


@pytest.mark.timeout(150)
def test_every_listener_has_seen_every_event(database):
    """
    Though the listening connections are cut fifty times while ten thousand happen.
    """
    flow = make_workflow()
    flow.step(name="s0")(lambda: 0)
    for number in range(1, STEPS):
        flow.step(name=f"s{number}", depends_on=[f"s{number - 1}"])(lambda: 1)

    async def cut(is_over):
        count = 0
        async with await psycopg.AsyncConnection.connect(
            database, autocommit=True
        ) as cutter:
            while count < CUTS or not is_over.is_set():
                cursor = await cutter.execute(_CUT)
                count += len(await cursor.fetchall())
                await asyncio.sleep(0.06)
        return count

    async def take(listener):
        found = []
        ends = set()
        while len(ends) < RUNS:
            some = await listener.take(LONG, 1_000)
            found += [one.seq for one in some]
            ends |= {e.run_id for e in some if e.type == "workflow_completed"}
        return found

    async def main():
        is_over = asyncio.Event()
        async with AsyncEngine(database) as engine, AsyncEngine(database) as other:
            listeners = [await one.events() for one in (engine, other, other)]
            taking = [asyncio.create_task(take(one)) for one in listeners]
            cutting = asyncio.create_task(cut(is_over))
            for _ in range(4):
                await engine.execute_many(flow, [None] * (RUNS // 4))
            is_over.set()
            return await cutting, await asyncio.gather(*taking)

    async def bounded():
        async with asyncio.timeout(120):
            return await main()

    cuts, found = asyncio.run(bounded())
    with psycopg.connect(database) as connection:
        wanted = {seq for (seq,) in connection.execute(_SEQS)}
    assert cuts >= CUTS
    assert len(wanted) >= EVENTS
    for one in found:
        assert set(one) == wanted
