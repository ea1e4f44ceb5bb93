"""
Tell what happens to goals.

One function, so that whoever listens has one place to listen at.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

__all__ = ["emit"]

logger = logging.getLogger("singularity_workflow.orchestrator")


def emit(
    name: str, run_id: UUID | None, members: Mapping[str, Any], *, is_full: bool = True
) -> None:
    """
    Tell of one event of a goal.

    Args:
        name: Such as `goal_decomposition_completed`.
        run_id: The goal's run; None if it has none.
        members: What there is to say.
        is_full: False: nothing but failures is told.
    """
    level = logging.WARNING if name.endswith("failed") else logging.INFO
    if is_full or level == logging.WARNING:
        logger.log(level, name, extra={"run_id": run_id, "event": {**members}})
