"""
Lengths of time: seconds or `timedelta` outside, `timedelta` inside.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

__all__ = ["LONGEST", "Duration", "to_duration"]

Duration: TypeAlias = float | timedelta
"""What users may write: a number of seconds, or a `timedelta`."""

LONGEST: Final = timedelta(days=36_500)
"""About a century; far below what a PostgreSQL timestamp can be moved by."""


def to_duration(value: object, *, may_be_zero: bool = True) -> timedelta:
    """
    Return *value* as a `timedelta`.

    Args:
        value: A number of seconds, or a `timedelta`; not negative.
        may_be_zero: Whether 0 is allowed.

    Raises:
        ValueError: With the end of a sentence that begins with the option's name.
    """
    duration = _convert(value)
    if duration < timedelta(0) or (not duration and not may_be_zero):
        bound = ">= 0" if may_be_zero else "> 0"
        raise ValueError(f"must be {bound} seconds, got {value!r}")
    if duration > LONGEST:
        raise ValueError(f"must be at most {LONGEST.days} days, got {value!r}")
    return duration


def _convert(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number of seconds or a timedelta, got {value!r}")
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise ValueError(f"must be a finite number of seconds, got {value!r}") from None
