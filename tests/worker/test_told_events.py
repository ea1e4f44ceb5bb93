"""What tasks tell is stored for all of them, and belongs to none."""

from __future__ import annotations

import asyncio
import contextvars
from uuid import UUID

from singularity_workflow import Context
from singularity_workflow.store.replies import TaskRef
from singularity_workflow.telemetry.fields import enter_task, task_fields
from singularity_workflow.worker.told_events import ToldEvents

RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Store:
    """Remembers to which task the code belonged that stored something."""

    def __init__(self):
        self.fields = asyncio.Queue()

    async def emit(self, batch):  # noqa: ARG002
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
