"""The corpus: each plan that is wrong has its issues, each that is right has none."""

from __future__ import annotations

import pytest

from singularity_workflow.orchestrator import Limits, parse_graph, validate
from unit.orchestrator.corpus import CATALOG, MALFORMED, VALID

LIMITS = Limits(max_depth=2, max_tasks=100, max_fan_out=50)
LAST_LEVEL = {"a goal at the last level"}


def issues_of(plan, depth=1):
    """Return what is wrong with a plan, read and validated."""
    graph, issues = parse_graph(plan, goal="goal")
    assert (graph is None) == bool(issues)
    return issues or validate(graph, CATALOG, LIMITS, depth=depth)


@pytest.mark.parametrize(
    ("name", "plan", "codes"), MALFORMED, ids=[one[0] for one in MALFORMED]
)
def test_a_malformed_plan_gives_exactly_its_issues(name, plan, codes):
    """
    Whatever comes in, the answer is a list of issues, each with place and words.
    """
    issues = issues_of(plan, depth=2 if name in LAST_LEVEL else 1)

    assert [issue.code for issue in issues] == codes
    assert all(issue.message for issue in issues)
    assert all(issue.pointer == "" or issue.pointer[0] == "/" for issue in issues)
    assert all(len(str(issue)) < 1_000 for issue in issues)


@pytest.mark.parametrize(("name", "plan"), VALID, ids=[one[0] for one in VALID])
def test_a_good_plan_has_no_issues(name, plan):
    """
    What is right in any of the accepted forms is taken, with all of its tasks.
    """
    graph, issues = parse_graph(plan, goal="goal")

    assert issues == []
    assert validate(graph, CATALOG, LIMITS) == []
    listed = plan["tasks"] if isinstance(plan, dict) else plan
    if not isinstance(listed, str):
        assert len(graph.tasks) == len(listed)


@pytest.mark.parametrize(("name", "plan"), VALID, ids=[one[0] for one in VALID])
def test_a_graph_survives_json(name, plan):
    """
    Reading what a graph is written as gives the same graph.
    """
    graph, _ = parse_graph(plan, goal="goal")

    again, issues = parse_graph(graph.to_json())

    assert issues == []
    assert again == graph


def test_every_code_is_in_the_corpus():
    """
    No code of the design lacks a plan that has it.
    """
    designed = {
        "duplicate_id", "unknown_dependency", "self_dependency", "cycle",
        "unknown_handler", "bad_args", "bad_ref_path", "empty", "too_many_tasks",
        "too_deep", "fan_out_limit", "unreachable_output",
    }  # fmt: skip

    covered = {code for _, _, codes in MALFORMED for code in codes}

    assert designed <= covered
    assert len(MALFORMED) >= 60
    assert len(VALID) >= 20
