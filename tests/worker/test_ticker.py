"""Duties: what is done again and again, and what is said when it fails."""

from __future__ import annotations

import asyncio
import logging

from singularity_workflow.errors import ConnectionFailed
from singularity_workflow.worker.ticker import Duty


async def failing(errors):
    """Let a duty fail with each of these errors, and then succeed."""
    left = list(errors)
    is_over = asyncio.Event()

    async def call():
        if left:
            duty.due_in(0)
            raise left.pop(0)
        is_over.set()

    duty = Duty("sweeping", call, longest_pause=60)
    duty.start()
    duty.due_in(0)
    await asyncio.wait_for(is_over.wait(), 20)
    await duty.close()


def test_a_duty_that_fails_again_is_complained_of_once(caplog):
    """
    It may be due every second, and fail for hours.
    """
    caplog.set_level(logging.DEBUG, "singularity_workflow")

    asyncio.run(failing([ValueError("broken")] * 3))

    assert [one.levelname for one in caplog.records] == ["ERROR", "DEBUG", "DEBUG"]


def test_a_duty_without_a_database_says_so_once(caplog):
    """
    As a warning, without a traceback.
    """
    asyncio.run(failing([ConnectionFailed("away"), ConnectionFailed("away")]))

    (one,) = [one for one in caplog.records if "sweeping" in one.getMessage()]
    assert (one.levelname, one.exc_info) == ("WARNING", None)
