"""
What the benchmark tells: one table, the same in Markdown, all of it in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bars import Verdict
from benchmarks.machine import describe_context
from benchmarks.tables import to_markdown, to_text

__all__ = ["Report", "spread"]

_HEADER = ("row", "figure", "rounds", "ratio", "bar", "verdict")


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    figure: str
    template: str


_ROWS = (
    _Row("(e) insert of a row, committed", "commit_ms_p50", "{commit_ms_p50:.3f} ms"),
    _Row(
        "(f) raw pgmq, batches of 100",
        "raw_pgmq_msgs_per_s",
        "{raw_pgmq_msgs_per_s:,.0f} messages/s",
    ),
    _Row(
        "(a) 1-step run",
        "single_ms_p50",
        "{single_ms_p50:.2f} ms, p95 {single_ms_p95:.2f}",
    ),
    _Row(
        "(a) 10-step chain",
        "chain10_ms_p50",
        "{chain10_ms_p50:.2f} ms, p95 {chain10_ms_p95:.2f}",
    ),
    _Row(
        "(b) chains, 1 process",
        "chains_steps_per_s_1p",
        "{chains_steps_per_s_1p:,.0f} steps/s",
    ),
    _Row(
        "(b) chains, 2 processes",
        "chains_steps_per_s_2p",
        "{chains_steps_per_s_2p:,.0f} steps/s",
    ),
    _Row(
        "(b) plain functions, 1 process",
        "chains_sync_steps_per_s_1p",
        "{chains_sync_steps_per_s_1p:,.0f} steps/s",
    ),
    _Row(
        "(c) 1-step runs, in bulk",
        "single_runs_per_s",
        "{single_runs_per_s:,.0f} runs/s",
    ),
    _Row(
        "(d) map of 1,000",
        "map1k_tasks_per_s",
        "{map1k_s:.2f} s, {map1k_tasks_per_s:,.0f} tasks/s, {map1k_peak_mb:.0f} MB",
    ),
    _Row(
        "(d) map of 10,000",
        "map10k_tasks_per_s",
        "{map10k_s:.2f} s, {map10k_tasks_per_s:,.0f} tasks/s, {map10k_peak_mb:.0f} MB",
    ),
    _Row(
        "(d) map of 100,000",
        "map100k_s",
        "{map100k_s:.2f} s, {map100k_tasks_per_s:,.0f} tasks/s",
    ),
    _Row("(d) map of 100,000, memory", "map100k_peak_mb", "{map100k_peak_mb:.0f} MB"),
    _Row(
        "(d) plain function, 10,000",
        "map10k_sync_tasks_per_s",
        "{map10k_sync_s:.2f} s, {map10k_sync_tasks_per_s:,.0f} tasks/s",
    ),
    _Row(
        "import, over pydantic's",
        "import_over_pydantic_ms",
        "{import_over_pydantic_ms:.0f} ms",
    ),
    _Row("connect, warm embedded server", "connect_warm_s", "{connect_warm_s:.2f} s"),
    _Row("connect, new embedded server", "connect_new_s", "{connect_new_s:.2f} s"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    All that is known after a run.

    Args:
        figures: Medians over the rounds.
        samples: The rounds.
        verdicts: What the bars say, by figure.
        context: Machine, versions, settings and time.
    """

    figures: Mapping[str, float]
    samples: Mapping[str, list[float]]
    verdicts: Mapping[str, Verdict]
    context: Mapping[str, Any]

    def to_text(self) -> str:
        """Return what is printed."""
        return "\n".join([*self._heading(), "", to_text(_HEADER, self._cells())])

    def to_markdown(self) -> str:
        """Return what stands in the documentation."""
        heading = [f"- {line}" for line in self._heading()]
        return "\n".join([*heading, "", to_markdown(_HEADER, self._cells())])

    def to_json(self) -> dict[str, Any]:
        """Return everything, the figures at the top level."""
        bars = {
            figure: {
                "bar": str(verdict.bar),
                "ratio": verdict.quotient,
                "unit": verdict.bar.unit,
                "reached": verdict.is_reached,
            }
            for figure, verdict in self.verdicts.items()
        }
        return {**self.figures, **self.context, "bars": bars, "rounds": self.samples}

    def _cells(self) -> list[list[str]]:
        rows = []
        for row in _ROWS:
            verdict = self.verdicts.get(row.figure)
            if row.figure in self.figures:
                figure = row.template.format_map(self.figures)
                rounds = spread(self.samples[row.figure])
                rows.append([row.label, figure, rounds, *_judgement(verdict)])
            elif verdict is not None:
                rows.append([row.label, "", "", "", str(verdict.bar), str(verdict)])
        return rows

    def _heading(self) -> list[str]:
        server = self.context["settings"]["server"]
        return [
            *describe_context(self.context),
            ", ".join(f"{name} {value}" for name, value in server.items()),
            f"{self.context['settings']['load']} load, medians over the rounds",
        ]


def spread(samples: list[float]) -> str:
    """Return how many rounds there were, and how far from the median they went."""
    middle = sorted(samples)[len(samples) // 2]
    furthest = max(abs(sample - middle) for sample in samples)
    if len(samples) == 1 or not middle:
        return str(len(samples))
    return f"{len(samples)}, ±{100 * furthest / middle:.0f} %"


def _judgement(verdict: Verdict | None) -> list[str]:
    if verdict is None or verdict.quotient is None:
        return ["", "", ""]
    quotient = f"{verdict.quotient:.3g} {verdict.bar.unit}"
    return [quotient, str(verdict.bar), str(verdict)]
