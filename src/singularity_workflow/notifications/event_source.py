"""
The events of runs, which are rows of a queue that hold several each.
"""

from __future__ import annotations

from collections.abc import Sequence

from singularity_workflow.model.events import EVENT_QUEUE, events_of
from singularity_workflow.model.messages import Message
from singularity_workflow.model.positions import Placed, Position, make_cursor
from singularity_workflow.notifications.source import MessageSource
from singularity_workflow.store.messages import MessageStore
from singularity_workflow.store.pages import MessagePage, StoredMessage
from singularity_workflow.store.store import Store

__all__ = ["EventMessageSource", "EventSource"]


class EventSource:
    """
    The events of all runs.

    Args:
        store: Where they are.
    """

    # not the queue's name: whoever listens to the queue itself gets messages
    name = "events of runs"
    keeps_order = True

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self) -> str:
        """Make sure of the queue, which is there with the schema; return its name."""
        return await self._store.messages.open_queue(EVENT_QUEUE)

    async def read(
        self,
        start: Position,
        limit: int,
        *,
        positions: Sequence[int] | None = None,
        runs: Sequence[str] | None = None,
        bare: bool = False,
    ) -> MessagePage:
        """Return rows from a position on; each is of one run and call."""
        return await self._store.events.read(
            start, limit=limit, positions=positions, runs=runs, bare=bare
        )

    def expand(self, row: StoredMessage, horizon: int) -> Sequence[Placed]:
        """Return the events of a row, each with the id of its run as the key."""
        pos, number = row.pos, row.id
        assert pos is not None
        events = events_of(
            number,
            row.sent_at,
            row.payload,
            lambda part: make_cursor(Position(pos, number, part), horizon),
        )
        return [
            Placed(
                Position(pos, number, part),
                None if event.run_id is None else str(event.run_id),
                event,
            )
            for part, event in enumerate(events)
        ]


class EventMessageSource(MessageSource):
    """The same queue for those who listen to it by its name: an event is a message."""

    def __init__(self, store: MessageStore, queue: str) -> None:
        super().__init__(store, queue)
        self.keeps_order = True

    def expand(self, row: StoredMessage, horizon: int) -> Sequence[Placed]:
        """Return a message for each event of a row; they have the id of the row."""
        pos, number = row.pos, row.id
        assert pos is not None
        found = []
        events = events_of(
            number,
            row.sent_at,
            row.payload,
            lambda part: make_cursor(Position(pos, number, part), horizon),
        )
        for part, event in enumerate(events):
            payload = event.data
            if event.run_id is not None:
                payload = {
                    "type": event.type,
                    "run_id": str(event.run_id),
                    "workflow_id": event.workflow_id,
                    "at": event.at.isoformat(),
                    "seq": event.seq,
                    **event.data,
                }
            message = Message(
                id=number,
                queue=self.name,
                payload=payload,
                sent_at=row.sent_at,
                cursor=event.cursor,
                headers={},
            )
            found.append(Placed(Position(pos, number, part), None, message))
        return found
