"""A process dies while a goal's plan is made anew: another one reaches the goal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine.support import unique, wait_until

from orchestrator.programs.replan import HANGS, Journey
from singularity_workflow import Engine
from singularity_workflow.orchestrator import Orchestrator

PROGRAM = Path(__file__).with_name("programs") / "replan.py"
ALL = [
    "decompose sea", "pack", "fly", "decompose water", "row", "train", "replan", "bus",
    "arrive",
]  # fmt: skip
PLACES = [
    "fly", "decompose water", "row", "train", "before replan", "replan", "before start",
    "bus", "arrive",
]  # fmt: skip


@pytest.mark.parametrize("expansion", ["eager", "lazy"])
@pytest.mark.parametrize("place", PLACES)
def test_a_goal_that_replans_survives_its_process(dsn, tmp_path, place, expansion):
    """
    P9: what was stored is not done again, and nobody is asked twice for a stored plan.
    """
    name, log = unique("journey"), tmp_path / "log"
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, name, str(log), expansion],
        env={**os.environ, HANGS: place},
    )
    journey = Journey(log)
    try:
        wait_until(lambda: place in journey.done(), f"{place} to begin")
    finally:
        program.kill()
        program.wait()

    with Engine(dsn) as engine:
        (handle,) = Orchestrator(engine).recover(
            journey, journey.functions, workflow_name=name
        )
        found = handle.result(timeout=25)

    assert found.result == {"arrive": "packed for sea"}
    assert found.revisions == 1
    expected = [*ALL]
    if place in expected:  # it was not stored, so it is done once more
        expected.insert(expected.index(place), place)
    assert [one for one in journey.done() if not one.startswith("before")] == expected
