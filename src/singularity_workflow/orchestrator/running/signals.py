"""
What a task raises to steer its goal.
"""

from __future__ import annotations

from typing import Final

from singularity_workflow.model.signals import Fail

__all__ = ["NEEDS_REPLAN", "NeedsReplan"]


class NeedsReplan(Fail):
    """
    End this task now, whatever attempts are left: its plan cannot go on as it is.

    The goal's planner is asked for another plan of what is left. In a workflow that is
    no goal's it is a `Fail`.

    Args:
        reason: Why, in words for whoever plans.

    .. versionadded:: 0.1
    """


NEEDS_REPLAN: Final = f"{NeedsReplan.__module__}.{NeedsReplan.__qualname__}"
"""As what it is stored."""
