"""Listening to goals, looking back, and telling others."""

from __future__ import annotations

import inspect
import threading

import pytest
from engine.support import run, unique, wait_until

from orchestrator.support import nested, see
from singularity_workflow import AsyncEngine, InvalidSetting, RunNotFound
from singularity_workflow.orchestrator import (
    Orchestrator,
    OrchestratorNotifications,
    SyncOrchestratorNotifications,
)


@pytest.fixture
def notifications(engine):
    """What is told of goals on the shared engine."""
    return OrchestratorNotifications(engine)


@pytest.fixture
def start(engine):
    """Start a goal."""
    orchestrator = Orchestrator(engine)

    def begin(goal="top", **options):
        return orchestrator.start_goal(goal, nested, {"see": see}, **options)

    return begin


def test_a_goal_is_heard_with_its_child_runs(notifications, start, engine):
    """
    From its beginning to its end, whenever the listener comes; then it ends by itself.
    """
    handle = start(preserve_structure=True)
    handle.result(timeout=25)

    found = list(notifications.listen(handle))

    (child,) = engine.list_workflow_runs(parent=handle.id)
    (inner,) = engine.list_workflow_runs(parent=child.id)
    (plan,) = engine.list_workflow_runs(parent=inner.id)
    assert {one.run_id for one in found} == {handle.id, child.id, inner.id, plan.id}
    assert found[0].type == "workflow_started"
    assert (found[-1].run_id, found[-1].type) == (handle.id, "workflow_completed")


def test_a_goal_is_heard_while_it_runs(notifications, engine):
    """
    And nothing of other goals.
    """
    gate = threading.Event()

    def wait(input):
        assert gate.wait(timeout=25)

    orchestrator = Orchestrator(engine)
    other = orchestrator.start_goal("other", nested, {"see": see})
    handle = orchestrator.start_goal(
        "goal", lambda goal: [{"id": "wait"}], {"wait": wait}, monitoring=True
    )

    heard = []
    with notifications.listen(handle) as events:
        for event in events:
            heard.append(event)
            if event.type == "task_started" and event.step_name == "wait":
                gate.set()

    other.result(timeout=25)
    assert heard[-1].type == "workflow_completed"
    assert not [one for one in heard if one.run_id == other.id]


def test_a_listener_goes_on_from_where_it_was(notifications, start):
    """
    With what it has not dealt with, of child runs that began before too.
    """
    handle = start(preserve_structure=True, monitoring=True)
    handle.result(timeout=25)
    all_of_them = list(notifications.listen(handle))
    half = len(all_of_them) // 2

    rest = list(notifications.listen(handle, after=all_of_them[half].cursor))

    assert [one.seq for one in all_of_them[half + 1 :]] == [
        one.seq for one in rest if one.seq > all_of_them[half].seq
    ]


def test_only_some_types(notifications, start):
    """
    And the end, after which nothing more comes.
    """
    handle = start()
    handle.result(timeout=25)

    found = list(notifications.listen(handle, types="goal_started"))

    assert [one.type for one in found] == ["goal_started", "workflow_completed"]


def test_all_goals_are_heard(notifications, start):
    """
    What is told of goals, from now on; what their runs do otherwise is not in it.
    """
    heard = []
    with notifications.listen(callback=heard.append):
        handles = [start(goal) for goal in ("one", "two")]
        for handle in handles:
            handle.result(timeout=25)
        wait_until(
            lambda: sum(one.type == "goal_completed" for one in heard) >= 2, "the ends"
        )

    assert all(one.type.startswith("goal_") for one in heard)
    assert {one.data["goal"] for one in heard} >= {"one", "two"}


def test_looking_back_at_a_goal(notifications, start):
    """
    The latest so many events, the newest at the end.
    """
    handle = start()
    handle.result(timeout=25)
    everything = list(notifications.listen(handle))

    last = notifications.get_recent_events(handle.id, limit=2)
    some = notifications.get_recent_events(handle, types=["goal_started"])

    assert [one.seq for one in last] == [one.seq for one in everything[-2:]]
    assert [one.type for one in some] == ["goal_started"]


def test_looking_back_at_all_goals(notifications, start):
    """
    Only at what is told of goals.
    """
    goal = unique("goal")
    start(goal).result(timeout=25)

    found = notifications.get_recent_events(limit=50)

    assert all(one.type.startswith(("goal_", "plan_", "news")) for one in found)
    assert goal in [one.data.get("goal") for one in found]


def test_a_broadcast_reaches_who_listens(notifications, start):
    """
    To all goals, and to each goal; it stays as an event.
    """
    handle = start()
    with notifications.listen() as events:
        number = notifications.broadcast("news_of_the_day", {"text": "late"})
        event = next(one for one in events if one.type == "news_of_the_day")
    handle.result(timeout=25)

    assert event.data["data"] == {"text": "late"}
    assert event.run_id is None
    assert number == event.seq >> 16
    found = notifications.get_recent_events(types="news_of_the_day")
    assert event.seq in [one.seq for one in found]


def test_a_broadcast_about_one_goal(notifications, start):
    """
    Who listens to another goal does not hear it.
    """
    mine, other = start("mine"), start("other")
    for handle in (mine, other):
        handle.result(timeout=25)
    kind = unique("news")

    notifications.broadcast(kind, goal=mine)

    assert len(notifications.get_recent_events(mine, types=kind)) == 1
    assert notifications.get_recent_events(other, types=kind) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("goal_nope", "Did you mean 'goal_"),
        ("goal_complete", "Did you mean 'goal_completed'"),
        ("workflow_canceled", "Did you mean 'workflow_cancelled'"),
        ("plan_revision", "plan_revised"),
        ("optimization_done", "engine's are workflow_started"),
        ("Goal Done", "letter"),
    ],
)
def test_types_that_never_come_are_refused(notifications, engine, name, hint):
    """
    Wherever events are asked for by type: neither the engine nor anybody tells them.
    """
    for ask in (
        lambda: notifications.get_recent_events(types=name),
        lambda: notifications.listen(types=["goal_started", name]),
    ):
        with pytest.raises(InvalidSetting, match=hint) as caught:
            ask()
        assert repr(name) in caught.value.message
    if name.islower():
        with pytest.raises(InvalidSetting, match="no events of type"):
            engine.events(types=name)


def test_types_of_an_application_may_be_asked_for(notifications):
    """
    Whether or not one was ever told: nobody knows them before.
    """
    assert notifications.get_recent_events(types=unique("news")) == []


def test_unlisten_ends_it(notifications):
    """
    Twice is fine.
    """
    subscription = notifications.listen()

    notifications.unlisten(subscription)
    notifications.unlisten(subscription)

    assert subscription.is_closed


def test_what_cannot_be_is_refused(notifications):
    """
    Types of the engine, goals that are none, limits without sense.
    """
    unknown = "01a20c24-93b3-7000-826d-b0b054f6d201"

    with pytest.raises(InvalidSetting, match="engine's own"):
        notifications.broadcast("goal_completed")
    with pytest.raises(InvalidSetting, match="GoalHandle"):
        notifications.listen(7)
    with pytest.raises(InvalidSetting, match="limit"):
        notifications.get_recent_events(limit=0)
    with pytest.raises(RunNotFound):
        notifications.get_recent_events(unknown)
    with pytest.raises(RunNotFound):
        notifications.listen(unknown)
    with pytest.raises(InvalidSetting, match="callback"):
        notifications.listen(callback=3)
    with pytest.raises(InvalidSetting, match="need an engine"):
        OrchestratorNotifications("engine")


def test_with_coroutines(dsn):
    """
    The same methods, awaited.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            notifications = OrchestratorNotifications(engine)
            handle = await Orchestrator(engine).start_goal("g", nested, {"see": see})
            async with notifications.listen(handle) as events:
                found = [event.type async for event in events]
            subscription = await notifications.listen()
            await notifications.unlisten(subscription)
            return found, await notifications.get_recent_events(handle, limit=1)

    found, (last,) = run(main)

    assert found[-1] == last.type == "workflow_completed"


def test_the_blocking_twin_has_the_same_methods():
    """
    The same names and parameters.
    """

    def methods(kind):
        return {
            name: list(inspect.signature(one).parameters)
            for name, one in vars(kind).items()
            if not name.startswith("_") and callable(one)
        }

    assert methods(SyncOrchestratorNotifications) == methods(OrchestratorNotifications)
