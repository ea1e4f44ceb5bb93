"""
The peers' figures next to ours, and what the bars say of the ratios.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.bars import PEER_BARS, judge
from benchmarks.machine import describe_context
from benchmarks.tables import to_markdown, to_text

__all__ = ["comparison_markdown", "comparison_text", "judgement"]

_HEADER = ("work", "ours", "DBOS", "PgQueuer", "ratio", "bar", "verdict")

# label, unit, and the names of the figures: ours, DBOS's, PgQueuer's
_ROWS = (
    (
        "10-step chains at once",
        "steps/s",
        "chains_steps_per_s_1p",
        "dbos_chains_steps_per_s",
        "",
    ),
    ("10-step chain alone, p50", "ms", "chain10_ms_p50", "dbos_chain10_ms_p50", ""),
    (
        "1-step runs; jobs",
        "/s",
        "single_runs_per_s",
        "dbos_single_runs_per_s",
        "pgqueuer_jobs_per_s",
    ),
    ("jobs, without the enqueueing", "/s", "", "", "pgqueuer_drain_jobs_per_s"),
)


def comparison_text(report: Mapping[str, Any]) -> str:
    """Return what is printed."""
    return "\n".join([*_heading(report), "", to_text(_HEADER, _cells(report))])


def comparison_markdown(report: Mapping[str, Any]) -> str:
    """Return what stands in the documentation."""
    heading = [f"- {line}" for line in _heading(report)]
    return "\n".join([*heading, "", to_markdown(_HEADER, _cells(report))])


def judgement(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ratios, and whether the bars are reached, by our figure's name."""
    return {
        figure: {
            "ratio": verdict.quotient,
            "unit": verdict.bar.unit,
            "bar": str(verdict.bar),
            "reached": verdict.is_reached,
        }
        for figure, verdict in judge(report, PEER_BARS).items()
    }


def _cells(report: Mapping[str, Any]) -> list[list[str]]:
    verdicts = judge(report, PEER_BARS)
    rows = []
    for label, unit, *names in _ROWS:
        figures = [_figure(report, name, unit) for name in names]
        judged = ["", "", ""]
        verdict = verdicts.get(names[0])
        if verdict is not None and verdict.quotient is not None:
            ratio = f"{verdict.quotient:.3g} {verdict.bar.unit}"
            judged = [ratio, str(verdict.bar), str(verdict)]
        rows.append([label, *figures, *judged])
    return rows


def _figure(report: Mapping[str, Any], name: str, unit: str) -> str:
    if name not in report:
        return ""
    return (
        f"{report[name]:,.2f} {unit}" if unit == "ms" else f"{report[name]:,.0f} {unit}"
    )


def _heading(report: Mapping[str, Any]) -> list[str]:
    settings = report["settings"]
    return [
        *describe_context(report),
        f"{settings['load']} load: {_loads(settings)}",
    ]


def _loads(settings: Mapping[str, Any]) -> str:
    found = []
    if ours := settings.get("singularity-workflow"):
        found.append(
            f"ours {ours['loads']['chains']} chains, {ours['loads']['runs']} runs"
        )
    if dbos := settings.get("dbos"):
        found.append(f"DBOS {dbos['chains']} chains, {dbos['single_runs']} runs")
    if jobs := settings.get("pgqueuer"):
        found.append(f"PgQueuer {jobs['jobs']} jobs")
    return "; ".join(found)
