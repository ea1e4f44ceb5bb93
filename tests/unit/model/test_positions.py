"""model.positions: the order of places, and cursors."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.positions import (
    START,
    Position,
    make_cursor,
    read_cursor,
)

NUMBERS = st.integers(0, 2**63 - 1)


def encoded(text):
    """Return a text as a cursor would be."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@given(NUMBERS, NUMBERS, st.integers(0, 10_000), NUMBERS)
def test_a_cursor_goes_on_where_nothing_is_missed(pos, number, part, horizon):
    """
    At its own place if that is complete, else at the horizon.
    """
    position = Position(pos, number, part)

    found = read_cursor(make_cursor(position, horizon))

    assert found.exact == position
    assert found.safe == min(position, max(found.safe, Position(horizon, 0, -1)))
    assert found.safe == (position if pos <= horizon else Position(horizon, 0, -1))


@given(st.text(max_size=300))
def test_any_other_text_is_no_cursor(text):
    """
    Whatever it is, there is one kind of error.
    """
    with pytest.raises(ValueError, match="is no cursor"):
        read_cursor(text)


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        b"YzE6MDow",
        "",
        "x" * 5000,
        encoded("c1:1:2:3"),
        encoded("c2:1:2:3:0"),
        encoded("c1:3:2:3:0"),
        encoded("c1:-1:2:3:0"),
        encoded("c1:1:2:3:-1"),
        encoded("c1:1:2:3:x"),
        encoded(f"c1:1:2:{2**63}:0"),
    ],
)
def test_a_forged_cursor_is_refused(text):
    """
    Numbers that cannot be, or too few of them.
    """
    with pytest.raises(ValueError, match="is no cursor"):
        read_cursor(text)


def test_behind_a_message_is_in_front_of_the_next():
    """
    And behind all of its parts.
    """
    assert START < Position(5, 7, 0) < Position(5, 7, 9_999)
    assert Position(5, 7, 9_999) < Position(5, 7).behind < Position(5, 8)
