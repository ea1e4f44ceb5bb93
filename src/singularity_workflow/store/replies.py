"""
What the SQL functions answer, as objects.

Owns the only place where the shape of a reply is known. Ids of steps are numbers
here: names belong to the definitions, which the database does not repeat in every
reply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

__all__ = ["EndedRun", "HandedTask", "Reply", "TaskRef", "parse_reply"]


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
    """A task that this worker is to run now; *item* is a map's element."""

    run_id: str
    step_no: int
    task_index: int
    attempt: int
    item: Any

    @property
    def ref(self) -> TaskRef:
        """The attempt that its report must name."""
        return TaskRef(self.run_id, self.step_no, self.task_index, self.attempt)


class EndedRun(NamedTuple):
    """A run that has ended; *output* only if somebody was waiting for it."""

    run_id: str
    status: str
    output: Any
    error: dict[str, Any] | None
    reason: str | None


@dataclass(slots=True, kw_only=True)
class Reply:
    """
    What a call of the hot path brings.

    Args:
        tasks: To be run now.
        inputs: Run id, version and input of their runs, of those not known yet.
        outputs: Run id, step number and output of what the tasks depend on.
        ended: Runs that ended by the call.
        refused: Attempts whose report came too late.
        deferred: Attempts whose run somebody else held; to be reported again.
        announced: The smallest key of the messages that the call wrote.
        last: The largest key that it claimed.
        head: Not None if more messages may wait, from this key on.
        timer_in: Seconds until the next timer is due, if the call set one.
    """

    tasks: list[HandedTask] = field(default_factory=list)
    inputs: list[tuple[str, int, Any]] = field(default_factory=list)
    outputs: list[tuple[str, int, Any]] = field(default_factory=list)
    ended: list[EndedRun] = field(default_factory=list)
    refused: list[TaskRef] = field(default_factory=list)
    deferred: list[TaskRef] = field(default_factory=list)
    announced: int | None = None
    last: int | None = None
    head: int | None = None
    timer_in: float | None = None


def parse_reply(data: dict[str, Any]) -> Reply:
    """Build a `Reply` from the JSON that `report_tasks` and its like return."""
    work = data.get("work") or {}
    return Reply(
        tasks=[HandedTask._make(row) for row in work.get("tasks") or ()],
        inputs=work.get("runs") or [],
        outputs=work.get("outputs") or [],
        ended=[EndedRun._make(row) for row in data.get("ended") or ()],
        refused=[TaskRef._make(row) for row in data.get("refused") or ()],
        deferred=[TaskRef._make(row) for row in data.get("deferred") or ()],
        announced=data.get("announced"),
        last=data.get("last"),
        head=data.get("head"),
        timer_in=data.get("timers"),
    )


def as_uuid(run_id: str | UUID) -> UUID:
    """Return a run id as a `UUID`, whichever way it was written."""
    return run_id if isinstance(run_id, UUID) else UUID(run_id)
