"""The blocking side has what the other one has, and nothing else."""

from __future__ import annotations

import inspect
import threading

import pytest

from engine.support import fail, run, single
from singularity_workflow import (
    AsyncEngine,
    Engine,
    FlowBuilder,
    Notifications,
    RunHandle,
    Subscription,
    SyncFlowBuilder,
    SyncNotifications,
    SyncRunHandle,
    SyncSubscription,
)

PAIRS = [
    (AsyncEngine, Engine),
    (RunHandle, SyncRunHandle),
    (FlowBuilder, SyncFlowBuilder),
    (Notifications, SyncNotifications),
    (Subscription, SyncSubscription),
]
AS_TEXT = {
    "RunHandle": "SyncRunHandle",
    "AsyncEngine": "Engine",
    "Subscription": "SyncSubscription",
}


def public(kind):
    """Return the public methods and properties of a class, by name."""
    return {
        name: value
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_")
    }


def methods(kind):
    """Return the public methods of a class, by name."""
    return {name: value for name, value in public(kind).items() if callable(value)}


def translated(annotation):
    """Return what stands in the facade for an annotation, or for a parameter."""
    text = str(annotation)
    for ours, theirs in AS_TEXT.items():
        text = text.replace(ours, theirs)
    return text


@pytest.mark.parametrize(("written", "facade"), PAIRS)
def test_both_have_the_same_names(written, facade):
    """
    Whatever can be called there can be called here.
    """
    assert methods(written).keys() == methods(facade).keys()


@pytest.mark.parametrize(("written", "facade"), PAIRS)
def test_both_have_the_same_signatures(written, facade):
    """
    Names, kinds, defaults and annotations of all parameters, and what is returned.
    """
    found = methods(written)
    if written is AsyncEngine:
        found["__init__"] = written.__init__
    for name, method in found.items():
        expected = inspect.signature(method)
        blocking = inspect.signature(getattr(facade, name))
        wanted = {key: translated(one) for key, one in expected.parameters.items()}
        assert {key: str(one) for key, one in blocking.parameters.items()} == wanted
        assert blocking.return_annotation == translated(expected.return_annotation)


@pytest.mark.parametrize(("written", "facade"), PAIRS)
def test_only_one_of_them_has_coroutines(written, facade):
    """
    What is awaited there blocks here.
    """
    for name, value in methods(facade).items():
        assert not inspect.iscoroutinefunction(value), name
    assert any(map(inspect.iscoroutinefunction, methods(written).values()))


@pytest.mark.parametrize("kind", [one for pair in PAIRS for one in pair])
def test_everything_public_has_a_docstring(kind):
    """
    Of the class itself, its own.
    """
    assert kind.__doc__
    for name, value in public(kind).items():
        if isinstance(value, property) or callable(value):
            assert inspect.getdoc(value), f"{kind.__name__}.{name}"


def test_threads_may_share_a_blocking_engine(engine):
    """
    Calls from several threads go on at the same time.
    """
    barrier = threading.Barrier(4, timeout=20)
    flow = single(lambda: barrier.wait() >= 0)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(engine.execute(flow)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert results == [{"step": True}] * 4


def test_a_blocking_engine_works_beside_a_running_loop(dsn):
    """
    As in a notebook, where a loop runs in the same thread.
    """

    async def main():
        with Engine(dsn) as engine:
            return engine.execute(single(lambda: 1))

    assert run(main) == {"step": 1}


def test_a_plain_step_may_call_its_own_engine(engine):
    """
    It runs in a thread, so that the engine can go on.
    """
    inner = single(lambda: 1)

    assert engine.execute(single(lambda: engine.execute(inner))) == {
        "step": {"step": 1}
    }


def test_a_coroutine_step_must_not_block_on_its_own_engine(engine):
    """
    The loop would wait for itself; the error says what to do.
    """
    inner = single(lambda: 1)

    async def step():
        return engine.execute(inner)

    error = fail(engine, single(step, max_attempts=1))

    assert "AsyncEngine" in error.hint


def test_closing_leaves_no_threads(dsn):
    """
    Those of the engine, its heartbeat and its steps end.
    """
    before = set(threading.enumerate())
    with Engine(dsn) as engine:
        engine.execute(single(lambda: 1))
        made = set(threading.enumerate()) - before
    for thread in made:
        thread.join(20)

    assert made
    assert not any(thread.is_alive() for thread in made)
