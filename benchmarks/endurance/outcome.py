"""
What a part tells: figures, as the other rows do, and windows of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.apart import Measurement
from benchmarks.endurance.growth import TABLES, Growth

__all__ = ["WINDOW_HEADER", "Outcome", "Window", "window_cells"]

WINDOW_HEADER = (
    "part",
    "seconds",
    "steps/s",
    *(f"{table}: MB, dead" for table in TABLES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    Some time of a steady load.

    Args:
        part: What it is a part of.
        begin: When it began, in seconds from the load's beginning.
        end: When it ended.
        steps_per_s: What was done in it.
        growth: The tables at its end.
    """

    part: str
    begin: float
    end: float
    steps_per_s: float
    growth: Growth


@dataclass(slots=True)
class Outcome:
    """
    What one part measured.

    Args:
        found: Its figures, and how many runs it started.
        windows: What it did when.
    """

    found: Measurement = field(default_factory=Measurement)
    windows: list[Window] = field(default_factory=list)


def window_cells(windows: Sequence[Window]) -> list[list[str]]:
    """Return the rows of a table."""
    return [
        [
            window.part,
            f"{window.begin:.0f} to {window.end:.0f}",
            f"{window.steps_per_s:,.0f}",
            *(
                f"{size / 1e6:,.0f}, {dead:,}"
                for size, dead in map(window.growth.of, TABLES)
            ),
        ]
        for window in windows
    ]
