"""How a call waits for several goals, and what it does when it is cancelled."""

from __future__ import annotations

import asyncio

import pytest
from engine.support import run

from singularity_workflow.orchestrator.composer import _gather


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_wait_that_is_cancelled_at_once_has_begun(is_fast):
    """
    A coroutine that never ran cannot cancel its goal.
    """

    async def main():
        told = []

        async def wait(number):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(number)
                raise

        call = asyncio.ensure_future(_gather([wait(0), wait(1)], is_fast=is_fast))
        # right after its first step, before anything that this step has scheduled
        asyncio.get_running_loop().call_soon(call.cancel)
        with pytest.raises(asyncio.CancelledError):
            await call
        return told

    assert run(main) == [0, 1]
