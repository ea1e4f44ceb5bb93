"""
Many runs at once, the way that the engine offers for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from singularity_workflow import AsyncEngine, Workflow

__all__ = ["run_all"]


async def run_all(
    engine: AsyncEngine, workflow: Workflow, inputs: Sequence[object]
) -> list[dict[str, Any]]:
    """Start a run for each input, in bulk; return their results in order."""
    if hasattr(engine, "start_many") and hasattr(engine, "results"):
        handles = await engine.start_many(workflow, inputs)
        results: list[dict[str, Any]] = await engine.results(handles)
        return results
    return await asyncio.gather(*(engine.execute(workflow, one) for one in inputs))
