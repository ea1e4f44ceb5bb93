"""A process dies in the middle of a goal: another one reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine.support import Sql, unique, wait_until

from orchestrator.programs.goal import HANGS, House
from singularity_workflow import Engine
from singularity_workflow.orchestrator import Orchestrator

PROGRAM = Path(__file__).with_name("programs") / "goal.py"
PLACES = ["decompose house", "decompose walls", "plan", "bricks", "paint"]
RECORDED = """
select count(*) from singularity_workflow.tasks t
join singularity_workflow.runs r using (run_id)
join singularity_workflow.workflows w using (workflow_id)
where w.name = any (%s) and t.status = 'completed'
"""


def die_at(place, dsn, name, log, *arguments):
    """Run a goal in a process, kill that at a place, and return what the goal was."""
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, name, str(log), *arguments],
        env={**os.environ, HANGS: place},
    )
    house = House(log)
    try:
        wait_until(lambda: place in house.done(), f"{place} to begin")
    finally:
        program.kill()
        program.wait()
    return house


@pytest.mark.parametrize("structure", ["flat", "kept"])
@pytest.mark.parametrize("place", PLACES)
def test_a_goal_survives_its_process(dsn, tmp_path, place, structure):
    """
    Whatever was stored is not done again, and nobody is asked twice for one plan.
    """
    name, log = unique("house"), tmp_path / "log"
    house = die_at(place, dsn, name, log, structure)
    before = house.done()

    with Engine(dsn) as engine:
        (handle,) = Orchestrator(engine).recover(
            house, house.functions, workflow_name=name
        )
        found = handle.result(timeout=25)

    assert found.result == {"paint": {"bricks": "bricks of house"}}
    again = house.done()[len(before) :]
    if place.startswith("decompose"):
        assert again == PLACES
    else:
        assert not any(one.startswith("decompose") for one in again)
        assert again[0] == place


def test_a_crash_is_none_of_the_attempts_of_a_decomposer(dsn, tmp_path):
    """
    It may still raise as often as was said: only what it raises is a failure.
    """
    name, log = unique("house"), tmp_path / "log"
    house = die_at("decompose house", dsn, name, log, "flat", "2")
    asked = []

    def decompose(goal, ctx):
        asked.append(ctx.attempt)
        if len(asked) == 1:
            raise ConnectionError("away")
        return house.decompose(goal)

    with Engine(dsn) as engine:
        (handle,) = Orchestrator(engine).recover(
            decompose, house.functions, workflow_name=name
        )
        found = handle.result(timeout=25)

    assert found.result == {"paint": {"bricks": "bricks of house"}}
    assert asked[:2] == [2, 3]


def test_a_goal_that_was_planned_starts_after_a_crash(dsn, tmp_path):
    """
    The plan is stored, its run is not started: the next process starts it.
    """
    name, log = unique("house"), tmp_path / "log"
    program = subprocess.Popen(
        [sys.executable, "-c", BETWEEN, str(PROGRAM.parent), dsn, name, str(log)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
    )
    sql, house = Sql(dsn), House(log)
    try:
        wait_until(lambda: sql.value(RECORDED, [name]) == 1, "the plan to be stored")
    finally:
        program.kill()
        program.wait()

    with Engine(dsn) as engine:
        (handle,) = Orchestrator(engine).recover(
            house, house.functions, workflow_name=name
        )
        found = handle.result(timeout=25)

    assert found.result == {"paint": {"bricks": "bricks of house"}}
    assert house.done() == PLACES


BETWEEN = """
import sys, time
sys.path.insert(0, sys.argv[1])
from singularity_workflow.orchestrator.running import program
async def hang(self, *arguments):
    time.sleep(600)
program.GoalProgram.execute = hang
import goal
goal.main(*sys.argv[2:], "flat")
"""
