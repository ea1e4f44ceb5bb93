"""Names, versions and what an engine knows."""

from __future__ import annotations

import asyncio

import pytest

from engine.support import make_workflow, run, single, unique
from singularity_workflow import (
    AsyncEngine,
    DefinitionError,
    Engine,
    Workflow,
    WorkflowNotFound,
)

VERSIONS = """
select w.version from singularity_workflow.workflows w where w.name = %s
order by w.workflow_id
"""


def test_registering_stores_a_version(engine, sql):
    """
    The first time it is compiled (C 37).
    """
    flow = single(lambda: 1)

    found = engine.register(flow)

    assert (found.workflow, found.outcome) == (flow.name, "compiled")
    assert sql.rows(VERSIONS, flow.name) == [found.version]


def test_registering_again_verifies(engine, sql):
    """
    The same object, or the same shape from another engine (C 38, A 2).
    """
    name = unique()

    def define():
        flow = Workflow(name)
        flow.step(name="a")(lambda: 1)
        return flow

    first = define()
    outcomes = [engine.register(first).outcome for _ in range(2)]
    with engine_like(engine) as other:
        outcomes += [other.register(define()).outcome]

    assert outcomes == ["compiled", "verified", "verified"]
    assert len(sql.rows(VERSIONS, name)) == 1


def engine_like(engine):
    """Return another engine on the same database."""
    return Engine(engine._engine._settings.dsn)


def test_other_options_are_no_other_version(engine, sql):
    """
    Options are not structure (C 43).
    """
    name = unique()
    for attempts in (1, 2):
        flow = Workflow(name, max_attempts=attempts)
        flow.step(name="a")(lambda: 1)
        with engine_like(engine) as other:
            other.register(flow)

    assert len(sql.rows(VERSIONS, name)) == 1


def test_many_engines_register_at_once(dsn, sql):
    """
    All succeed, and one version is stored (C 42).
    """
    name = unique()

    async def register():
        flow = Workflow(name)
        flow.step(name="a")(lambda: 1)
        async with AsyncEngine(dsn) as engine:
            return (await engine.register(flow)).outcome

    async def main():
        return await asyncio.gather(*(register() for _ in range(6)))

    outcomes = run(main)
    assert sorted(set(outcomes)) == ["compiled", "verified"]
    assert outcomes.count("compiled") == 1
    assert len(sql.rows(VERSIONS, name)) == 1


def test_calls_that_come_at_once_register_once(dsn, sql):
    """
    A class is read once, although many runs of it are started at the same time.
    """

    class Flow:
        __workflow_name__ = unique()

        @staticmethod
        def __workflow_steps__():
            return [("a", lambda: 1)]

    async def main():
        async with AsyncEngine(dsn) as engine:
            return await asyncio.gather(*(engine.execute(Flow) for _ in range(10)))

    assert run(main) == [{"a": 1}] * 10
    assert len(sql.rows(VERSIONS, Flow.__workflow_name__)) == 1


def test_a_changed_shape_is_another_version(dsn, sql):
    """
    A run of the old version finishes on the old shape (C 39).
    """

    async def main():
        go = asyncio.Event()
        flow = make_workflow()

        @flow.step
        async def a():
            await go.wait()
            return "a"

        async with AsyncEngine(dsn) as engine:
            old = await engine.start(flow)
            flow.step(name="b", depends_on="a")(lambda a: a + "b")
            new = await engine.start(flow)
            go.set()
            return flow.name, await old.result(), await new.result()

    name, old, new = run(main)
    assert (old, new) == ({"a": "a"}, {"b": "ab"})
    assert len(sql.rows(VERSIONS, name)) == 2


def test_a_workflow_may_be_named(engine):
    """
    One that is registered can be started by its name.
    """
    flow = single(lambda: 1)
    engine.register(flow)

    assert engine.execute(flow.name) == {"step": 1}


def test_an_unknown_name_is_refused_with_a_suggestion(engine):
    """
    The nearest name that is known is in the hint.
    """
    flow = single(lambda: 1)
    engine.register(flow)

    with pytest.raises(WorkflowNotFound) as caught:
        engine.execute(flow.name[:-1])

    assert flow.name in caught.value.hint


def test_an_unknown_name_says_how_to_register(dsn):
    """
    Where nothing is near, the hint says what to do.
    """
    with Engine(dsn) as engine, pytest.raises(WorkflowNotFound) as caught:
        engine.execute("something")

    assert "register" in caught.value.hint


def test_two_workflows_of_one_name_are_refused(engine):
    """
    Two different objects in one engine cannot both be meant.
    """
    first, second = (Workflow(name) for name in [unique()] * 2)
    first.step(name="a")(lambda: 1)
    second.step(name="a")(lambda: 2)
    engine.register(first)

    with pytest.raises(DefinitionError, match="two different workflows"):
        engine.execute(second)

    assert engine.execute(first) == {"a": 1}


def test_a_definition_that_was_refused_takes_no_name(engine):
    """
    Its author mends it and tries again.
    """
    name = unique()
    wrong = Workflow(name)
    wrong.step(name="a")(lambda b, c: 1)
    with pytest.raises(DefinitionError):
        engine.register(wrong)

    right = Workflow(name)
    right.step(name="a")(lambda: 1)

    assert engine.execute(right) == {"a": 1}


@pytest.mark.parametrize("source", [5, None, object(), dict, [], lambda: 1])
def test_something_that_is_no_workflow_is_refused(engine, source):
    """
    The error says what is needed.
    """
    with pytest.raises(DefinitionError, match="workflow"):
        engine.execute(source)


def test_a_workflow_without_steps_is_refused(engine):
    """
    There is nothing to run.
    """
    with pytest.raises(DefinitionError, match="step"):
        engine.execute(make_workflow())


def test_a_cycle_is_refused_with_its_path(engine):
    """
    When the workflow is first used.
    """
    flow = make_workflow()
    flow.step(name="a", depends_on="b")(lambda: 1)
    flow.step(name="b", depends_on="a")(lambda: 1)

    with pytest.raises(DefinitionError, match="a"):
        engine.register(flow)


def test_forcing_makes_an_older_build_current(engine, sql):
    """
    Options of a build that was superseded come back only by `force` (S17).
    """
    name = unique()
    latest = (
        "select w.options->>'max_attempts' from singularity_workflow.workflows w "
        "where w.name = %s"
    )

    def register(attempts, **arguments):
        flow = Workflow(name, max_attempts=attempts)
        flow.step(name="a")(lambda: 1)
        with engine_like(engine) as other:
            other.register(flow, **arguments)
        return sql.value(latest, name)

    assert register(1) == "1"
    assert register(2) == "2"
    assert register(1) == "2"
    assert register(1, force=True) == "1"
