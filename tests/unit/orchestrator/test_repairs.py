"""A10: what is wrong is mended within two rounds by a model that reads the issues."""

from __future__ import annotations

import asyncio

import pytest

from singularity_workflow.orchestrator import CallableDecomposer, expand
from unit.orchestrator.corpus import CATALOG, MALFORMED
from unit.orchestrator.test_corpus import LAST_LEVEL, LIMITS

GOOD = 'You are right:\n```json\n{"tasks": [{"id": "shape"}]}\n```\nBetter?'


@pytest.mark.parametrize(
    ("name", "plan", "codes"), MALFORMED, ids=[one[0] for one in MALFORMED]
)
def test_each_malformed_plan_is_repaired(name, plan, codes):
    """
    The prompt of the repair has every code, and where in the plan it is.
    """
    prompts = []

    def model(prompt):
        prompts.append(prompt)
        told = codes and all(code in prompt for code in codes[:20])
        return GOOD if len(prompts) > 1 and told else plan

    found = asyncio.run(
        expand(
            "goal",
            CallableDecomposer(model).decompose,
            CATALOG,
            LIMITS,
            depth=2 if name in LAST_LEVEL else 1,
        )
    )

    assert found.issues == ()
    assert found.budget.calls <= 3
    assert [task.id for task in found.tree.graph.tasks] == ["shape"]
