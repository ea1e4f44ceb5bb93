"""
How far the decomposition of a goal may go, and what it has used of that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.issues import Issue

__all__ = ["MAX_DEPTH", "MAX_TASKS", "Budget", "Limits"]

MAX_DEPTH: Final = 19
MAX_TASKS: Final = 30_000
"""Below the steps that a workflow can have, with room for those that we add."""

_MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What a decomposition may not exceed; beyond it there is an issue, and no run.

    Args:
        max_depth: Levels of goals, the first included; from 1 to 19.
        max_tasks: Tasks of all levels together; from 1 to 30,000.
        max_expansions: How often goals are decomposed, the first included; at least 1.
        max_fan_out: Tasks that depend on one task; at least 1.
        timeout: Longest time of the whole decomposition, in seconds or as a
            `timedelta`; > 0. None is no limit.
        max_calls: Calls of a model, or whatever a decomposer counts; None is no limit.
        max_tokens: Tokens of all calls together; None is no limit.

    Raises:
        InvalidSetting: If a value is out of bounds.

    .. versionadded:: 0.1
    """

    max_depth: int = 5
    max_tasks: int = 10_000
    max_expansions: int = 1_000
    max_fan_out: int = 1_000
    timeout: Duration | None = None
    max_calls: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        _check("max_depth", self.max_depth, MAX_DEPTH)
        _check("max_tasks", self.max_tasks, MAX_TASKS)
        _check("max_expansions", self.max_expansions, _MOST)
        _check("max_fan_out", self.max_fan_out, _MOST)
        for name in ("max_calls", "max_tokens"):
            value = getattr(self, name)
            if value is not None:
                _check(name, value, _MOST)
        if self.timeout is not None:
            try:
                to_duration(self.timeout, may_be_zero=False)
            except ValueError as error:
                raise InvalidSetting(f"timeout {error}") from None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Limits:
        """
        Return the limits that are stored with a goal.

        Args:
            data: Their members. Those that only another release knows are left out, so
                that two releases can serve the same goals.
        """
        known = {one.name for one in fields(cls)}
        return cls(**{name: one for name, one in data.items() if name in known})

    @property
    def seconds(self) -> float | None:
        """The time limit in seconds."""
        if self.timeout is None:
            return None
        return to_duration(self.timeout).total_seconds()


class Budget:
    """
    What one decomposition has used of its limits; decomposers may add to it.

    Args:
        limits: What there is.
        before: What was used before: `expansions`, `calls`, `tokens`, and seconds as
            `decomposition_time`.
        clock: Tells the time, in seconds that never go back.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        limits: Limits,
        *,
        before: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = ("expansions", "calls", "tokens", "decomposition_time")
        self.before = {name: (before or {}).get(name, 0) for name in names}
        self.limits = limits
        self.calls: int = self.before["calls"]
        self.tokens: int = self.before["tokens"]
        self.expansions: int = self.before["expansions"]
        self._clock = clock
        self._began_at: float = clock() - self.before["decomposition_time"]

    def spend(self, *, calls: int = 0, tokens: int = 0) -> None:
        """
        Count what a decomposer has used.

        Args:
            calls: Calls of a model.
            tokens: Tokens of those calls, asked and answered.
        """
        self.calls += calls
        self.tokens += tokens

    @property
    def elapsed(self) -> float:
        """Seconds since the decomposition began."""
        return self._clock() - self._began_at

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time limit, not below 0; None without one."""
        limit = self.limits.seconds
        return None if limit is None else max(0.0, limit - self.elapsed)

    def exceeded(self, pointer: str = "") -> Issue | None:
        """
        Return the issue of a limit that leaves nothing for another call, or None.

        Args:
            pointer: What the call would be for.
        """
        limits = self.limits
        used = (
            ("max_expansions", self.expansions, limits.max_expansions, "expansions"),
            ("max_calls", self.calls, limits.max_calls, "calls"),
            ("max_tokens", self.tokens, limits.max_tokens, "tokens"),
            ("timeout", self.elapsed, limits.seconds, "seconds"),
        )
        for name, amount, limit, what in used:
            if limit is not None and amount >= limit:
                return _used_up(name, limit, what, pointer)
        return None

    async def answer(
        self, asked: Awaitable[object], pointer: str = ""
    ) -> tuple[object, Issue | None]:
        """
        Return what a decomposer answers, or the issue that its time is over.

        Args:
            asked: What is awaited.
            pointer: What the answer is for.
        """
        limit = asyncio.timeout(self.seconds_left)
        try:
            async with limit:
                return await asked, None
        except TimeoutError:
            if not limit.expired():
                raise  # its own
            seconds = self.limits.seconds or 0.0
            return None, _used_up("timeout", seconds, "seconds", pointer)


def _used_up(name: str, limit: float, what: str, pointer: str) -> Issue:
    return Issue(
        code="budget_exhausted",
        pointer=pointer,
        message=f"the decomposition may take {limit:g} {what}, and they are used up",
        hint=f"Raise {name}, or decompose into fewer goals.",
    )


def _check(name: str, value: object, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"{name} must be an integer, got {value!r}")
    if not 1 <= value <= highest:
        raise InvalidSetting(f"{name} must be from 1 to {highest}, got {value}")
