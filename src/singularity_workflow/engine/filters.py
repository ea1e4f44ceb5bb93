"""
Which runs are meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from singularity_workflow.engine.arguments import read_text, read_words
from singularity_workflow.engine.inspection import read_statuses, read_time, to_run_id
from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.conditions import (
    Predicate,
    condition_to_json,
    to_condition,
)
from singularity_workflow.model.statuses import RunStatus

__all__ = ["RunFilter", "narrowed", "to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """
    The runs that match all of what is given.

    Args:
        status: One status, or several.
        workflow: The name of their workflow.
        tags: Tags, of which a run must have all.
        since: Created at this time or later.
        until: Created before this time.
        input: What their input contains, as a mapping, or an SQL/JSON path that finds
            something in it.
        output: The same of the result of completed runs.
        parent: The run whose children they are.
        origin: The run that they retry, fork or undo.

    .. versionadded:: 0.1
    """

    status: RunStatus | str | Iterable[RunStatus | str] | None = None
    workflow: str | None = None
    tags: Iterable[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    input: Mapping[str, object] | str | None = None
    output: Mapping[str, object] | str | None = None
    parent: UUID | str | None = None
    origin: UUID | str | None = None

    def __post_init__(self) -> None:
        # read more than once: an iterator would be empty then, and mean more runs
        for name in ("status", "tags"):
            given = getattr(self, name)
            if isinstance(given, Iterable) and not isinstance(given, str):
                object.__setattr__(self, name, tuple(given))


def to_json(filter: RunFilter) -> dict[str, object]:
    """
    Return *filter* as `list_runs` takes it.

    Raises:
        InvalidSetting: If a value cannot be.
    """
    given: dict[str, Any] = {
        "statuses": read_statuses(filter.status),
        "workflow": read_text("workflow", filter.workflow),
        "tags": list(read_words("tags", filter.tags)) or None,
        "since": read_time("since", filter.since),
        "until": read_time("until", filter.until),
        "input": _read_pattern("input", filter.input),
        "output": _read_pattern("output", filter.output),
        "parent": None if filter.parent is None else str(to_run_id(filter.parent)),
        "origin": None if filter.origin is None else str(to_run_id(filter.origin)),
    }
    return {name: value for name, value in given.items() if value is not None}


def narrowed(filter: RunFilter, possible: Sequence[RunStatus]) -> RunFilter:
    """
    Return *filter* for those of its statuses that are *possible*.

    Raises:
        InvalidSetting: If nothing is given that narrows the runs down, or a status
            with which they cannot be meant.
    """
    if not isinstance(filter, RunFilter):
        raise InvalidSetting(f"a RunFilter is needed, got {filter!r}")
    if not to_json(filter):
        raise InvalidSetting(
            "the filter is empty, and would mean all runs",
            hint="Say which runs are meant, such as RunFilter(workflow='etl').",
        )
    wanted = read_statuses(filter.status)
    if wanted is None:
        return replace(filter, status=possible)
    for status in wanted:
        if status not in possible:
            raise InvalidSetting(
                f"status {status!r} does not allow it",
                hint=f"Possible are {', '.join(possible)}.",
            )
    return filter


def _read_pattern(name: str, value: object) -> object:
    if value is None:
        return None
    try:
        condition = to_condition(value)
    except ValueError as error:
        raise InvalidSetting(f"{name} {error}") from None
    if isinstance(condition, Predicate):
        raise InvalidSetting(f"{name} must be a mapping or an SQL/JSON path")
    return condition_to_json(condition)
