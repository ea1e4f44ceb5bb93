"""Plans that another build of the library has written."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from singularity_workflow import Workflow
from singularity_workflow.orchestrator import Catalog
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
