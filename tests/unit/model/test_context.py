"""Context: what a step sees of its own task."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from singularity_workflow.model.context import Context

RUN = UUID("01890000-0000-7000-8000-000000000001")


def test_names_the_task():
    """
    A task's id is its run, its step and its position.
    """
    ctx = Context(RUN, "etl", "price", 7, 2, timedelta(seconds=30))

    assert ctx.task_id == f"{RUN}/price/7"
    assert (ctx.run_id, ctx.workflow, ctx.step, ctx.index) == (RUN, "etl", "price", 7)
    assert (ctx.attempt, ctx.timeout) == (2, timedelta(seconds=30))
    assert repr(ctx) == f"<Context etl {RUN}/price/7 attempt 2>"


def test_a_single_step_is_task_zero_of_its_first_attempt():
    """
    Index, attempt and timeout have defaults.
    """
    ctx = Context(RUN, "etl", "load")

    assert (ctx.index, ctx.attempt, ctx.timeout) == (0, 1, None)


def test_the_idempotency_key_is_the_same_in_every_attempt():
    """
    Another attempt of a task has its key, and another task has another.
    """
    keys = {Context(RUN, "etl", "price", 7, n).idempotency_key for n in (1, 2, 3)}
    others = {Context(RUN, "etl", "price", n).idempotency_key for n in range(7)}

    assert len(keys) == 1
    assert len(others | keys) == 8


def test_a_cancelled_task_can_tell():
    """
    A step that runs long asks whether it should stop.
    """
    ctx = Context(RUN, "etl", "load")
    before = ctx.cancelled

    ctx.cancel()

    assert (before, ctx.cancelled) == (False, True)


def test_takes_no_other_attributes():
    """
    The context is no place to keep things in; a typing error is an error.
    """
    ctx = Context(RUN, "etl", "load")

    with pytest.raises(AttributeError):
        ctx.atempt = 5
