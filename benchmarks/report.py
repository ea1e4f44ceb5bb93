"""
What the benchmark tells: one table, the same in Markdown, all of it in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bars import Verdict
from benchmarks.machine import describe_context
from benchmarks.rows import ROWS, Row
from benchmarks.tables import to_markdown, to_text

__all__ = ["Report", "spread"]

_HEADER = ("row", "figure", "rounds", "ratio", "bar", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    All that is known after a run.

    Args:
        figures: Medians over the rounds.
        samples: The rounds.
        verdicts: What the bars say, by figure.
        context: Machine, versions, settings and time.
        rows: What is told of the figures.
    """

    figures: Mapping[str, float]
    samples: Mapping[str, list[float]]
    verdicts: Mapping[str, Verdict]
    context: Mapping[str, Any]
    rows: tuple[Row, ...] = ROWS

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
        for row in self.rows:
            verdict = self.verdicts.get(row.figure)
            if row.figure in self.figures:
                label = row.label.format_map(self.figures)
                figure = row.template.format_map(self.figures)
                rounds = spread(self.samples[row.figure])
                rows.append([label, figure, rounds, *_judgement(verdict)])
            elif verdict is not None:
                label = row.label.partition("{")[0].rstrip(", ")
                rows.append([label, "", "", "", str(verdict.bar), str(verdict)])
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
