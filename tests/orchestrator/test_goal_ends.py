"""Every goal has one start and one end among its events, whoever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from engine.support import unique, wait_until

from orchestrator.programs.goal import HANGS, House
from singularity_workflow import (
    Engine,
    RunCancelled,
    RunFailed,
    RunTimeout,
    StepNotFound,
    Workflow,
)
from singularity_workflow.orchestrator import (
    NeedsReplan,
    Orchestrator,
    OrchestratorNotifications,
    goal_hash,
)

PROGRAM = Path(__file__).with_name("programs") / "goal.py"
ENDS = ("goal_completed", "goal_failed", "goal_cancelled")
NESTED = [{"preserve_structure": True}, {"expansion": "lazy"}]
ONCE = {"max_attempts": 1}


@pytest.fixture
def hear(engine):
    """Return what is told of a goal and of those within it, by goal's hash."""

    def listen(handle):
        found = {}
        for event in OrchestratorNotifications(engine).listen(handle):
            if event.type in ("goal_started", *ENDS):
                found.setdefault(event.data["goal_hash"], []).append(event)
        return found

    return listen


def house(goal):
    """Decompose into a task and a goal."""
    if goal == "walls":
        return [{"id": "work"}]
    return [{"id": "build", "goal": "walls"}]


def types(events):
    """Return the types of events."""
    return [event.type for event in events]


async def forever():
    """Never end."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["cancel", "sql", "timeout"])
def test_a_goal_that_is_cancelled_says_so(engine, sql, hear, how):
    """By its handle, by SQL or by the clock."""
    began = []

    async def work():
        began.append(1)
        await forever()

    handle = Orchestrator(engine).start_goal(
        "house", house, {"work": work}, expansion="lazy",
        timeout=0.5 if how == "timeout" else None,
    )  # fmt: skip
    if how != "timeout":
        wait_until(lambda: began, "the task to begin")
    if how == "cancel":
        handle.cancel("enough")
    elif how == "sql":
        sql.rows(
            "select singularity_workflow.cancel_runs(array[%s::uuid], 'enough')",
            handle.id,
        )
    with pytest.raises((RunCancelled, RunTimeout)):
        handle.result(timeout=25)

    events = hear(handle)[goal_hash("house")]
    assert types(events) == ["goal_started", "goal_cancelled"]
    reason = "deadline" if how == "timeout" else "enough"
    assert events[-1].data["reason"] == reason
    assert [one.type for one in handle.events()][-2:] == [
        "goal_cancelled", "workflow_cancelled",
    ]  # fmt: skip


def test_a_goal_within_a_cancelled_one_is_cancelled(engine):
    """Soon after it, as its run is."""
    began = []

    async def work():
        began.append(1)
        await forever()

    handle = Orchestrator(engine).start_goal(
        "house", house, {"work": work}, preserve_structure=True
    )
    wait_until(lambda: began, "the task to begin")
    (plan,) = engine.list_workflow_runs(parent=handle.id)
    (walls,) = engine.list_workflow_runs(parent=plan.id)
    handle.cancel("enough")
    wait_until(
        lambda: engine.get_run_status(walls.id)[0] == "cancelled", "the walls to end"
    )

    found = OrchestratorNotifications(engine).get_recent_events(
        walls.id, types=["goal_started", *ENDS]
    )

    told = [event.type for event in found if event.run_id == walls.id]
    assert told == ["goal_started", "goal_cancelled"]


@pytest.mark.parametrize("options", NESTED, ids=["kept", "lazy"])
def test_a_goal_within_a_goal_starts_and_completes(engine, hear, options):
    """With its parent and its depth, once each."""
    handle = Orchestrator(engine).start_goal(
        "house", house, {"work": lambda: 1}, **options
    )
    handle.result(timeout=25)

    found = hear(handle)

    assert set(found) == {goal_hash("house"), goal_hash("walls")}
    for events in found.values():
        assert types(events) == ["goal_started", "goal_completed"]
    for event in found[goal_hash("walls")]:
        assert event.data["goal"] == "walls"
        assert event.data["parent"] == goal_hash("house")
        assert event.data["depth"] == 2


@pytest.mark.parametrize("options", NESTED, ids=["kept", "lazy"])
def test_a_goal_within_a_redacted_one_is_redacted(engine, hear, options):
    """Its hash is all that is told of it."""
    handle = Orchestrator(engine).start_goal(
        "house", house, {"work": lambda: 1}, redact=True, **options
    )
    handle.result(timeout=25)

    for event in hear(handle)[goal_hash("walls")]:
        assert set(event.data["goal"]) == {"$ref", "bytes"}
        assert event.data["parent"] == goal_hash("house")


def test_a_goal_within_a_goal_fails(engine, hear):
    """In front of the one around it."""
    handle = Orchestrator(engine).start_goal(
        "house", house, {"work": lambda: 1 / 0}, retry_attempts=1, expansion="lazy"
    )
    with pytest.raises(RunFailed):
        handle.result(timeout=25)

    for events in hear(handle).values():
        assert types(events) == ["goal_started", "goal_failed"]


def test_a_goal_in_place_of_a_function_starts(engine, hear):
    """The run in which the function was tried is none of a goal."""
    tasks = {"id": "try", "handler": "fail", "goal": "walls", "retry": ONCE}
    handle = Orchestrator(engine).start_goal(
        "house",
        lambda goal: [{"id": "work"}] if goal == "walls" else [tasks],
        {"fail": lambda: 1 / 0, "work": lambda: 1},
    )
    handle.result(timeout=25)

    assert [types(events) for events in hear(handle).values()] == [
        ["goal_started", "goal_completed"]
    ] * 2


def test_a_goal_that_is_planned_anew_is_one(engine, hear):
    """Its further plans begin no further goal."""
    tried = []

    def work():
        tried.append(1)
        if len(tried) == 1:
            raise NeedsReplan("no bricks")

    handle = Orchestrator(engine).start_goal("walls", house, {"work": work})
    handle.result(timeout=25)

    (events,) = hear(handle).values()
    assert types(events) == ["goal_started", "goal_completed"]


@pytest.mark.parametrize("place", ["decompose walls", "bricks", "paint"])
def test_starts_and_ends_survive_a_crash(dsn, tmp_path, place):
    """Whoever dies when, each goal has started once and ended once."""
    name, log = unique("house"), tmp_path / "log"
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, name, str(log), "lazy"],
        env={**os.environ, HANGS: place},
    )
    builder = House(log)
    try:
        wait_until(lambda: place in builder.done(), f"{place} to begin")
    finally:
        program.kill()
        program.wait()

    with Engine(dsn) as engine:
        (handle,) = Orchestrator(engine).recover(
            builder, builder.functions, workflow_name=name
        )
        handle.result(timeout=25)
        events = list(OrchestratorNotifications(engine).listen(handle))

    told = Counter(
        (event.type, event.data["goal"])
        for event in events
        if event.type in ("goal_started", *ENDS)
    )
    assert told == {
        (kind, goal): 1
        for kind in ("goal_started", "goal_completed")
        for goal in ("house", "walls")
    }


def test_metadata_makes_no_goal(engine):
    """A run of a user's says what it wants, and is none; nor does it hide values."""
    flow = Workflow(unique("plain"))
    flow.step(name="work")(lambda: 1)
    handle = engine.start(
        flow,
        {"goal": "x"},
        metadata={"kind": "goal", "goal_hash": "ab", "depth": 1, "redact": True},
    )
    handle.result(timeout=25)

    events = list(handle.events())

    assert not [event for event in events if event.type.startswith("goal_")]
    assert events[0].data["input"] == {"goal": "x"}
    with pytest.raises(StepNotFound, match="not that of a goal"):
        Orchestrator(engine).get_execution_stats(handle.id)


def test_a_wrong_plan_is_an_end(engine, hear):
    """Of the goal, as of its run."""
    handle = Orchestrator(engine).start_goal("house", lambda _: [], {"work": print})
    with contextlib.suppress(ValueError):
        handle.result(timeout=25)

    assert types(hear(handle)[goal_hash("house")]) == ["goal_started", "goal_failed"]
