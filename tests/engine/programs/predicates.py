"""A step for another process, its predicate, and what undoes it."""

from __future__ import annotations

import os
from pathlib import Path

HERE = os.getpid()


def is_even_apart(item: int) -> bool:
    """Tell whether a number is even, in the process that imported this first."""
    assert os.getpid() == HERE
    return item % 2 == 0


def square_apart(item: int) -> int:
    """Return the square."""
    return item * item


def undo_apart(output: int, run_input: dict[str, object]) -> None:
    """Note what is undone, and in which process."""
    with Path(str(run_input["file"])).open("a", encoding="utf-8") as file:
        file.write(f"{output} {os.getpid()}\n")
