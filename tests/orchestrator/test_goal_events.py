"""What is told of goals: each change once, and no more than was asked for."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine.support import unique, wait_until

from orchestrator.programs.goal import HANGS, House
from orchestrator.support import nested, see
from singularity_workflow import ConfigurationError, DecompositionFailed, Engine
from singularity_workflow.orchestrator import (
    CallableDecomposer,
    Orchestrator,
    OrchestratorNotifications,
    WorkflowComposer,
    goal_hash,
)

PROGRAM = Path(__file__).with_name("programs") / "goal.py"
SECRET = "the merger with Acme"


@pytest.fixture
def start(engine):
    """Start a goal, wait for its end, and return its run id and its events."""
    orchestrator = Orchestrator(engine)

    def run(goal, decomposer=nested, functions=None, **options):
        handle = orchestrator.start_goal(
            goal, decomposer, functions or {"see": see}, **options
        )
        with contextlib.suppress(DecompositionFailed):
            handle.result(timeout=25)
        return handle.id, list(handle.events())

    return run


def types(events):
    """Return the types of events that are about goals."""
    return [one.type for one in events if one.type.startswith(("goal_", "plan_"))]


def test_a_goal_tells_its_way(start):
    """
    Without monitoring: its start, its plan and its end, each once and in this order.
    """
    _, events = start({"city": "Ulm"})

    assert types(events) == [
        "goal_started",
        "goal_decomposition_started",
        "goal_decomposition_completed",
        "goal_completed",
    ]
    assert [one.type for one in events][-1] == "workflow_completed"
    for one in events:
        if one.type.startswith("goal_"):
            assert one.data["goal"] == {"city": "Ulm"}
            assert one.data["goal_hash"] == goal_hash({"city": "Ulm"})
            assert (one.data["parent"], one.data["depth"]) == (None, 1)


def test_monitoring_tells_of_the_goals_within(start):
    """
    With their parent and depth, and of steps and tasks.
    """
    _, events = start("top", monitoring=True)

    (within,) = [
        one
        for one in events
        if one.type == "goal_decomposition_completed" and one.data["depth"] == 2
    ]
    assert within.data["goal"] == "within"
    assert within.data["parent"] == goal_hash("top")
    assert within.data["path"] == ["b"]
    assert {"step_started", "task_started", "task_completed"} <= {
        one.type for one in events
    }


def test_without_monitoring_it_is_the_runs_level(start, engine):
    """
    Of the plan's run its start and end are stored, of its tasks nothing.
    """
    run_id, events = start("top")

    (child,) = engine.list_workflow_runs(parent=run_id)
    assert not {one.type for one in events} & {"step_started", "task_started"}
    found = OrchestratorNotifications(engine).get_recent_events(run_id, limit=1_000)
    assert [one.type for one in found if one.run_id == child.id] == [
        "workflow_started",
        "workflow_completed",
    ]


def test_a_wrong_plan_is_told_with_its_issues(start):
    """
    The decomposition fails, and with it the goal and its run.
    """
    _, events = start("goal", lambda goal: [{"id": "nobody"}])

    assert types(events) == [
        "goal_started",
        "goal_decomposition_started",
        "goal_decomposition_failed",
        "goal_failed",
    ]
    failed = next(one for one in events if one.type == "goal_decomposition_failed")
    assert [one["code"] for one in failed.data["issues"]] == ["unknown_handler"]
    assert failed.data["error_type"] == "DecompositionFailed"


def test_each_attempt_of_a_decomposition_is_told(start):
    """
    Which one it is, the event says like those of any task.
    """
    asked = []

    def flaky(goal):
        asked.append(goal)
        if len(asked) < 2:
            raise ConnectionError("away")
        return [{"id": "see"}]

    _, events = start("goal", flaky)

    found = [
        (one.type.removeprefix("goal_decomposition_"), one.data["attempt"])
        for one in events
        if one.type.startswith("goal_decomposition_")
    ]
    assert found == [("started", 1), ("failed", 1), ("started", 2), ("completed", 2)]


def test_repairs_are_told(start):
    """
    A model's answer that was wrong, with the issues that it was given back with.
    """
    answers = iter(["no plan", '{"tasks": [{"id": "see"}]}'])

    _, events = start("goal", CallableDecomposer(lambda prompt: next(answers)))

    (repaired,) = [one for one in events if one.type == "goal_decomposition_repaired"]
    assert repaired.data["issues"][0]["code"] == "bad_json"


def test_a_large_goal_is_referred_to(start):
    """
    It is stored with the run; events say where and how large it is.
    """
    run_id, events = start({"text": "x" * 70_000})

    for one in events:
        if one.type.startswith("goal_"):
            assert one.data["goal"]["$ref"] == str(run_id)
            assert one.data["goal"]["bytes"] > 70_000


@pytest.mark.parametrize("structure", [False, True])
def test_a_redacted_goal_is_in_no_event(start, sql, structure):
    """
    Neither in those of its run nor in those of its children, whatever quotes it.
    """

    def decompose(goal, ctx):
        if ctx.depth == 1:
            return [{"id": "b", "goal": {"about": SECRET}}, {"id": "see"}]
        return [{"id": "see", "description": SECRET}]

    run_id, events = start(
        {"what": SECRET},
        decompose,
        redact=True,
        monitoring=True,
        preserve_structure=structure,
    )

    stored = sql.rows(
        "select message::text from pgmq.q_workflow_events where message::text like %s",
        f"%{SECRET}%",
    )
    assert stored == []
    assert events[0].data["input"]["$ref"] == str(run_id)
    *within, done = [
        one for one in events if one.type == "goal_decomposition_completed"
    ]
    assert not [one for one in (*within, done) if "goal" in one.data]
    assert done.data["goal_hash"] == goal_hash({"what": SECRET})


def test_a_redacted_goal_that_fails_is_in_no_event(start, sql):
    """
    Errors quote what they are about.
    """

    def decompose(goal):
        raise ValueError(goal)

    secret = unique("secret")
    start(secret, decompose, redact=True, retry_attempts=1, monitoring=True)

    assert not sql.rows(
        "select 1 from pgmq.q_workflow_events where message::text like %s",
        f"%{secret}%",
    )


def test_without_notifications_nothing_is_stored(engine):
    """
    Whoever listens hears nothing, and is told so.
    """
    handle = Orchestrator(engine).start_goal(
        "goal", nested, {"see": see}, real_time_notifications=False
    )
    handle.result(timeout=25)

    with pytest.raises(ConfigurationError, match="stores no events"):
        list(handle.events())


def test_a_plan_is_told_with_its_completion(dsn, tmp_path):
    """
    P21: whoever dies meanwhile, one plan is stored, and told of once.
    """
    name, log = unique("house"), tmp_path / "log"
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, name, str(log), "flat"],
        env={**os.environ, HANGS: "decompose walls"},
    )
    house = House(log)
    try:
        wait_until(lambda: "decompose walls" in house.done(), "it to decompose")
    finally:
        program.kill()
        program.wait()

    with Engine(dsn) as engine:
        (handle,) = Orchestrator(engine).recover(
            house, house.functions, workflow_name=name
        )
        handle.result(timeout=25)
        events = list(handle.events())

    assert types(events).count("goal_decomposition_completed") == 1
    assert types(events)[-1] == "goal_completed"
    assert types(events).count("goal_started") == 1


def test_plan_text_is_data_to_the_end(start):
    """
    Instructions in a goal, in a plan and in an output stay strings, in events too.
    """
    hostile = "'; drop table runs; -- {{7*7}} ${x} __import__('os').system('id') \"}]"
    seen = []

    def keep(text: str) -> str:
        seen.append(text)
        return text

    plan = [
        {"id": "keep", "description": hostile, "args": {"text": hostile}},
        {"id": "again", "handler": "keep", "args": {"text": {"task": "keep"}}},
    ]
    _, events = start(hostile, lambda goal: json.dumps(plan), {"keep": keep})

    assert seen == [hostile, hostile]
    assert events[1].data["goal"] == hostile
    assert events[-1].data["final_result"] == {"_execute": {"again": hostile}}


@pytest.mark.parametrize(
    "task",
    [
        {"id": "a", "handler": "os.system", "args": {"command": "id"}},
        {"id": "a", "handler": "__import__"},
        {"id": "a", "handler": "keep", "args": {"text": {"$eval": "1+1"}}},
        {"id": "a", "handler": "keep", "args": {"text": "x", "ctx": {}}},
        {"id": "a", "handler": "secret"},
    ],
)
def test_a_plan_uses_what_it_is_allowed(start, task):
    """
    What is not among the functions, or not among those allowed, is an issue; so are
    arguments that do not fit.
    """
    ran = []

    def keep(text: str) -> None:
        ran.append(text)

    def secret() -> None:
        ran.append("secret")

    _, events = start(
        "goal", lambda goal: [task], {"keep": keep, "secret": secret}, allow=["keep"]
    )

    assert ran == []
    assert types(events)[-1] == "goal_failed"


def test_a_composer_uses_what_is_allowed(engine):
    """
    With the functions that it is allowed a goal runs as ever.
    """
    found = WorkflowComposer(engine).compose_from_goal(
        "goal", lambda goal: [{"id": "see"}], {"see": see, "other": see}, allow=["see"]
    )

    assert found.result == {"see": {"goal": "goal"}}
