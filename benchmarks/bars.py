"""
What the figures are held against: ratios of one run, never figures of another machine.

Imports nothing of ours: the comparison with the peers has bars too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["BARS", "PEER_BARS", "Bar", "Verdict", "judge"]

CHAIN_COMMITS = 11  # ten steps and the start
SINGLE_COMMITS = 15  # 3 ms where a commit takes 0.2 ms

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """
    A bound on a ratio of figures.

    Args:
        figure: What it is about.
        needs: The figures that the ratio is made of.
        ratio: Computes it.
        unit: What the ratio counts, as it is read: "3.1 x commit".
        limit: The bound.
        is_lower: Whether the ratio must not be above it, instead of not below.
        goal: A better value that is aimed at.
    """

    figure: str
    needs: tuple[str, ...]
    ratio: Callable[[Figures], float]
    unit: str
    limit: float
    is_lower: bool = False
    goal: float | None = None

    def __str__(self) -> str:
        sign = "<=" if self.is_lower else ">="
        goal = f" (goal {self.goal:g})" if self.goal is not None else ""
        return f"{sign} {self.limit:g}{goal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    A bar, and what was measured.

    Args:
        bar: The bar.
        ratio: What was measured; None: not in this run.
    """

    bar: Bar
    ratio: float | None

    @property
    def is_reached(self) -> bool | None:
        """Whether it is; None if nobody knows."""
        return self._is_within(self.bar.limit)

    @property
    def word(self) -> str:
        """The verdict as it is printed."""
        if self.ratio is None:
            return "not measured"
        if not self.is_reached:
            return "MISSED"
        is_goal = self.bar.goal is not None and self._is_within(self.bar.goal)
        return "goal reached" if is_goal else "reached"

    def _is_within(self, limit: float) -> bool | None:
        if self.ratio is None:
            return None
        within = operator.le if self.bar.is_lower else operator.ge
        return bool(within(self.ratio, limit))


def judge(figures: Figures, bars: tuple[Bar, ...]) -> list[Verdict]:
    """Hold figures against bars; a figure that is missing judges nothing."""
    return [
        Verdict(
            bar=bar,
            ratio=bar.ratio(figures)
            if all(name in figures for name in bar.needs)
            else None,
        )
        for bar in bars
    ]


def _times(figure: str, floor: str, factor: float = 1.0) -> Callable[[Figures], float]:
    return lambda figures: figures[figure] / (factor * figures[floor])


def _itself(figure: str) -> Callable[[Figures], float]:
    return lambda figures: figures[figure]


def _against(
    figure: str,
    other: str,
    unit: str,
    limit: float,
    *,
    factor: float = 1.0,
    is_lower: bool = False,
    goal: float | None = None,
) -> Bar:
    return Bar(
        figure=figure,
        needs=(figure, other),
        ratio=_times(figure, other, factor),
        unit=unit,
        limit=limit,
        is_lower=is_lower,
        goal=goal,
    )


def _at_most(figure: str, unit: str, limit: float) -> Bar:
    return Bar(
        figure=figure,
        needs=(figure,),
        ratio=_itself(figure),
        unit=unit,
        limit=limit,
        is_lower=True,
    )


BARS = (
    _against("single_ms_p50", "commit_ms_p50", "x (e)", SINGLE_COMMITS, is_lower=True),
    _against(
        "chain10_ms_p50", "commit_ms_p50", f"x {CHAIN_COMMITS} (e)", 4,
        factor=CHAIN_COMMITS, is_lower=True,
    ),
    _against("chains_steps_per_s_1p", "raw_pgmq_msgs_per_s", "x (f)", 0.4, goal=0.5),
    _against("chains_steps_per_s_2p", "raw_pgmq_msgs_per_s", "x (f)", 0.7, goal=0.9),
    _against("single_runs_per_s", "raw_pgmq_msgs_per_s", "x (f)", 0.4),
    _against("map10k_tasks_per_s", "raw_pgmq_msgs_per_s", "x (f)", 0.3),
    _against("map100k_s", "map10k_s", "x 10,000's", 12, is_lower=True),
    _at_most("map100k_peak_mb", "MB", 500),
    _at_most("import_over_pydantic_ms", "ms", 100),
    _at_most("connect_warm_s", "s", 0.3),
    _at_most("connect_new_s", "s", 5),
)  # fmt: skip

PEER_BARS = (
    _against("chains_steps_per_s_1p", "dbos_chains_steps_per_s", "x DBOS", 15),
    _against("single_runs_per_s", "pgqueuer_jobs_per_s", "x PgQueuer", 0.7, goal=1.0),
)
