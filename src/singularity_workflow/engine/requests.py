"""
From the arguments of `execute` and `start` to a request that is known to be possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias, get_args
from uuid import UUID

import orjson

from singularity_workflow.engine.arguments import (
    read_bounded,
    read_duration,
    read_flag,
    read_key,
    read_mapping,
    read_words,
)
from singularity_workflow.engine.registry import Registered
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.events import LEVELS
from singularity_workflow.model.names import did_you_mean

__all__ = ["Execution", "NotifyEvents", "StartRequest", "build_request"]

Execution: TypeAlias = Literal["local", "distributed"]
NotifyEvents: TypeAlias = bool | Literal["run"]

_MOST_RETRIES = 2**31 - 2
_HIGHEST_PRIORITY = 1_000


@dataclass(slots=True, kw_only=True)
class StartRequest:
    """
    One run to be started.

    Args:
        run_id: Its id; a repeated request with the same one starts nothing anew.
        workflow_id: The version.
        workflow: The same, ready to run.
        input: Its input as JSON.
        priority: Higher goes first; None: as the workflow says.
        is_serial: At most so many of its tasks at a time:
        max_parallel: How many.
        max_attempts: Of each of its tasks, instead of what the steps say.
        timeout: How long it may take, None: as the workflow says.
        tags: To find it by.
        idempotency_key: A second request with the same key is the first one's run.
        metadata: A JSON object that is kept with it.
        goal: Of a goal's run, what the database tells of it, as JSON.
        events: Which are stored: all, run or none.
        traceparent: W3C trace context of the span that starts it.
        call: Requests of one call are refused together.
    """

    run_id: UUID
    workflow_id: int
    workflow: CompiledWorkflow
    input: bytes
    priority: int | None = None
    is_serial: bool = False
    max_parallel: int = 1
    max_attempts: int | None = None
    timeout: timedelta | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    metadata: bytes | None = None
    goal: bytes | None = None
    events: str = "all"
    traceparent: str | None = None
    call: UUID | None = None

    @property
    def is_redacted(self) -> bool:
        """Whether nothing of the run is to be quoted."""
        return self.goal is not None and orjson.loads(self.goal).get("redact") is True

    def to_item(self) -> dict[str, object]:
        """Return the request as `start_runs` takes it."""
        item: dict[str, object] = {
            "id": str(self.run_id),
            "workflow_id": self.workflow_id,
            "input": orjson.Fragment(self.input),
        }
        if self.priority is not None:
            item["priority"] = self.priority
        if self.is_serial:
            item |= {"serial": True, "max_parallel": self.max_parallel}
        if self.max_attempts is not None:
            item["max_attempts"] = self.max_attempts
        if self.timeout is not None:
            item["timeout"] = self.timeout.total_seconds()
        if self.tags:
            item["tags"] = list(self.tags)
        item |= _given(metadata=self.metadata, goal=self.goal)
        if self.events != "all":
            item["events"] = self.events
        if self.traceparent is not None:
            item["traceparent"] = self.traceparent
        if self.idempotency_key is not None:
            item["key"] = self.idempotency_key
        return item


def build_request(
    run_id: UUID,
    registered: Registered,
    value: object,
    *,
    timeout: Duration | None,
    max_retries: int | None,
    parallel: bool,
    notify_events: NotifyEvents,
    execution: str,
    idempotency_key: str | None,
    priority: int | None,
    tags: Iterable[str] | None,
    metadata: Mapping[str, object] | None,
) -> StartRequest:
    """
    Return the request to start a run.

    Raises:
        InvalidInput: The input does not fit the workflow.
        InvalidSetting: Another argument cannot be.
    """
    if execution not in get_args(Execution):
        raise InvalidSetting(
            f"execution must be 'local' or 'distributed', got {execution!r}",
            hint=did_you_mean(str(execution), get_args(Execution)),
        )
    deadline = read_duration("timeout", timeout)
    if deadline is not None and not deadline:
        raise InvalidSetting(f"timeout must be > 0 seconds, got {timeout!r}")
    retries = read_bounded("max_retries", max_retries, 0, _MOST_RETRIES)
    return StartRequest(
        run_id=run_id,
        workflow_id=registered.workflow_id,
        workflow=registered.compiled,
        input=registered.compiled.input.encode(value),
        priority=read_bounded(
            "priority", priority, -_HIGHEST_PRIORITY, _HIGHEST_PRIORITY
        ),
        is_serial=not read_flag("parallel", parallel),
        max_attempts=None if retries is None else retries + 1,
        timeout=deadline,
        tags=read_words("tags", tags),
        idempotency_key=read_key("idempotency_key", idempotency_key),
        metadata=read_mapping("metadata", metadata),
        events=_read_events(notify_events),
    )


def _given(**members: bytes | None) -> dict[str, object]:
    """Return the members that were given, as JSON that is ready."""
    return {
        name: orjson.Fragment(data)
        for name, data in members.items()
        if data is not None
    }


def _read_events(value: object) -> str:
    if isinstance(value, (bool, str)) and value in LEVELS:
        return LEVELS[value]
    raise InvalidSetting(f"notify_events must be True, 'run' or False, got {value!r}")
