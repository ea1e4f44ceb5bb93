"""Durations: seconds or timedelta, not negative, not beyond a century."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.durations import LONGEST, to_duration


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        (0, timedelta(0)),
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(days=2), timedelta(days=2)),
        (LONGEST, LONGEST),
        (LONGEST.total_seconds(), LONGEST),
    ],
)
def test_reads_seconds_and_timedeltas(value, duration):
    """
    A number counts seconds.
    """
    assert to_duration(value) == duration


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (-1, "must be >= 0 seconds, got -1"),
        (timedelta(microseconds=-1), "must be >= 0 seconds"),
        (LONGEST + timedelta(microseconds=1), "must be at most 36500 days"),
        (1e300, "must be a finite number of seconds"),
        (float("inf"), "must be a finite number of seconds"),
        (float("nan"), "must be a finite number of seconds"),
        (True, "must be a number of seconds or a timedelta, got True"),
        ("5", "must be a number of seconds or a timedelta, got '5'"),
        (None, "must be a number of seconds or a timedelta"),
        (Fraction(1, 2), "must be a number of seconds or a timedelta"),
    ],
)
def test_refuses_what_is_no_length_of_time(value, problem):
    """
    The message is the end of a sentence that begins with the option's name.
    """
    with pytest.raises(ValueError, match=problem):
        to_duration(value)


@pytest.mark.parametrize("value", [0, 0.0, timedelta(0), 1e-9])
def test_zero_can_be_excluded(value):
    """
    A timeout of nothing is refused, and so is one that rounds to nothing.
    """
    with pytest.raises(ValueError, match="must be > 0 seconds"):
        to_duration(value, may_be_zero=False)


@given(st.floats(-1e12, 1e12))
def test_accepts_seconds_exactly_within_the_bounds(seconds):
    """
    Between 0 and a century everything is accepted, and nothing else.
    """
    try:
        duration = to_duration(seconds)
    except ValueError:
        assert not 0 <= seconds <= LONGEST.total_seconds()
    else:
        assert -1e-6 < seconds < LONGEST.total_seconds() + 1e-6
        assert abs(duration.total_seconds() - seconds) <= 1e-6
