"""A11: what an example gives is the same at every level, whatever fails or dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from chaos.server import die_with_parent

from orchestrator.programs import examples
from singularity_workflow import Engine
from singularity_workflow.orchestrator import Orchestrator

PROGRAM = Path(examples.__file__)
SEEDS = int(os.environ.get("SINGULARITY_WORKFLOW_TEST_SEEDS", "2"))
"""With 200 it takes minutes."""

AT_ONCE = 2 * examples.KILLS_EVERY
"""So that no task is lost three times, which would be its failure."""

PATIENCE = 100


class Crew:
    """Two workers; one that is killed is replaced."""

    def __init__(self, *arguments):
        self._arguments = [str(one) for one in arguments]
        self.codes = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._keep) for _ in range(2)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _keep(self):
        while not self._is_over.is_set():
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *self._arguments],
                stdout=subprocess.DEVNULL,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),
            )
            while process.poll() is None and not self._is_over.wait(0.02):
                pass
            if process.poll() is not None:
                self.codes.append(process.returncode)
            process.kill()
            process.wait()


@pytest.mark.timeout(600 + 10 * SEEDS)
def test_examples_give_the_same_at_every_level(private, tmp_path):
    """
    Functions and decomposers that fail at first, and workers that are killed in the
    middle of one, change no result.
    """
    found, deaths = {}, []
    for first in range(0, SEEDS, AT_ONCE):
        end = min(first + AT_ONCE, SEEDS)
        cases = examples.cases(first, end)
        with (
            Crew(private, tmp_path, first, end) as crew,
            Engine(private, lease=1) as engine,
        ):
            orchestrator = Orchestrator(engine)
            handles = {}
            for case, goal, level, seed in cases:
                decomposer, functions = examples.faulty(
                    tmp_path, case, goal, level, seed
                )
                handles[case] = orchestrator.start_goal(
                    goal.goal, decomposer, functions, workflow_name=case,
                    optimization_level=level, execution="distributed",
                )  # fmt: skip
            for case, goal, *_ in cases:
                found[case] = handles[case].result(timeout=PATIENCE).result
                assert found[case] == goal.gives, case
        deaths += crew.codes

    marks = [one.name for one in tmp_path.iterdir()]
    assert len(found) == len(examples.LEVELS) * len(examples.goals()) * SEEDS
    kills = sum(one.endswith("-kills") for one in marks)
    assert deaths == [-signal.SIGKILL] * kills
    assert kills == len(range(0, SEEDS, examples.KILLS_EVERY))
    assert sum("-fails-" in one for one in marks) >= len(found)
