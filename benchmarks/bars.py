"""
What the figures are held against: ratios of one run, never figures of another machine.

Imports nothing of the library: the comparison with the peers has bars too.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.events import all_events

__all__ = ["BARS", "ENDURANCE_BARS", "PEER_BARS", "Bar", "Verdict", "judge"]

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """
    A bound on a figure, as a multiple of another one where there is one.

    Args:
        figure: The figure in question.
        over: The figure that it is divided by; None: it stands alone.
        count: How many of those.
        unit: What the quotient counts, as it is read: "3.1 x (e)".
        limit: The bound.
        is_lower: Whether the quotient must not be above it, instead of not below.
        goal: A better value that is aimed at.
    """

    figure: str
    over: str | None = None
    count: int = 1
    unit: str
    limit: float
    is_lower: bool = False
    goal: float | None = None

    def quotient(self, figures: Figures) -> float | None:
        """Return what is held against the limit; None if a figure is missing."""
        if self.figure not in figures:
            return None
        if self.over is None:
            return figures[self.figure]
        if self.over not in figures:
            return None
        return figures[self.figure] / (self.count * figures[self.over])

    def __str__(self) -> str:
        sign = "<=" if self.is_lower else ">="
        goal = f", goal {self.goal:g}" if self.goal is not None else ""
        return f"{sign} {self.limit:g}{goal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    A bar, and what was measured.

    Args:
        bar: The bar.
        quotient: What was measured; None: not in this run.
    """

    bar: Bar
    quotient: float | None

    @property
    def is_reached(self) -> bool | None:
        """Whether the bar is reached; None if nobody knows."""
        return self._is_within(self.bar.limit)

    def __str__(self) -> str:
        if self.quotient is None:
            return "not measured"
        if not self.is_reached:
            return "MISSED"
        is_goal = self.bar.goal is not None and self._is_within(self.bar.goal)
        return "goal reached" if is_goal else "reached"

    def _is_within(self, limit: float) -> bool | None:
        if self.quotient is None:
            return None
        within = operator.le if self.bar.is_lower else operator.ge
        return bool(within(self.quotient, limit))


def judge(figures: Figures, bars: tuple[Bar, ...]) -> dict[str, Verdict]:
    """Hold figures against bars; the verdicts by figure."""
    return {
        bar.figure: Verdict(bar=bar, quotient=bar.quotient(figures)) for bar in bars
    }


def _commits(figure: str, count: int, limit: float) -> Bar:
    unit = "x (e)" if count == 1 else f"x {count} (e)"
    return Bar(
        figure=figure, over="commit_ms_p50", count=count, unit=unit, limit=limit,
        is_lower=True,
    )  # fmt: skip


def _messages(figure: str, limit: float, goal: float | None = None) -> Bar:
    return Bar(
        figure=figure, over="raw_pgmq_msgs_per_s", unit="x (f)", limit=limit, goal=goal
    )


def _at_most(figure: str, limit: float, unit: str) -> Bar:
    return Bar(figure=figure, unit=unit, limit=limit, is_lower=True)


# a quarter of the throughput is what all events may cost
_WITH_EVENTS = tuple(
    Bar(figure=all_events(figure), over=figure, unit="x events off", limit=0.75)
    for figure in (
        "chains_steps_per_s_1p",
        "chains_steps_per_s_2p",
        "chains_sync_steps_per_s_1p",
        "single_runs_per_s",
        "map1k_tasks_per_s",
        "map10k_tasks_per_s",
        "map10k_sync_tasks_per_s",
        "workers_single_runs_per_s_2p",
        "workers_chains_steps_per_s_2p",
        "graph_steps_per_s",
        "small_graphs_steps_per_s",
        "dynamic_graphs_steps_per_s",
    )
)

BARS = (
    _commits("single_ms_p50", 1, 15),  # 3 ms where a commit takes 0.2 ms
    _commits("chain10_ms_p50", 11, 4),  # ten steps and the start
    _commits(all_events("chain10_ms_p50"), 11, 5.5),
    *_WITH_EVENTS,
    _messages("chains_steps_per_s_1p", 0.4, 0.5),
    _messages("chains_steps_per_s_2p", 0.7, 0.9),
    _messages("single_runs_per_s", 0.4),
    _messages("map10k_tasks_per_s", 0.3),
    Bar(
        figure="map100k_s", over="map10k_s", unit="x map of 10,000", limit=12,
        is_lower=True,
    ),
    _at_most("map100k_peak_mb", 500, "MB"),
    _messages("workers_single_runs_per_s_2p", 0.4, 0.7),
    _messages("workers_chains_steps_per_s_2p", 0.6),
    _at_most("pickup_ms_p50", 5, "ms"),
    _at_most("pickup_ms_p99", 30, "ms"),
    _at_most("idle_queries_per_s", 2, "/s"),
    Bar(figure="claimers_64_vs_8", unit="x 8 claimers", limit=0.6),
    _at_most("graph_validate_ms", 200, "ms"),
    _at_most("graph_start_s", 1, "s"),
    Bar(
        figure="graph_steps_per_s", over="small_graphs_steps_per_s",
        unit="x small runs", limit=0.6,
    ),
    Bar(
        figure="dynamic_graphs_steps_per_s", over="small_graphs_steps_per_s",
        unit="x static", limit=0.9,
    ),
    Bar(
        figure="notify_steps_per_s", over="polling_steps_per_s", unit="x polling",
        limit=0.9,
    ),
    _at_most("cancel_s", 3, "s"),
    _at_most("pause_ms_p95", 50, "ms"),
    _at_most("message_ms_p50", 3, "ms"),
    _at_most("message_ms_p99", 20, "ms"),
    Bar(figure="messages_sent_per_s", unit="/s", limit=20_000),
    _at_most("ladder_validate_ms", 100, "ms"),
    _at_most("goal_first_task_ms", 500, "ms"),
    _at_most("goal_over_plan_ms", 15, "ms"),
    _at_most("import_over_pydantic_ms", 100, "ms"),
    _at_most("connect_warm_s", 0.3, "s"),
    _at_most("connect_new_s", 5, "s"),
)  # fmt: skip

ENDURANCE_BARS = (
    Bar(
        figure="history_chains_steps_per_s", over="empty_chains_steps_per_s",
        unit="x empty", limit=0.9,
    ),
    Bar(
        figure="history_claim_ms_p50", over="empty_claim_ms_p50",
        unit="x empty", limit=1.1, is_lower=True,
    ),
    _at_most("history_page_ms_p95", 20, "ms"),
    Bar(
        figure="sustained_last_steps_per_s", over="sustained_second_steps_per_s",
        unit="x the second", limit=0.85,
    ),
    Bar(
        figure="snapshot_worst_steps_per_s", over="snapshot_before_steps_per_s",
        unit="x before", limit=0.7,
    ),
)  # fmt: skip

PEER_BARS = (
    Bar(
        figure="chains_steps_per_s_1p", over="dbos_chains_steps_per_s",
        unit="x DBOS", limit=15,
    ),
    Bar(
        figure="single_runs_per_s", over="pgqueuer_jobs_per_s",
        unit="x PgQueuer", limit=0.7, goal=1.0,
    ),
)  # fmt: skip
