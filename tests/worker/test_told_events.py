"""What tasks tell: at once or with their outcome, in the context of none of them."""

from __future__ import annotations

import asyncio
import contextvars
from uuid import UUID

import orjson

from singularity_workflow import Context
from singularity_workflow.store.replies import TaskRef
from singularity_workflow.telemetry.fields import enter_task, task_fields
from singularity_workflow.worker.told_events import ToldEvents

RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Store:
    """Remembers to which task the code belonged that stored something."""

    def __init__(self):
        self.fields = asyncio.Queue()

    async def emit(self, batch):
        await self.fields.put(task_fields())
        return [], []


def test_events_are_not_stored_in_the_context_of_a_step():
    """
    Records and spans of that call would name the step that happened to tell first.
    """

    async def main():
        store = Store()
        told = ToldEvents(store, lambda _: None)
        told.start()

        def tell():
            enter_task(Context(RUN, "flow", "a", 0, 1), UUID(int=1))
            told.tell(TaskRef(str(RUN), 1, 0, 1), "seen", 1)

        contextvars.copy_context().run(tell)
        found = await asyncio.wait_for(store.fields.get(), 20)
        await told.close()
        return found

    assert asyncio.run(main()) == {}


TASK = TaskRef("01a20c24-93b3-7000-826d-b0b054f6d201", 0, 0, 1)


class Stored:
    """A store that keeps the types of what it is given."""

    def __init__(self):
        self.types = []
        self.was_called = asyncio.Event()

    async def emit(self, batch):
        """Keep the types."""
        for item in orjson.loads(batch):
            self.types += [event["type"] for event in item["events"]]
        self.was_called.set()
        return [], []


def test_what_is_true_with_the_outcome_only_waits_for_it():
    """
    It is stored by no call but that of the outcome, behind all that was told before.
    """

    async def main():
        store = Stored()
        told = ToldEvents(store, lambda positions: None)
        told.start()
        told.tell(TASK, "done", {}, is_last=True)
        told.tell(TASK, "news", {})
        async with asyncio.timeout(20):
            await store.was_called.wait()
        told.tell(TASK, "more", {})
        had_told = told.has_told(TASK)
        left = [event["type"] for event in await told.settle(TASK)]
        await told.close()
        return store.types, had_told, left, told.has_told(TASK)

    stored, had_told, left, has_told = asyncio.run(main())

    assert stored == ["news"]
    assert had_told
    assert left == ["more", "done"]
    assert not has_told


def test_what_nobody_reports_is_forgotten():
    """
    An attempt that is gone has no outcome.
    """
    told = ToldEvents(Stored(), lambda positions: None)
    told.tell(TASK, "done", {}, is_last=True)

    told.forget(TASK)

    assert not told.has_told(TASK)
