"""
A program that waits in `Engine.execute` for ever; prints the id of its run.
"""

from __future__ import annotations

import asyncio
import sys

from singularity_workflow import Engine, Workflow

flow = Workflow("blocking_program")


@flow.step
async def hang(ctx):
    """Say that the step runs, and never end."""
    print(ctx.run_id, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    with Engine(sys.argv[1]) as engine:
        engine.execute(flow)
