"""Tasks that a worker died with come back one at a time, each on trial (S3)."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from engine.support import make_workflow, run, until
from fixtures.workbench import Db

from singularity_workflow import AsyncEngine, Worker
from singularity_workflow.worker import lost_lane

pytestmark = pytest.mark.usefixtures("grown_server")

COUNT = 5
FOREVER = 3600.0


@pytest.fixture
def db(dsn):
    """The SQL core, on the database of the test."""
    with Db.open(dsn) as found:
        yield found


class Elements:
    """A map whose elements wait until the test lets them go."""

    def __init__(self):
        self.flow = make_workflow()
        self.begun = []
        self.gates = [asyncio.Event() for _ in range(COUNT)]

        @self.flow.map
        async def element(item):
            self.begun.append(item)
            await self.gates[item].wait()
            return item

    async def start_and_lose(self, engine, db):
        """Start a run whose tasks a worker has, that dies with all of them."""
        handle = await engine.start(
            self.flow, list(range(COUNT)), execution="distributed"
        )
        worker = db.register_worker(uuid4(), lease=1)
        assert len(db.claim(worker=worker)) == COUNT
        db.execute(
            "update singularity_workflow.workers "
            "set heartbeat_at = heartbeat_at - interval '1 hour'"
        )
        assert db.call("reap_workers", db.register_worker())["queued"] == COUNT
        return handle

    def open(self, items=range(COUNT)):
        """Let some of them go."""
        for item in items:
            self.gates[item].set()


def test_one_that_runs_for_a_while_makes_room(dsn, db, monkeypatch):
    """
    They need not wait for each other's end, however long they run.
    """
    monkeypatch.setattr(lost_lane, "PROBATION", 0.05)
    elements = Elements()

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await elements.start_and_lose(engine, db)
            async with Worker(engine, elements.flow):
                await until(lambda: len(elements.begun) == COUNT, "all to begin")
                elements.open()
                return await handle.result(timeout=20)

    assert run(main) == {"element": list(range(COUNT))}
    assert len(elements.begun) == COUNT


def test_until_then_there_is_one_at_a_time(dsn, db, monkeypatch):
    """
    The next one begins when it has ended; new tasks do not wait.
    """
    monkeypatch.setattr(lost_lane, "PROBATION", FOREVER)
    elements, other = Elements(), make_workflow()
    other.step(name="other")(lambda: 1)

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await elements.start_and_lose(engine, db)
            async with Worker(engine, [elements.flow, other]):
                await until(lambda: elements.begun, "the first to begin")
                for _ in range(3):
                    await engine.execute(other, execution="distributed")
                at_once = len(elements.begun)
                elements.open(elements.begun)
                await until(lambda: len(elements.begun) > 1, "the second to begin")
                elements.open()
                return at_once, await handle.result(timeout=20)

    assert run(main) == (1, {"element": list(range(COUNT))})


def test_the_lane_is_taken_from_the_hand_over_on(monkeypatch):
    """
    The time begins with the run of the task, not while its code is looked for.
    """
    monkeypatch.setattr(lost_lane, "PROBATION", 0.0)
    task = lost_lane.TaskRef("run", 0, 0, 2)

    async def main():
        free = asyncio.Event()
        lane = lost_lane.LostLane(free.set)
        assert lane.is_free
        lane.enter(task)
        await asyncio.sleep(0)
        taken = (lane.is_free, free.is_set())
        lane.begin(task)
        await asyncio.wait_for(free.wait(), 20)
        return taken, lane.is_free

    assert run(main) == ((False, False), True)


def test_who_ends_before_leaves_at_once():
    """
    And only once: the end of the trial is called off.
    """
    task = lost_lane.TaskRef("run", 0, 0, 2)

    async def main():
        calls = []
        lane = lost_lane.LostLane(lambda: calls.append("free"))
        lane.enter(task)
        lane.begin(task)
        (trial,) = lane.on_trial.values()
        lane.leave(task)
        return calls, lane.is_free, trial.cancelled()

    assert run(main) == (["free"], True, True)
