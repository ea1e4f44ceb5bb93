"""
What the plans of a goal have taken: time, calls and tokens, over all of its parts.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from singularity_workflow.orchestrator.graphs.limits import Budget, Limits
from singularity_workflow.orchestrator.planning.expansion import Expansion
from singularity_workflow.orchestrator.planning.step_names import DECOMPOSE, REPLAN
from singularity_workflow.orchestrator.running.goal_store import GoalStore

__all__ = ["Spending", "Spent", "usage_of"]

_MOST_GOALS: Final = 256
_AMOUNTS: Final = ("expansions", "calls", "tokens", "decomposition_time")


@dataclass(slots=True)
class Spent:
    """Whether what was used is told by the plan that came of it."""

    is_kept: bool = False


class Spending:
    """
    What goals have used.

    Args:
        store: Where their plans are, each with what it took.

    What a plan that is kept has used is with that plan. What attempts without one have
    used is known here only, as long as this process lives.
    """

    def __init__(self, store: GoalStore) -> None:
        self._store = store
        self._lost: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def lost(self, limits: Limits, root: str) -> Budget:
        """Return the budget of a first plan, after attempts that have given none."""
        return Budget(limits, before=self._lost.get(root))

    async def budget(self, limits: Limits, root: str) -> tuple[Budget, int]:
        """Return what all parts of a goal have used so far, and their tasks."""
        used = await self._store.outputs_below(UUID(root), [DECOMPOSE, REPLAN], "stats")
        lost = self._lost.get(root, {})
        before = {
            name: sum(one[name] for one in used) + lost.get(name, 0)
            for name in _AMOUNTS
        }
        tasks = sum(one["tasks"] for one in used if not one.get("is_revision"))
        return Budget(limits, before=before), tasks

    @contextlib.contextmanager
    def counting(self, root: str, budget: Budget) -> Iterator[Spent]:
        """Count what is used within for nothing, for what comes after it."""
        spent = Spent()
        try:
            yield spent
        finally:
            if not spent.is_kept:
                used = (
                    budget.expansions, budget.calls, budget.tokens, budget.elapsed,
                )  # fmt: skip
                lost = self._lost.get(root, {})
                self._lost[root] = {
                    name: lost.get(name, 0) + one - budget.before[name]
                    for name, one in zip(_AMOUNTS, used, strict=True)
                }
                while len(self._lost) > _MOST_GOALS:
                    self._lost.popitem(last=False)


def usage_of(found: Expansion, seconds: float) -> dict[str, Any]:
    """Return what one plan has taken, in figures."""
    budget = found.budget
    assert found.tree is not None
    return {
        "depth": found.tree.depth,
        "expansions": budget.expansions - budget.before["expansions"],
        "calls": budget.calls - budget.before["calls"],
        "tokens": budget.tokens - budget.before["tokens"],
        "decomposition_time": round(seconds, 6),
    }
