"""singularity_workflow.task_children: the child runs that one task has started."""

from __future__ import annotations

from uuid import uuid4

import pytest
from fixtures.definitions import child_step, single


@pytest.fixture
def child(db):
    """A workflow of one step."""
    return db.make_workflow(single("c"), name="child")


def test_the_oldest_comes_first(db, child):
    """
    Each attempt of a task has a child of its own, and all are told with their ends.
    """
    retry = {"max_attempts": 2, "delay": 0}
    run = db.start(db.make_workflow(child_step("a", "child", retry=retry)))
    first = db.call_child(db.claim_one(), child)
    db.fail(db.claim_one(), "broken", final=True)
    db.settle()
    second = db.call_child(db.claim_one(), child)

    found = db.call("task_children", run.id, "a")

    assert [one["id"] for one in found] == [str(first.id), str(second.id)]
    assert [one["status"] for one in found] == ["failed", "started"]
    assert found[0]["workflow"] == "child"
    assert found[0]["error"]["error"]["message"] == "broken"


def test_only_those_of_the_task(db, child):
    """
    Other steps, and other elements of a map, have their own.
    """
    run = db.start(db.make_workflow(child_step("a", "child"), single("b")))
    tasks = {task.step: task for task in db.claim()}
    db.call_child(tasks["a"], child)

    assert len(db.call("task_children", run.id, "a")) == 1
    assert db.call("task_children", run.id, "a", 1) == []
    assert db.call("task_children", run.id, "b") == []
    assert db.call("task_children", uuid4(), "a") == []
