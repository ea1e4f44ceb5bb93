"""Plans that another build of the library has written."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from singularity_workflow import Workflow
from singularity_workflow.orchestrator import Catalog, Limits
from singularity_workflow.orchestrator.running.program import GoalProgram

GRAPH = {"version": 1, "goal": "secret", "tasks": [{"id": "say"}]}
OPTIONS = {"retry_attempts": 1, "is_flat": True, "running": "cancel"}


@pytest.mark.parametrize(
    "carried",
    [
        {},
        {"tree": {"graph": {**GRAPH, "version": 2}}, "options": OPTIONS},
        {"tree": {"graph": {**GRAPH, "secret": 1}}, "options": OPTIONS},
        {"tree": {"graph": GRAPH}, "options": {}},
    ],
    ids=["nothing", "version", "member", "options"],
)
def test_a_plan_that_cannot_be_read_waits_for_another_worker(carried, caplog):
    """
    It is no error of this worker, and its log does not quote the plan.
    """
    caplog.set_level(logging.WARNING)
    catalog = Catalog.of({"say": lambda: 1}, ())
    program = GoalProgram("kind", None, catalog, store=None)
    workflow = Workflow("kind_1")
    workflow.step(lambda: 1, name="say")
    definition = replace(workflow.definition, input_schema={"x-goal": carried})

    assert program.make(definition, ()) is None

    assert "waits for another worker" in caplog.text
    assert "secret" not in caplog.text


def test_limits_of_another_release_are_read_as_far_as_they_are_known():
    """
    A worker of this release can serve goals that a newer one has started.
    """
    found = Limits.from_json({"max_depth": 3, "max_moons": 4})

    assert found == Limits(max_depth=3)
