"""
Listen to what happens to runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from singularity_workflow.engine.arguments import read_words
from singularity_workflow.engine.messages import read_after
from singularity_workflow.errors import ConfigurationError, InvalidSetting
from singularity_workflow.model.event_types import ENDS_OF_RUNS, check_wanted_type
from singularity_workflow.model.events import EVENT_QUEUE, Event
from singularity_workflow.model.positions import START, Position
from singularity_workflow.model.workflow import Workflow
from singularity_workflow.notifications.callbacks import call_with_each
from singularity_workflow.notifications.event_source import EventSource
from singularity_workflow.notifications.inbox import Inbox
from singularity_workflow.notifications.subscription import Subscription

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session

__all__ = [
    "listen_to_events",
    "listen_to_run",
    "listen_to_some",
    "read_events_of",
    "read_state",
]

_PAGE: Final = 500


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

    async def check() -> Position | None:
        if await read_state(session, run_id):
            # its last event may have been removed, and nothing more comes
            inbox.finish_when_caught_up()
        return start

    return _subscribe(session, inbox, start, check)


async def read_state(session: Session, run_id: UUID) -> bool:
    """
    Tell whether a run has ended.

    Raises:
        RunNotFound: There is no such run.
        ConfigurationError: It stores no events.
    """
    state = await session.store.events.read_run(run_id)
    if not state["level"]:
        raise ConfigurationError(
            f"run {run_id} stores no events",
            hint="Start it with notify_events=True, or 'run'.",
        )
    return bool(state["ended"])


def listen_to_some(
    session: Session,
    *,
    accepts: Callable[[Event], bool],
    is_last: Callable[[Event], bool] | None = None,
    begins: Callable[[Inbox], Awaitable[Position | None]] | None = None,
    after: str | None = None,
    callback: Callable[[Event], object] | None = None,
) -> Subscription[Event]:
    """
    Return a subscription of the events that somebody wants.

    Args:
        session: Of the engine.
        accepts: Tells which.
        is_last: Tells the one after which there is nothing more.
        begins: Called when it opens; returns where to begin.
        after: The cursor of the last event that was dealt with.
        callback: Called with each event, as of `Notifications.listen`.

    Raises:
        InvalidSetting: If the cursor is none, or the callback no function.
    """
    start = read_after(after)
    if callback is not None and not callable(callback):
        raise InvalidSetting(f"callback must be a function, got {callback!r}")
    inbox = Inbox(EVENT_QUEUE, accepts=accepts, is_last=is_last)

    async def check() -> Position | None:
        first = None if begins is None else await begins(inbox)
        return start or first

    async def then() -> None:
        if callback is not None:
            session.keep(call_with_each(subscription, callback))

    subscription = _subscribe(session, inbox, start, check, then)
    return subscription


async def read_events_of(
    session: Session, runs: Sequence[UUID]
) -> AsyncIterator[Event]:
    """Yield what is stored of some runs, in order."""
    source = EventSource(session.store)
    start = START
    while True:
        page = await source.read(start, _PAGE, runs=[str(run) for run in runs])
        for row in page.rows:
            for placed in source.expand(row, page.horizon):
                yield placed.item
        if page.is_last or not page.rows:
            return
        last = page.rows[-1]
        assert last.pos is not None
        start = Position(last.pos, last.id).behind


def _subscribe(
    session: Session,
    inbox: Inbox,
    start: Position | None,
    check: Callable[[], Awaitable[Position | None]] | None = None,
    then: Callable[[], Awaitable[None]] | None = None,
) -> Subscription[Event]:
    source = EventSource(session.store)

    async def opens() -> None:
        first = start if check is None else await check()
        await session.feeds.add(inbox, source, first)
        if then is not None:
            await then()

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
