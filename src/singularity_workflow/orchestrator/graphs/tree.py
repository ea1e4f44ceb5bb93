"""
A goal with all that it was decomposed into: graphs within graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from singularity_workflow.orchestrator.graphs.graph import TaskGraph

__all__ = ["GoalTree"]


class GoalTree(BaseModel):
    """
    A task graph, and those of its compound tasks.

    Args:
        graph: The graph.
        nested: What its compound tasks were decomposed into, by task id.

    .. versionadded:: 0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    graph: TaskGraph
    nested: dict[str, GoalTree] = Field(default_factory=dict)

    def walk(self) -> Iterator[tuple[tuple[str, ...], GoalTree]]:
        """Yield each tree in this one with its path of task ids, itself first."""
        waiting: list[tuple[tuple[str, ...], GoalTree]] = [((), self)]
        while waiting:
            path, tree = waiting.pop()
            yield path, tree
            waiting += [((*path, name), one) for name, one in tree.nested.items()]

    @property
    def task_count(self) -> int:
        """How many tasks there are in all levels, compound ones included."""
        return sum(len(tree.graph.tasks) for _, tree in self.walk())

    @property
    def depth(self) -> int:
        """Levels of graphs, this one included."""
        return 1 + max(len(path) for path, _ in self.walk())

    def to_json(self) -> dict[str, Any]:
        """Return the tree as plain JSON values; `model_validate` takes them back."""
        data: dict[str, Any] = {"graph": self.graph.to_json()}
        if self.nested:
            data["nested"] = {name: one.to_json() for name, one in self.nested.items()}
        return data
