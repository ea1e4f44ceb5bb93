"""
Listen to what happens to runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from singularity_workflow.engine.arguments import read_words
from singularity_workflow.engine.messages import read_after
from singularity_workflow.errors import ConfigurationError, InvalidSetting
from singularity_workflow.model.event_types import ENDS_OF_RUNS, check_wanted_type
from singularity_workflow.model.events import EVENT_QUEUE, Event
from singularity_workflow.model.positions import START, Position
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.notifications.event_source import EventSource
from singularity_workflow.notifications.inbox import Inbox
from singularity_workflow.notifications.subscription import Subscription

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session

__all__ = ["listen_to_events", "listen_to_run"]


def listen_to_events(
    session: Session,
    workflow: object,
    types: Iterable[str] | str | None,
    after: str | None,
) -> Subscription[Event]:
    """Return a subscription of the events of all runs; see `AsyncEngine.events`."""
    start = read_after(after)
    name = _read_workflow(workflow)
    words = [types] if isinstance(types, str) else types
    wanted = frozenset(read_words("types", words))
    for word in wanted:
        check_wanted_type(word)

    def accepts(event: Event) -> bool:
        return (name is None or event.workflow_id == name) and (
            not wanted or event.type in wanted
        )

    inbox = Inbox(EVENT_QUEUE, accepts=None if name is None and not wanted else accepts)
    return _subscribe(session, inbox, start)


def listen_to_run(
    session: Session, run_id: UUID, after: str | None
) -> Subscription[Event]:
    """Return a subscription of one run's events; see `RunHandle.events`."""
    start = read_after(after) or START
    inbox = Inbox(
        EVENT_QUEUE, key=str(run_id), is_last=lambda event: event.type in ENDS_OF_RUNS
    )

    async def check() -> None:
        state = await session.store.events.read_run(run_id)
        if not state["level"]:
            raise ConfigurationError(
                f"run {run_id} stores no events",
                hint="Start it with notify_events=True, or 'run'.",
            )
        if state["ended"]:
            # its last event may have been removed, and nothing more comes
            inbox.finish_when_caught_up()

    return _subscribe(session, inbox, start, check)


def _subscribe(
    session: Session, inbox: Inbox, start: Position | None, check: Any = None
) -> Subscription[Event]:
    source = EventSource(session.store)

    async def opens() -> None:
        if check is not None:
            await check()
        await session.feeds.add(inbox, source, start)

    async def closes() -> None:
        await session.feeds.remove(inbox, source)

    subscription: Subscription[Event]
    subscription = Subscription(inbox, opens=opens, closes=closes)
    return subscription


def _read_workflow(workflow: object) -> str | None:
    if workflow is None or isinstance(workflow, str):
        return workflow
    if isinstance(workflow, Workflow):
        return workflow.name
    raise InvalidSetting(
        f"workflow must be a Workflow or the name of one, got {workflow!r}"
    )
