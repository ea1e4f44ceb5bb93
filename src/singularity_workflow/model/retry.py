"""
When a failed task is tried again, and how long it waits before that.

The database applies the policy, so that any client and a dead worker's successor
wait alike. Python decides one thing only: whether an exception is worth a retry,
since exception classes never leave Python.

The wait after failure *f* is `min(max_delay, delay * backoff ** (f - 1))`; with
jitter it is multiplied by a uniform draw from 0.5 to 1.5, so that tasks that failed
together do not come back together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MAX_ATTEMPTS_LIMIT", "RetryPolicy"]

MAX_ATTEMPTS_LIMIT: Final = 2**31 - 1
"""The largest integer of the database column."""

_IN_JSON: Final = ("max_attempts", "delay", "backoff", "max_delay", "jitter")


@dataclass(frozen=True, slots=True, init=False)
class RetryPolicy:
    """
    How often a task is tried, and how long it waits after each failure.

    Args:
        max_attempts: Attempts in all, the first included; at least 1.
        delay: Wait after the first failure, in seconds or as a `timedelta`; >= 0.
        backoff: Factor by which each further wait grows; at least 1.
        max_delay: No wait is longer than this (before jitter); >= 0.
        jitter: Whether a wait is spread at random from half to one and a half of it.
        retry_on: Exception classes that are tried again.
        give_up_on: Exception classes that fail at once, though *retry_on* has them.

    Raises:
        DefinitionError: If a value is out of bounds.

    .. versionadded:: 0.1
    """

    max_attempts: int
    delay: timedelta
    backoff: float
    max_delay: timedelta
    jitter: bool
    retry_on: tuple[type[BaseException], ...]
    give_up_on: tuple[type[BaseException], ...]

    def __init__(
        self,
        *,
        max_attempts: int = 3,
        delay: Duration = 1,
        backoff: float = 2,
        max_delay: Duration = 60,
        jitter: bool = True,
        retry_on: Iterable[type[BaseException]] = (Exception,),
        give_up_on: Iterable[type[BaseException]] = (),
    ) -> None:
        values = {
            "max_attempts": _checked("max_attempts", _to_attempts, max_attempts),
            "delay": _checked("delay", to_duration, delay),
            "backoff": _checked("backoff", _to_backoff, backoff),
            "max_delay": _checked("max_delay", to_duration, max_delay),
            "jitter": _checked("jitter", _to_bool, jitter),
            "retry_on": _checked("retry_on", _to_classes, retry_on),
            "give_up_on": _checked("give_up_on", _to_classes, give_up_on),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def should_retry(self, error: BaseException) -> bool:
        """Return whether another attempt after *error* makes sense."""
        return isinstance(error, self.retry_on) and not isinstance(
            error, self.give_up_on
        )

    def wait_after(self, failures: int, uniform: float = 0.5) -> timedelta:
        """
        Return how long a task waits after its *failures*-th failure.

        Args:
            failures: How many attempts failed so far, at least 1.
            uniform: A draw from 0 to 1; without jitter it does not matter.
        """
        try:
            seconds = self.delay.total_seconds() * self.backoff ** (failures - 1)
        except OverflowError:
            seconds = math.inf if self.delay else 0.0
        seconds = min(self.max_delay.total_seconds(), seconds)
        return timedelta(seconds=seconds * (0.5 + uniform if self.jitter else 1.0))

    def with_max_attempts(self, max_attempts: int) -> RetryPolicy:
        """Return this policy with another number of attempts."""
        values: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in fields(self)
        }
        values["max_attempts"] = max_attempts
        return RetryPolicy(**values)

    def to_json(self) -> dict[str, object]:
        """Return what the database needs: times in seconds, no exception classes."""
        return {
            "max_attempts": self.max_attempts,
            "delay": self.delay.total_seconds(),
            "backoff": self.backoff,
            "max_delay": self.max_delay.total_seconds(),
            "jitter": self.jitter,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> RetryPolicy:
        """
        Return the policy that `to_json` described; absent members get defaults.

        Raises:
            DefinitionError: If a member is unknown or out of bounds.
        """
        for name in data:
            if name not in _IN_JSON:
                raise DefinitionError(
                    f"{name!r} is no member of a retry policy",
                    hint=did_you_mean(str(name), _IN_JSON),
                )
        values: dict[str, Any] = {k: v for k, v in data.items() if v is not None}
        return cls(**values)


def _checked(name: str, convert: Any, value: object) -> object:
    try:
        return convert(value)
    except ValueError as error:
        raise DefinitionError(f"{name} {error}") from None


def _to_attempts(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be an integer, got {value!r}")
    if not 1 <= value <= MAX_ATTEMPTS_LIMIT:
        raise ValueError(f"must be >= 1 and at most {MAX_ATTEMPTS_LIMIT}, got {value}")
    return value


def _to_backoff(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number, got {value!r}")
    if not 1 <= value < math.inf:
        raise ValueError(f"must be finite and >= 1, got {value!r}")
    return float(value)


def _to_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, got {value!r}")
    return value


def _to_classes(value: object) -> tuple[type[BaseException], ...]:
    classes = (value,) if isinstance(value, type) else value
    if not isinstance(classes, (tuple, list, set, frozenset)):
        raise ValueError(f"must be exception classes, got {value!r}")
    for one in classes:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise ValueError(f"must be exception classes, got {one!r}")
    return tuple(classes)
