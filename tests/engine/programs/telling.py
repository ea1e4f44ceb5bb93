"""
Steps for other processes, which tell how they do.
"""

from __future__ import annotations

from singularity_workflow import Context

__all__ = ["tell"]


def tell(ctx: Context) -> str:
    """Tell something in another process."""
    ctx.emit("half_done", {"where": "elsewhere"})
    ctx.progress(1, 1)
    return "done"
