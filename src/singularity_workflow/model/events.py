"""
An event as a reader gets it: one of those that a row of the event queue holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

__all__ = [
    "EVENT_QUEUE",
    "LEVELS",
    "Event",
    "events_of",
]

EVENT_QUEUE: Final = "workflow_events"
"""The queue that holds them."""

LEVELS: Final[Mapping[bool | str, str]] = {True: "all", "run": "run", False: "none"}
"""What `notify_events` may be, and what the database calls it."""

_PART_BITS: Final = 16
_HEAD: Final = frozenset({"type", "at"})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    Something that happened to a run, a step or a task.

    Args:
        type: What happened, such as `task_completed`.
        run_id: To which run; None only for what an application sent by itself.
        workflow_id: The name of its workflow.
        at: When.
        seq: Its number: of the events of one run, what comes later has a larger one.
            No two events have the same, so a reader can tell a repeat by it.
        cursor: Where to go on for whoever has dealt with this event. It misses
            nothing, and may get again what happened about the same time.
        data: What else there is to know, by name: see the page on events.
        lagged: Whether the listener was too slow before it, and has caught up from
            the database.

    .. versionadded:: 0.1
    """

    type: str
    run_id: UUID | None
    workflow_id: str | None
    at: datetime
    seq: int
    cursor: str
    data: Mapping[str, Any]
    lagged: bool = False

    @property
    def task_id(self) -> str | None:
        """The task, as `<run_id>/<step>/<index>`, if the event is about one."""
        return self.data.get("task_id")

    @property
    def step_name(self) -> str | None:
        """The step, if the event is about one or about a task of it."""
        return self.data.get("step_name")


def events_of(
    number: int,
    stored_at: datetime,
    message: object,
    cursor_of: Callable[[int], str],
) -> list[Event]:
    """
    Return the events that one row holds, in order.

    Args:
        number: Its id.
        stored_at: When it was stored.
        message: What it holds. What an application has sent to the queue by itself is
            one event, of the type that its `type` says.
        cursor_of: Returns the cursor of the event at a place, from 0.
    """
    first = number << _PART_BITS
    try:
        return _engine_events(first, message, cursor_of)
    except (KeyError, TypeError, ValueError):
        data = message if isinstance(message, Mapping) else {"data": message}
        kind = data.get("type")
        return [
            Event(
                type=kind if isinstance(kind, str) else "message",
                run_id=None,
                workflow_id=None,
                at=stored_at,
                seq=first,
                cursor=cursor_of(0),
                data=data,
            )
        ]


def _engine_events(
    first: int, message: Any, cursor_of: Callable[[int], str]
) -> list[Event]:
    """
    Return the events of a row that the engine has written.

    Raises:
        KeyError: If it is none of the engine's.
        TypeError: As `KeyError`.
        ValueError: As `KeyError`.
    """
    run_id = _read(UUID, message["run_id"])
    at = _read(datetime.fromisoformat, message["at"])
    events = []
    for part, fields in enumerate(message["events"]):
        own = fields.get("at") if isinstance(fields, Mapping) else None
        events.append(
            Event(
                type=_read(str, fields["type"]),
                run_id=run_id,
                workflow_id=_read(str, message["workflow_id"]),
                at=at if own is None else _read(datetime.fromisoformat, own),
                seq=first + part,
                cursor=cursor_of(part),
                data={k: v for k, v in fields.items() if k not in _HEAD},
            )
        )
    if not events:
        raise ValueError("there are none")
    return events


def _read(parse: Callable[[str], _T], value: object) -> _T:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return parse(value)
