"""A step for another process, and its predicate."""

from __future__ import annotations

import os

HERE = os.getpid()


def is_even_apart(item: int) -> bool:
    """Tell whether a number is even, in the process that imported this first."""
    assert os.getpid() == HERE
    return item % 2 == 0


def square_apart(item: int) -> int:
    """Return the square."""
    return item * item
