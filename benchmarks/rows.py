"""
The rows of the tables: which figures, and how they are told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.events import all_events

__all__ = ["ENDURANCE_ROWS", "ROWS", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """
    A row of the table.

    Args:
        label: What it is called.
        figure: The figure that decides whether it is there, and how it is judged.
        template: How it is told, with the names of figures.
    """

    label: str
    figure: str
    template: str


def _both(label: str, figure: str, template: str) -> tuple[Row, Row]:
    """Return the row of what is measured without events, and that with all of them."""
    told = re.sub(r"{(\w+)", lambda name: "{" + all_events(name[1]), template)
    return (
        Row(label, figure, template),
        Row(f"{label}, all events", all_events(figure), told),
    )


ROWS = (
    Row("(e) insert of a row, committed", "commit_ms_p50", "{commit_ms_p50:.3f} ms"),
    Row(
        "(f) raw pgmq, batches of 100",
        "raw_pgmq_msgs_per_s",
        "{raw_pgmq_msgs_per_s:,.0f} messages/s",
    ),
    *_both(
        "(a) 1-step run",
        "single_ms_p50",
        "{single_ms_p50:.2f} ms, p95 {single_ms_p95:.2f}",
    ),
    *_both(
        "(a) 10-step chain",
        "chain10_ms_p50",
        "{chain10_ms_p50:.2f} ms, p95 {chain10_ms_p95:.2f}",
    ),
    *_both(
        "(b) chains, 1 process",
        "chains_steps_per_s_1p",
        "{chains_steps_per_s_1p:,.0f} steps/s",
    ),
    *_both(
        "(b) chains, 2 processes",
        "chains_steps_per_s_2p",
        "{chains_steps_per_s_2p:,.0f} steps/s",
    ),
    *_both(
        "(b) plain functions, 1 process",
        "chains_sync_steps_per_s_1p",
        "{chains_sync_steps_per_s_1p:,.0f} steps/s",
    ),
    *_both(
        "(c) 1-step runs, in bulk",
        "single_runs_per_s",
        "{single_runs_per_s:,.0f} runs/s",
    ),
    *_both(
        "(d) map of 1,000",
        "map1k_tasks_per_s",
        "{map1k_s:.2f} s, {map1k_tasks_per_s:,.0f} tasks/s",
    ),
    Row("(d) map of 1,000, memory", "map1k_peak_mb", "{map1k_peak_mb:.0f} MB"),
    *_both(
        "(d) map of 10,000",
        "map10k_tasks_per_s",
        "{map10k_s:.2f} s, {map10k_tasks_per_s:,.0f} tasks/s",
    ),
    Row("(d) map of 10,000, memory", "map10k_peak_mb", "{map10k_peak_mb:.0f} MB"),
    Row(
        "(d) map of 100,000",
        "map100k_s",
        "{map100k_s:.2f} s, {map100k_tasks_per_s:,.0f} tasks/s",
    ),
    Row("(d) map of 100,000, memory", "map100k_peak_mb", "{map100k_peak_mb:.0f} MB"),
    *_both(
        "(d) plain function, 10,000",
        "map10k_sync_tasks_per_s",
        "{map10k_sync_s:.2f} s, {map10k_sync_tasks_per_s:,.0f} tasks/s",
    ),
    *_both(
        "(g) 1-step runs, 2 workers",
        "workers_single_runs_per_s_2p",
        "{workers_single_runs_per_s_2p:,.0f} runs/s",
    ),
    *_both(
        "(g) chains, 2 workers",
        "workers_chains_steps_per_s_2p",
        "{workers_chains_steps_per_s_2p:,.0f} steps/s",
    ),
    Row("(h) pick-up, idle worker", "pickup_ms_p50", "{pickup_ms_p50:.2f} ms"),
    Row("(h) pick-up, p99", "pickup_ms_p99", "{pickup_ms_p99:.2f} ms"),
    Row("(i) idle worker", "idle_queries_per_s", "{idle_queries_per_s:.2f} queries/s"),
    Row(
        "(j) 64 claimers over 8, one each",
        "claimers_n1_64_vs_8",
        "{claims_n1_64_per_s:,.0f} over {claims_n1_8_per_s:,.0f} tasks/s",
    ),
    Row(
        "(j) 64 claimers over 8, ten each",
        "claimers_n10_64_vs_8",
        "{claims_n10_64_per_s:,.0f} over {claims_n10_8_per_s:,.0f} tasks/s",
    ),
    Row("(j) the lower of both", "claimers_64_vs_8", "{claimers_64_vs_8:.2f}"),
    Row("(k) graph, checked", "graph_validate_ms", "{graph_validate_ms:.0f} ms"),
    *_both("(k) graph, start", "graph_start_s", "{graph_start_s:.3f} s"),
    *_both("(k) graph", "graph_steps_per_s", "{graph_steps_per_s:,.0f} steps/s"),
    *_both(
        "(k) small runs of as many steps",
        "small_graphs_steps_per_s",
        "{small_graphs_steps_per_s:,.0f} steps/s",
    ),
    *_both(
        "(k) the same, built at run time",
        "dynamic_graphs_steps_per_s",
        "{dynamic_graphs_steps_per_s:,.0f} steps/s",
    ),
    Row("(l) cancel of many queued tasks", "cancel_s", "{cancel_s:.2f} s"),
    Row(
        "(l) pause",
        "pause_ms_p95",
        "{pause_ms_p50:.2f} ms, p95 {pause_ms_p95:.2f}",
    ),
    Row("(m) message, 1,000 a second", "message_ms_p50", "{message_ms_p50:.2f} ms"),
    Row("(m) message, p99", "message_ms_p99", "{message_ms_p99:.2f} ms"),
    Row(
        "(m) messages sent, batches of 100",
        "messages_sent_per_s",
        "{messages_sent_per_s:,.0f} messages/s",
    ),
    Row(
        "(m) the same, until they are heard",
        "messages_heard_per_s",
        "{messages_heard_per_s:,.0f} messages/s",
    ),
    Row(
        "(n) chains, 32 connections, NOTIFY",
        "notify_steps_per_s",
        "{notify_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "(n) chains, 32 connections, polling",
        "polling_steps_per_s",
        "{polling_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "(n) 32 engines that start, NOTIFY",
        "notify_runs_per_s",
        "{notify_runs_per_s:,.0f} runs/s",
    ),
    Row(
        "(n) 32 engines that start, polling",
        "polling_runs_per_s",
        "{polling_runs_per_s:,.0f} runs/s",
    ),
    Row(
        "(o) plan of a ladder, checked",
        "ladder_validate_ms",
        "{ladder_validate_ms:.0f} ms",
    ),
    Row(
        "(o) goal of 1,000 tasks, answer to first task",
        "goal_first_task_ms",
        "{goal_first_task_ms:.0f} ms",
    ),
    Row(
        "(o) goal of 3 tasks, over its plan",
        "goal_over_plan_ms",
        "{goal3_ms_p50:.1f} - {plan3_ms_p50:.1f} = {goal_over_plan_ms:.1f} ms",
    ),
    Row(
        "import, over pydantic's",
        "import_over_pydantic_ms",
        "{import_over_pydantic_ms:.1f} ms",
    ),
    Row(
        "import of the engine's names",
        "import_names_ms",
        "{import_names_ms:.0f} ms",
    ),
    Row("connect, warm embedded server", "connect_warm_s", "{connect_warm_s:.2f} s"),
    Row("connect, new embedded server", "connect_new_s", "{connect_new_s:.2f} s"),
)

ENDURANCE_ROWS = (
    Row(
        "history: chains, empty database",
        "empty_chains_steps_per_s",
        "{empty_chains_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "history: chains, {history_runs:,.0f} runs",
        "history_chains_steps_per_s",
        "{history_chains_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "history: claim, empty database",
        "empty_claim_ms_p50",
        "{empty_claim_ms_p50:.3f} ms",
    ),
    Row(
        "history: claim, {history_runs:,.0f} runs",
        "history_claim_ms_p50",
        "{history_claim_ms_p50:.3f} ms",
    ),
    Row(
        "history: pick-up, empty database",
        "empty_pickup_ms_p50",
        "{empty_pickup_ms_p50:.2f} ms",
    ),
    Row(
        "history: pick-up, {history_runs:,.0f} runs",
        "history_pickup_ms_p50",
        "{history_pickup_ms_p50:.2f} ms",
    ),
    Row(
        "history: a page of runs, {history_runs:,.0f} runs",
        "history_page_ms_p95",
        "{history_page_ms_p50:.2f} ms, p95 {history_page_ms_p95:.2f}",
    ),
    Row(
        "sustained: each of ten parts",
        "sustained_steps_per_s",
        "{sustained_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "sustained: the second of ten parts",
        "sustained_second_steps_per_s",
        "{sustained_second_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "sustained: the last of ten parts",
        "sustained_last_steps_per_s",
        "{sustained_last_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "snapshot: before it",
        "snapshot_before_steps_per_s",
        "{snapshot_before_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "snapshot: while it is held",
        "snapshot_held_steps_per_s",
        "{snapshot_held_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "snapshot: the worst part of that",
        "snapshot_worst_steps_per_s",
        "{snapshot_worst_steps_per_s:,.0f} steps/s",
    ),
    Row(
        "snapshot: after it",
        "snapshot_after_steps_per_s",
        "{snapshot_after_steps_per_s:,.0f} steps/s",
    ),
)
"""Those of `benchmarks.endurance`."""
