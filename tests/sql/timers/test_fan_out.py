"""singularity_workflow.fan_out: create the next chunk of a large map's tasks."""

from __future__ import annotations

import pytest
from fixtures.definitions import map_step, single


def test_the_next_chunk_begins_behind_the_last(db):
    """
    And says what it announced.
    """
    run = db.start(db.make_workflow(map_step("m")), list(range(1_003)))
    now = db.value("select now()")

    announced = db.call("fan_out", run.id, 0, 1_000, now)

    assert [t.item for t in run.tasks()] == list(range(1_003))
    assert announced == run.messages()[-1]["k"]


@pytest.mark.parametrize("end", ["skip", "cancel"])
def test_a_step_that_has_ended_gets_no_more(db, end):
    """
    It failed and was skipped, or its run was cancelled.
    """
    run = db.start(
        db.make_workflow(
            map_step("m", max_attempts=1, on_failure="skip"), single("b", "m")
        ),
        list(range(1_500)),
    )
    if end == "cancel":
        db.cancel(run)
    else:
        db.fail(db.claim(1)[0])

    db.settle()

    assert len(run.tasks("m")) == 1_000
    db.check()


@pytest.mark.parametrize("size", [1_000, 1_001, 25_000])
def test_all_sizes_come_to_their_end(db, size):
    """
    Each element has one task.
    """
    run = db.start(db.make_workflow(map_step("m", initial_tasks=size)))

    db.settle()

    assert db.count("tasks") == size
    assert run.timers() == []
