"""
What goals ask of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

__all__ = ["GoalStore"]


class GoalStore(Protocol):
    """What goals ask of the database."""

    async def register_workflow(
        self, definition: Mapping[str, Any], *, force: bool = False
    ) -> dict[str, Any]: ...

    async def run_status(self, run_id: UUID) -> dict[str, Any]: ...

    async def step_output(self, run_id: UUID, step: str) -> Any: ...

    async def step_outputs(self, run_id: UUID) -> dict[str, Any]: ...

    async def task_children(
        self, run_id: UUID, step: str, index: int = 0
    ) -> list[dict[str, Any]]: ...

    async def failed_attempts(self, run_id: UUID, step: str, index: int = 0) -> int: ...

    async def outputs_below(
        self, run_id: UUID, steps: Collection[str], member: str
    ) -> list[Any]: ...

    async def find_goal_plan(self, key: str) -> Any: ...

    async def keep_goal_plan(
        self,
        key: str,
        *,
        goal_hash: str,
        decomposer: str,
        version: str,
        tree: Mapping[str, Any],
        seconds: float,
    ) -> None: ...
