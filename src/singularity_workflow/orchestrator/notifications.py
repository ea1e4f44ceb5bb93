"""
Hear what happens to goals, and tell others.

It is the engine's one event stream that is listened to: here is only what picks out of
it what is about goals, and the runs that a goal has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, overload
from uuid import UUID

from singularity_workflow.engine.arguments import read_bounded, read_words
from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.engine import Engine
from singularity_workflow.engine.event_listening import (
    listen_to_some,
    read_events_of,
    read_state,
)
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.event_types import (
    ENDS_OF_RUNS,
    EVENT_TYPES,
    GOAL_EVENTS,
    check_event_type,
    check_wanted_type,
)
from singularity_workflow.model.events import EVENT_QUEUE, Event
from singularity_workflow.model.positions import START, Position
from singularity_workflow.notifications.subscription import Subscription
from singularity_workflow.orchestrator.results import to_goal_run
from singularity_workflow.orchestrator.settings import GOAL_TAG

if TYPE_CHECKING:
    from singularity_workflow.engine.session import Session
    from singularity_workflow.notifications.inbox import Inbox
    from singularity_workflow.orchestrator.sync import SyncOrchestratorNotifications

__all__ = ["OrchestratorNotifications"]

_BROADCAST: Final = "broadcast_to"
"""The member of what is broadcast that says which goal it is about."""

_ALL_GOALS: Final = UUID(int=0)
_MOST: Final = 1_000


class OrchestratorNotifications:
    """
    Listen to goals, look at what happened last, and tell everybody something.

    Args:
        engine: A connected `AsyncEngine`. With an `Engine` this makes a
            `SyncOrchestratorNotifications`, whose methods block.

    .. versionadded:: 0.1
    """

    @overload
    def __new__(cls, engine: AsyncEngine) -> OrchestratorNotifications: ...

    @overload
    def __new__(  # type: ignore[misc]
        cls, engine: Engine
    ) -> SyncOrchestratorNotifications: ...

    def __new__(  # type: ignore[misc]
        cls, engine: AsyncEngine | Engine
    ) -> OrchestratorNotifications | SyncOrchestratorNotifications:
        """Return what fits the engine."""
        if isinstance(engine, Engine):
            # which imports this module
            from singularity_workflow.orchestrator.sync import (  # noqa: PLC0415
                SyncOrchestratorNotifications,
            )

            return SyncOrchestratorNotifications(engine)
        if not isinstance(engine, AsyncEngine):
            raise InvalidSetting(
                f"OrchestratorNotifications need an engine, got {type(engine).__name__}"
            )
        return super().__new__(cls)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def listen(
        self,
        goal: object = None,
        callback: Callable[[Event], object] | None = None,
        *,
        types: Iterable[str] | str | None = None,
        after: str | None = None,
    ) -> Subscription[Event]:
        """
        Listen to one goal, or to all of them.

        Args:
            goal: A `GoalHandle`, or the id of a goal's run. Then it is all that is
                stored of this run and of its child runs, from the beginning to the end,
                after which the subscription ends by itself. Without a goal: what is
                told of goals, `goal_*` and `plan_revised`, of all of them from now on.
                Either way with what is broadcast.
            callback: Called with each event, as of `Notifications.listen`.
            types: Only events of these types: the engine's, and what is broadcast or
                emitted, of any word in snake_case.
            after: The cursor of the last event that was dealt with.

        Raises:
            InvalidSetting: If an argument cannot work.

        Opening it raises `RunNotFound` if there is no such run, and
        `ConfigurationError` if it stores no events.
        """
        wanted = _read_types(types)
        if goal is None:
            return listen_to_some(
                self._session,
                accepts=lambda event: _is_of_goals(event) and _fits(event, wanted),
                after=after,
                callback=callback,
            )
        scope = _Scope(to_goal_run(goal))

        async def begin(inbox: Inbox) -> Position | None:
            if await read_state(self._session, scope.root):
                inbox.finish_when_caught_up()
            if after is not None:
                scope.runs.update(await self._descendants(scope.root))
            return await self._first_position(scope.root)

        return listen_to_some(
            self._session,
            accepts=lambda event: scope.accepts(event) and scope.passes(event, wanted),
            is_last=scope.is_last,
            begins=begin,
            after=after,
            callback=callback,
        )

    async def unlisten(self, subscription: Subscription[Any]) -> None:
        """End a subscription; twice is fine."""
        await self._engine.notifications.unlisten(subscription)

    async def get_recent_events(
        self,
        goal: object = None,
        *,
        types: Iterable[str] | str | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """
        Return what happened last, the newest event at the end.

        Args:
            goal: As of `listen`; without it, the latest `limit` goals are looked at.
            types: Only events of these types: the engine's, and what is broadcast or
                emitted, of any word in snake_case.
            limit: The most events; from 1 to 1,000.

        Raises:
            InvalidSetting: If an argument cannot work.
            RunNotFound: There is no such run.
            ConfigurationError: It stores no events.
        """
        wanted = _read_types(types)
        most = read_bounded("limit", limit, 1, _MOST) or _MOST
        if goal is not None:
            root = to_goal_run(goal)
            await read_state(self._session, root)
            runs = [root, *await self._descendants(root), _ALL_GOALS]
        else:
            page = await self._engine.list_workflow_runs(tags=[GOAL_TAG], limit=most)
            runs = [*(run.id for run in page), _ALL_GOALS]
        found: deque[Event] = deque(maxlen=most)
        async for event in read_events_of(self._session, runs):
            is_in_scope = goal is not None or _is_of_goals(event)
            if is_in_scope and _fits(event, wanted):
                found.append(event)
        return list(found)

    async def broadcast(
        self, type: str, payload: object = None, *, goal: object = None
    ) -> int:
        """
        Tell all who listen to goals, or to one of them, an event of the application.

        It is stored with the engine's events, and stays as long.

        Args:
            type: Such as `budget_raised`: a word in snake_case, none of the engine's.
            payload: Anything that is JSON; it is the event's `data["data"]`.
            goal: As of `listen`: only who listens to this goal, or to all, is told.

        Returns:
            The id of its message in the queue `workflow_events`.

        Raises:
            InvalidSetting: If an argument cannot work.
        """
        check_event_type(type)
        root = _ALL_GOALS if goal is None else to_goal_run(goal)
        told = None if goal is None else str(root)
        return await self._engine.notifications.send_with_notify(
            EVENT_QUEUE,
            {"type": type, _BROADCAST: told, "data": payload},
            headers={"run": str(root)},
        )

    async def _descendants(self, root: UUID) -> list[UUID]:
        """Return the runs below a run, as far as they have begun."""
        found: list[UUID] = []
        waiting = [root]
        while waiting:
            parent, cursor = waiting.pop(), None
            while True:
                page = await self._engine.list_workflow_runs(
                    parent=parent, limit=_MOST, cursor=cursor
                )
                found += [run.id for run in page]
                waiting += [run.id for run in page]
                cursor = page.next_cursor
                if cursor is None:
                    break
        return found

    async def _first_position(self, root: UUID) -> Position:
        """Return where a run's first event is, or the beginning."""
        page = await self._session.store.events.read(
            START, limit=1, runs=[root], bare=True
        )
        for row in page.rows:
            if row.pos is not None:
                return Position(row.pos, row.id)
        return START

    @property
    def _session(self) -> Session:
        return self._engine.session

    def __repr__(self) -> str:
        return f"<OrchestratorNotifications of {self._engine!r}>"


class _Scope:
    """The runs of one goal, as they become known."""

    def __init__(self, root: UUID) -> None:
        self.root = root
        self.runs = {root}

    def accepts(self, event: Event) -> bool:
        """Tell whether an event is about the goal; child runs are from their start."""
        if event.run_id is None:
            return _BROADCAST in event.data and (
                event.data[_BROADCAST] in (None, str(self.root))
            )
        if event.run_id in self.runs:
            return True
        if event.type != "workflow_started" or not event.data.get("parent_run_id"):
            return False
        if UUID(event.data["parent_run_id"]) not in self.runs:
            return False
        self.runs.add(event.run_id)
        return True

    def passes(self, event: Event, wanted: frozenset[str]) -> bool:
        """Tell whether it is wanted; the end is, whatever else is."""
        return _fits(event, wanted) or self.is_last(event)

    def is_last(self, event: Event) -> bool:
        """Tell whether nothing more comes."""
        return event.run_id == self.root and event.type in ENDS_OF_RUNS


def _is_of_goals(event: Event) -> bool:
    return event.type in GOAL_EVENTS or (
        event.run_id is None and _BROADCAST in event.data
    )


def _fits(event: Event, wanted: frozenset[str]) -> bool:
    return not wanted or event.type in wanted


def _read_types(types: Iterable[str] | str | None) -> frozenset[str]:
    """
    Return the types that are asked for.

    Raises:
        InvalidSetting: If one is neither of the engine nor what may be broadcast.
    """
    words = [types] if isinstance(types, str) else types
    wanted = frozenset(read_words("types", words))
    for word in wanted:
        if word not in EVENT_TYPES:
            check_wanted_type(word)
            check_event_type(word)
    return wanted
