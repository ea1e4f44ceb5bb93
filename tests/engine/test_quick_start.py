"""The first workflow of the README, in each form in which it can be written."""

from __future__ import annotations

import asyncio
import types

import pytest

from engine.support import make_workflow, run, unique
from singularity_workflow import AsyncEngine, Engine

RESULT = {"step3": {"result": 10}}


def step1(input):
    return {"processed": input["data"] * 2}


def step2(input):
    return {"validated": input["processed"] > 0}


def step3(input):
    return {"result": input["validated"] and input["processed"]}


def listed():
    return [
        ("step1", step1, {"depends_on": []}),
        ("step2", step2, {"depends_on": ["step1"]}),
        ("step3", step3, {"depends_on": ["step1", "step2"]}),
    ]


def as_class():
    class QuickStart:
        __workflow_name__ = unique()

        @staticmethod
        def __workflow_steps__():
            return listed()

    return QuickStart


def with_self():
    class QuickStart:
        __workflow_name__ = unique()

        def __init__(self):
            self.factor = 2

        def __workflow_steps__(self):
            return [("step1", self.step1), *listed()[1:]]

        def step1(self, input):
            return {"processed": input["data"] * self.factor}

    return QuickStart


def decorated():
    flow = make_workflow()
    flow.step(step1)
    flow.step(depends_on=[step1])(step2)
    flow.step(depends_on=[step1, step2])(step3)
    return flow


def as_instance():
    return as_class()()


def with_self_as_instance():
    return with_self()()


def as_module():
    module = types.ModuleType(f"somewhere.{unique()}")
    module.__workflow_steps__ = listed
    return module


@pytest.mark.parametrize(
    "make",
    [
        decorated,
        as_class,
        as_instance,
        with_self,
        with_self_as_instance,
        as_module,
    ],
    ids=["decorators", "class", "instance", "self", "instance with self", "module"],
)
def test_each_form_gives_the_result_of_the_seed(engine, make):
    """
    A `Workflow`, a class, an instance and a module are all workflows.
    """
    assert engine.execute(make(), {"data": 5}) == RESULT


def test_the_blocking_engine_gives_the_same(dsn):
    """
    `Engine` has the same method, which blocks.
    """
    with Engine(dsn) as engine:
        assert engine.execute(decorated(), {"data": 5}) == RESULT


def test_steps_may_be_coroutines(engine):
    """
    Plain functions and coroutine functions mix in one workflow.
    """
    flow = make_workflow()

    @flow.step
    async def double(input):
        return input["data"] * 2

    @flow.step
    def plus_one(double):
        return double + 1

    @flow.step
    async def text(plus_one):
        return str(plus_one)

    assert engine.execute(flow, {"data": 5}) == {"text": "11"}


def test_the_engine_may_be_connected_and_closed_by_hand(dsn):
    """
    `connect` and `close` serve those who cannot use `with`; twice is fine.
    """

    async def main():
        engine = AsyncEngine(dsn)
        assert await engine.connect() is engine
        await engine.connect()
        result = await engine.execute(decorated(), {"data": 5})
        await engine.close()
        await engine.close()
        return result

    assert run(main) == RESULT


def test_two_may_connect_at_the_same_time(dsn):
    """
    They share what was opened, so that one `close` closes it.
    """

    async def main():
        engine = AsyncEngine(dsn)
        await asyncio.gather(engine.connect(), engine.connect())
        result = await engine.execute(decorated(), {"data": 5})
        await engine.close()
        this = asyncio.current_task()
        return result, [one for one in asyncio.all_tasks() if one is not this]

    result, left = run(main)
    assert result == RESULT
    assert left == []


def test_the_blocking_engine_may_be_connected_and_closed_by_hand(dsn):
    """
    The same holds for `Engine`, which can be connected again.
    """
    engine = Engine(dsn)

    for _ in range(2):
        assert engine.connect().connect() is engine
        assert engine.execute(decorated(), {"data": 5}) == RESULT
        engine.close()
        engine.close()


@pytest.mark.parametrize(
    "variable", ["SINGULARITY_WORKFLOW_DATABASE_URL", "DATABASE_URL"]
)
def test_the_address_may_come_from_the_environment(dsn, monkeypatch, variable):
    """
    Without an argument the two variables are looked at.
    """
    monkeypatch.delenv("SINGULARITY_WORKFLOW_DATABASE_URL", raising=False)
    monkeypatch.setenv(variable, dsn)

    with Engine() as engine:
        assert engine.execute(decorated(), {"data": 5}) == RESULT


def test_our_own_variable_goes_before_the_common_one(dsn, monkeypatch):
    """
    `DATABASE_URL` may belong to the application's own database.
    """
    monkeypatch.setenv("SINGULARITY_WORKFLOW_DATABASE_URL", dsn)
    monkeypatch.setenv("DATABASE_URL", "host=127.0.0.1 port=1 dbname=nowhere")

    with Engine() as engine:
        assert engine.execute(decorated(), {"data": 5}) == RESULT
