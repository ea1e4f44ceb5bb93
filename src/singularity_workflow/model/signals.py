"""
What a step raises to steer the engine: try again, give up, or be skipped.

Signals are no errors of the library: they say what to do with the task. Any other
exception leaves that to the step's `RetryPolicy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from singularity_workflow.model.durations import Duration, to_duration

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["Fail", "Retry", "Signal", "Skip"]


class Signal(Exception):
    """
    Base class of the signals.

    Args:
        reason: Why, in words for people; kept with the task.
    """

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason or "")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Signal], tuple[object, ...]]:
        return type(self), (self.reason,)


class Retry(Signal):
    """
    Try this task again, if it has attempts left.

    Args:
        after:
            How long to wait, in seconds or as a `timedelta`; None waits as the
            step's policy says.
        reason: Why, in words for people.

    Raises:
        ValueError: If *after* is no length of time, or negative.
    """

    def __init__(
        self, after: Duration | None = None, reason: str | None = None
    ) -> None:
        super().__init__(reason)
        self.after: timedelta | None = None
        if after is not None:
            try:
                self.after = to_duration(after)
            except ValueError as error:
                raise ValueError(f"Retry: after {error}") from None

    def __reduce__(self) -> tuple[type[Signal], tuple[object, ...]]:
        return type(self), (self.after, self.reason)


class Fail(Signal):
    """Fail this task now, whatever attempts are left."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)


class Skip(Signal):
    """Skip this task: it counts as neither completed nor failed."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
