"""
From the arguments of `execute` and `start` to a request that is known to be possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias, get_args
from uuid import UUID

import orjson

from singularity_workflow.engine.handles import read_duration
from singularity_workflow.engine.registry import Registered
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.model.durations import Duration
from singularity_workflow.model.names import did_you_mean

__all__ = ["Execution", "StartRequest", "build_request", "read_text", "read_words"]

Execution: TypeAlias = Literal["local", "distributed"]

_MOST_RETRIES = 2**31 - 2
_HIGHEST_PRIORITY = 1_000
_LONGEST_KEY = 500


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
        is_serial: At most one of its tasks at a time.
        max_attempts: Of each of its tasks, instead of what the steps say.
        timeout: How long it may take, None: as the workflow says.
        tags: To find it by.
        idempotency_key: A second request with the same key is the first one's run.
        call: Requests of one call are refused together.
    """

    run_id: UUID
    workflow_id: int
    workflow: CompiledWorkflow
    input: bytes
    priority: int | None = None
    is_serial: bool = False
    max_attempts: int | None = None
    timeout: timedelta | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None
    call: UUID | None = None

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
            item["serial"] = True
        if self.max_attempts is not None:
            item["max_attempts"] = self.max_attempts
        if self.timeout is not None:
            item["timeout"] = self.timeout.total_seconds()
        if self.tags:
            item["tags"] = list(self.tags)
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
    execution: str,
    idempotency_key: str | None,
    priority: int | None,
    tags: Iterable[str] | None,
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
    retries = _bounded("max_retries", max_retries, 0, _MOST_RETRIES)
    return StartRequest(
        run_id=run_id,
        workflow_id=registered.workflow_id,
        workflow=registered.compiled,
        input=registered.compiled.input.encode(value),
        priority=_bounded("priority", priority, -_HIGHEST_PRIORITY, _HIGHEST_PRIORITY),
        is_serial=not _true_or_false("parallel", parallel),
        max_attempts=None if retries is None else retries + 1,
        timeout=deadline,
        tags=read_words("tags", tags),
        idempotency_key=_key(idempotency_key),
    )


def _bounded(name: str, value: int | None, lowest: int, highest: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"{name} must be an integer, got {value!r}")
    if not lowest <= value <= highest:
        raise InvalidSetting(f"{name} must be from {lowest} to {highest}, got {value}")
    return value


def _true_or_false(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidSetting(f"{name} must be True or False, got {value!r}")
    return value


def read_words(name: str, value: Iterable[str] | None) -> tuple[str, ...]:
    """
    Return the words that a caller gave, each once.

    Raises:
        InvalidSetting: If it is one text, no iterable, or a word is not printable.
    """
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidSetting(f"{name} must be a list of strings, got {value!r}")
    words = list(value)
    for word in words:
        _check_text(name, word)
    return tuple(dict.fromkeys(words))


def read_text(name: str, value: str | None) -> str | None:
    """
    Return a text that a caller gave.

    Raises:
        InvalidSetting: If PostgreSQL cannot store it.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidSetting(f"{name} must be text, got {value!r}")
    if "\x00" in value or value.encode("utf-8", "replace").decode() != value:
        raise InvalidSetting(f"{name} has characters that cannot be stored: {value!r}")
    return value


def _key(value: str | None) -> str | None:
    if value is None:
        return None
    _check_text("idempotency_key", value)
    if not 1 <= len(value) <= _LONGEST_KEY:
        raise InvalidSetting(
            f"idempotency_key must have 1 to {_LONGEST_KEY} characters, "
            f"got {len(value)}"
        )
    return value


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidSetting(f"{name} must be text, got {value!r}")
    if "\x00" in value or not value.isprintable():
        raise InvalidSetting(f"{name} must be printable text, got {value!r}")
