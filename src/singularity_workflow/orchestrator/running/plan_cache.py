"""
Plans that are kept for the next goal that is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from singularity_workflow.errors import SingularityError
from singularity_workflow.model.json_codec import NotJson
from singularity_workflow.orchestrator.decomposers.adapting import Planner
from singularity_workflow.orchestrator.graphs.catalog import Catalog
from singularity_workflow.orchestrator.graphs.goals import goal_hash
from singularity_workflow.orchestrator.graphs.reading import parse_graph
from singularity_workflow.orchestrator.graphs.tree import GoalTree
from singularity_workflow.orchestrator.running.goal_store import GoalStore

__all__ = ["PlanCache"]

logger = logging.getLogger(__name__)


class PlanCache:
    """
    The plans that one decomposer has made.

    Args:
        planner: The decomposer; None: nothing is kept.
        store: Where they are kept.
    """

    def __init__(self, planner: Planner | None, store: GoalStore) -> None:
        self._planner = planner
        self._store = store

    async def find(self, run_input: Any, catalog: Catalog) -> GoalTree | None:
        """
        Return the plan that was made of such a goal before; it is still to be checked.

        Args:
            run_input: The goal's.
            catalog: The functions that it may use.
        """
        key = self._key(run_input, catalog)
        if key is None:
            return None
        try:
            found = await self._store.find_goal_plan(key)
            tree = None if found is None else GoalTree.model_validate(found)
        except (SingularityError, ValueError, RecursionError) as error:
            logger.warning("a cached plan cannot be read: %s", type(error).__name__)
            return None
        if tree is None or _is_damaged(tree, run_input["goal"]):
            return None
        return tree

    async def keep(self, run_input: Any, catalog: Catalog, tree: GoalTree) -> None:
        """Keep a plan for as long as its goal's options say."""
        key = self._key(run_input, catalog)
        if key is None or self._planner is None:
            return
        try:
            await self._store.keep_goal_plan(
                key,
                goal_hash=goal_hash(run_input["goal"]),
                decomposer=self._planner.name,
                version=self._planner.version,
                tree=tree.to_json(),
                seconds=run_input["options"]["cache"],
            )
        except SingularityError as error:
            # the plan is good; to ask for another one would cost more than the cache
            logger.warning("a plan is not kept for the next goal: %s", error.message)

    def _key(self, run_input: Mapping[str, Any], catalog: Catalog) -> str | None:
        """Return what goals with one plan have in common; None: not to be kept."""
        options, planner = run_input["options"], self._planner
        if not options.get("cache") or planner is None or run_input.get("tree"):
            return None
        if run_input.get("nest"):
            return None  # its decomposer sees what others have given
        return goal_hash(
            [
                run_input["goal"],
                planner.identity,
                planner.version,
                catalog.view.hash,
                options["limits"],
                options["expansion"],
            ]
        )


def _is_damaged(tree: GoalTree, goal: Any) -> bool:
    """Tell whether a plan from the cache is not what was written there."""
    try:
        is_other = goal_hash(tree.graph.goal) != goal_hash(goal)
    except NotJson:
        return True
    return is_other or any(parse_graph(one.graph)[1] for _, one in tree.walk())
