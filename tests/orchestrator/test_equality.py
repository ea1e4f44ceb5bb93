"""P6 and P1 on a real database: how a goal is run does not change what it gives."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from unit.orchestrator.strategies import trees

from singularity_workflow.orchestrator import WorkflowComposer


def see(input, **args):
    """Return all that is to be seen."""
    return {"saw": input, "args": args}


@given(trees())
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_flat_runs_and_child_runs_give_the_same(engine, tree):
    """
    P6: one run of all levels, or a run for each goal.
    """
    composer = WorkflowComposer(engine)

    flat = composer.compose_from_task_graph(tree, {"see": see})
    nested = composer.compose_from_task_graph(
        tree, {"see": see}, preserve_structure=True
    )

    assert flat.result == nested.result
    assert set(flat.result) == {task.id for task in tree.graph.final_tasks}


@pytest.mark.parametrize("level", ["off", "basic", "advanced", "aggressive"])
@pytest.mark.parametrize("seed", range(5))
def test_failures_on_the_way_do_not_change_the_result(engine, level, seed):
    """
    P1: tasks that fail at first give what they give without, at every level.
    """
    draw = random.Random(seed)
    flaky = {f"t{n}" for n in range(8) if draw.random() < 0.4}
    failed = set()

    def work(input, ctx):
        if ctx.step in flaky and ctx.step not in failed:
            failed.add(ctx.step)
            raise ConnectionError(ctx.step)
        return sorted(key for key in input if key.startswith("t"))

    def decompose(goal):
        return [
            {
                "id": f"t{n}", "handler": "work", "retry": {"delay": 0},
                "depends_on": [f"t{m}" for m in range(n) if (n * m + seed) % 3 == 0],
            }
            for n in range(8)
        ]  # fmt: skip

    expected = {
        task["id"]: sorted(task["depends_on"])
        for task in decompose("goal")
        if not any(task["id"] in one["depends_on"] for one in decompose("goal"))
    }

    found = WorkflowComposer(engine).compose_from_goal(
        "goal", decompose, {"work": work}, optimization_level=level
    )

    assert found.result == expected
    assert failed == flaky
