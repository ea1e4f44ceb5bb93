"""
What the SQL functions answer, as objects.

Owns the only place where the shape of a reply is known. Ids of steps are numbers
here: names belong to the definitions, which the database does not repeat in every
reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "Adoption",
    "Beat",
    "EndedRun",
    "Fired",
    "GivenUp",
    "HandedTask",
    "Moved",
    "Reaped",
    "Reply",
    "Retried",
    "RunInput",
    "TaskRef",
    "parse_adoption",
    "parse_beat",
    "parse_ended",
    "parse_fired",
    "parse_reaped",
    "parse_reply",
]


class TaskRef(NamedTuple):
    """
    One attempt of one task.

    The attempt is the fencing token: what is said of an older one is refused.
    """

    run_id: str
    step_no: int
    task_index: int
    attempt: int


class HandedTask(NamedTuple):
    """
    A task that this worker is to run now.

    *item* is a map's element, *losses* how often a worker died with the task.
    """

    run_id: str
    step_no: int
    task_index: int
    attempt: int
    item: Any
    losses: int

    @property
    def ref(self) -> TaskRef:
        """The attempt that its report must name."""
        return TaskRef(self.run_id, self.step_no, self.task_index, self.attempt)


class RunInput(NamedTuple):
    """
    What tasks of a run share: its version, its input and its trace.

    Of one that is redacted no value is told, nor what an error says.
    """

    run_id: str
    workflow_id: int
    input: Any
    traceparent: str | None = None
    is_redacted: bool | None = None


class Retried(NamedTuple):
    """A failed attempt after which the task is tried again, *seconds* later."""

    run_id: str
    step_no: int
    task_index: int
    attempt: int
    seconds: float

    @property
    def ref(self) -> TaskRef:
        """The attempt that failed."""
        return TaskRef(self.run_id, self.step_no, self.task_index, self.attempt)


class EndedRun(NamedTuple):
    """
    A run that has ended; *output* only if somebody was waiting for it.

    *started_at* and *ended_at* are seconds since 1970. What the error of one says that
    is redacted is for who waits, and nobody else.
    """

    run_id: str
    status: str
    output: Any
    error: dict[str, Any] | None
    reason: str | None
    workflow: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    traceparent: str | None = None
    is_redacted: bool | None = None


class Moved(NamedTuple):
    """A run that was to change its status: the one it had, and whether it did."""

    run_id: str
    status: str
    is_changed: bool


@dataclass(slots=True, kw_only=True)
class Reply:
    """
    What a call of the hot path brings.

    Args:
        tasks: To be run now.
        inputs: What their runs bring, of those not known yet.
        outputs: Run id, step number and output of what the tasks depend on.
        ended: Runs that ended by the call.
        refused: Attempts whose report came too late.
        deferred: Attempts whose run somebody else held; to be reported again.
        retried: Failed attempts that are not the last of their tasks.
        announced: The smallest key of the messages that the call wrote.
        last: The largest key that it claimed.
        head: Not None if more messages may wait, from this key on.
        timer_in: Seconds until the next timer is due, if the call set one.
        events: Positions of the events that it stored.
    """

    tasks: list[HandedTask] = field(default_factory=list)
    inputs: list[RunInput] = field(default_factory=list)
    outputs: list[tuple[str, int, Any]] = field(default_factory=list)
    ended: list[EndedRun] = field(default_factory=list)
    refused: list[TaskRef] = field(default_factory=list)
    deferred: list[TaskRef] = field(default_factory=list)
    retried: list[Retried] = field(default_factory=list)
    announced: int | None = None
    last: int | None = None
    head: int | None = None
    timer_in: float | None = None
    events: Sequence[int] = ()


@dataclass(slots=True, kw_only=True)
class Fired:
    """
    What firing the timers did.

    Args:
        ended: Runs whose deadline passed.
        announced: The smallest key of the tasks that were queued.
        next_in: Seconds until the next timer is due; None: there is none.
        overdue: Attempts that waited in a queue for too long; the caller fails them.
        events: Positions of the events that it stored.
    """

    ended: list[EndedRun]
    announced: int | None
    next_in: float | None
    overdue: list[TaskRef]
    events: Sequence[int] = ()


class GivenUp(NamedTuple):
    """A task that was lost too often; the caller fails it, as *task* says."""

    task: TaskRef
    worker_id: str
    losses: int


@dataclass(slots=True, kw_only=True)
class Reaped:
    """
    What giving back the tasks of dead workers did.

    Args:
        lost: Workers that were declared lost by this call.
        queued: How many tasks were queued again.
        given_up: Tasks that were lost too often.
        announced: The smallest key of what was queued.
        has_more: Whether to call again at once.
        next_in: Seconds until the next lease runs out; None: nobody else works.
    """

    lost: list[str]
    queued: int
    given_up: list[GivenUp]
    announced: int | None
    has_more: bool
    next_in: float | None
    events: Sequence[int] = ()


@dataclass(slots=True, kw_only=True)
class Beat:
    """
    What a heartbeat learned.

    Args:
        is_alive: False: the worker was declared lost, and needs another id.
        must_drain: Whether somebody asked it to take no more tasks, and to end.
        gone: Attempts that are no longer this worker's.
        swept: How many tasks that the worker did not know went back to the queue.
    """

    is_alive: bool
    must_drain: bool
    gone: list[TaskRef]
    swept: int


@dataclass(slots=True, kw_only=True)
class Adoption:
    """
    What adopting runs brought.

    Args:
        adopted: Run id and version of each.
        announced: The smallest key of their queued tasks.
        waiting: Seconds until the last silent owner is known to live or not; None:
            no such owner is left.
    """

    adopted: list[tuple[str, int]]
    announced: int | None
    waiting: float | None


def parse_reply(data: dict[str, Any]) -> Reply:
    """Build a `Reply` from the JSON that `report_tasks` and its like return."""
    work = data.get("work") or {}
    return Reply(
        tasks=[HandedTask._make(row) for row in work.get("tasks") or ()],
        inputs=[RunInput._make(row) for row in work.get("runs") or ()],
        outputs=work.get("outputs") or [],
        ended=parse_ended(data.get("ended")),
        refused=[TaskRef._make(row) for row in data.get("refused") or ()],
        deferred=[TaskRef._make(row) for row in data.get("deferred") or ()],
        retried=[Retried._make(row) for row in data.get("retried") or ()],
        announced=data.get("announced"),
        last=data.get("last"),
        head=data.get("head"),
        timer_in=data.get("timers"),
        events=data.get("events") or (),
    )


def parse_ended(rows: Any) -> list[EndedRun]:
    """Build the ends of runs from what `ended_reply` returns."""
    return [EndedRun._make(row) for row in rows or ()]


def parse_fired(data: dict[str, Any]) -> Fired:
    """Build a `Fired` from what `fire_timers` returns."""
    return Fired(
        ended=parse_ended(data.get("ended")),
        announced=data.get("announced"),
        next_in=data.get("next"),
        overdue=[TaskRef._make(row) for row in data.get("overdue") or ()],
        events=data.get("events") or (),
    )


def parse_reaped(data: dict[str, Any]) -> Reaped:
    """Build a `Reaped` from what `reap_workers` returns."""
    return Reaped(
        lost=data.get("lost") or [],
        queued=data.get("queued") or 0,
        given_up=[
            GivenUp(TaskRef(*row[:4]), row[4], row[5])
            for row in data.get("given_up") or ()
        ],
        announced=data.get("announced"),
        has_more=data["has_more"],
        next_in=data.get("next"),
        events=data.get("events") or (),
    )


def parse_beat(data: dict[str, Any]) -> Beat:
    """Build a `Beat` from what `heartbeat` returns."""
    return Beat(
        is_alive=data["alive"],
        must_drain=data["drain"],
        gone=[TaskRef._make(row) for row in data.get("gone") or ()],
        swept=data.get("swept") or 0,
    )


def parse_adoption(data: dict[str, Any]) -> Adoption:
    """Build an `Adoption` from what `adopt_runs` returns."""
    return Adoption(
        adopted=[
            (run_id, workflow_id) for run_id, workflow_id in data["adopted"] or ()
        ],
        announced=data.get("announced"),
        waiting=data.get("waiting"),
    )
