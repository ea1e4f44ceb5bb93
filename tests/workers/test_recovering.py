"""`recover` judges nobody while it cannot know who lives (S2)."""

from __future__ import annotations

import psycopg
import pytest
from engine.support import make_workflow, run, until
from fixtures.workbench import Db

from singularity_workflow import AsyncEngine
from workers.support import LEASE

pytestmark = pytest.mark.usefixtures("grown_server")

SILENT = """
update singularity_workflow.workers set heartbeat_at = heartbeat_at - interval '1 hour'
where worker_id = %s
"""
LOST = """
select lost_at is not null from singularity_workflow.workers where worker_id = %s
"""


@pytest.fixture
def flow():
    """A workflow of one step."""
    found = make_workflow()
    found.step(name="step")(lambda: 1)
    return found


@pytest.fixture
def orphan(dsn, flow):
    """A local run whose owner has been silent for an hour, and the owner."""

    def make():
        with Db.open(dsn) as db:
            owner = db.register_worker(lease=LEASE)
            found = db.start(flow.name, owner=owner)
            db.execute(SILENT, owner)
            return found.id, owner

    return make


def test_who_slept_itself_takes_nothing_before_a_lease_has_passed(
    dsn, flow, orphan, look
):
    """
    The others may have slept with it, as on a laptop.
    """

    async def main():
        async with AsyncEngine(dsn, lease=LEASE) as engine:
            await engine.execute(flow)
            worker = engine.session._worker
            with psycopg.connect(dsn) as connection:
                # no beat of its own comes through
                connection.execute(
                    "select from singularity_workflow.workers where worker_id = %s "
                    "for update",
                    (worker.worker_id,),
                )
                await until(lambda: not worker.may_judge, "it to know that it slept")
                run_id, owner = orphan()
                at_once = await engine.recover(flow, wait=False)
                is_lost = look.value(LOST, owner)
            later = await engine.recover(flow)
            return at_once, is_lost, [one.id for one in later], run_id

    at_once, is_lost, later, run_id = run(main)
    assert (at_once, is_lost) == ([], False)
    assert later == [run_id]


def test_who_did_not_sleep_takes_them_at_once(dsn, flow, orphan):
    """
    The lease of their owner has ended.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            await engine.register(flow)
            run_id, _ = orphan()
            (handle,) = await engine.recover(flow, wait=False)
            return handle.id == run_id, await handle.result(timeout=20)

    assert run(main) == (True, {"step": 1})
