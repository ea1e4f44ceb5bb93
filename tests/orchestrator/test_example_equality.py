"""
A11, P1: what a goal gives is the same at every level, whatever fails or dies.

The goals are the examples and, of each seed, one of functions that hash what they get,
whose result plain Python evaluates too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from chaos.server import die_with_parent
from engine.support import Sql

from orchestrator.programs import examples
from singularity_workflow import Engine
from singularity_workflow.orchestrator import Orchestrator

PROGRAM = Path(examples.__file__)
SEEDS = int(os.environ.get("SINGULARITY_WORKFLOW_TEST_SEEDS", "2"))
"""With 200 it takes minutes."""

AT_ONCE = 2 * examples.KILLS_EVERY
"""So that no task is lost three times, which would be its failure."""

PATIENCE = 100


TWICE = """
insert into pgmq.q_swf_tasks (vt, message, headers)
select now(), message, headers from pgmq.q_swf_tasks where msg_id <> all (%s)
returning msg_id
"""
UNSEEN = "delete from pgmq.q_swf_tasks where msg_id = any (%s) returning msg_id"
"""A worker does not look again below what it has taken; nobody would see these."""

EARLY = """
select r.run_id, d.step_no, d.depends_on_no
from singularity_workflow.runs r
join singularity_workflow.workflow_step_dependencies d using (workflow_id)
join singularity_workflow.step_states s
  on s.run_id = r.run_id and s.step_no = d.step_no and s.status = 'completed'
left join singularity_workflow.step_states p
  on p.run_id = r.run_id and p.step_no = d.depends_on_no
where s.started_at < p.ended_at or p.ended_at is null
"""


class Crew:
    """
    Two workers; one that is killed is replaced, and messages are delivered twice.

    Args:
        dsn: Of the database.
        arguments: Further ones of the workers.
    """

    def __init__(self, dsn, *arguments):
        self._arguments = [str(one) for one in (dsn, *arguments)]
        self.codes = []
        self.doubles = 0
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._keep) for _ in range(2)]
        self._threads.append(threading.Thread(target=self._double))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _double(self):
        sent = []
        with psycopg.connect(self._arguments[0], autocommit=True) as connection:
            while not self._is_over.wait(0.02):
                sent += [row[0] for row in connection.execute(TWICE, [sent])]
            unseen = connection.execute(UNSEEN, [sent]).fetchall()
        self.doubles = len(sent) - len(unseen)

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
def test_goals_give_the_same_at_every_level(private, tmp_path):
    """
    Functions and decomposers that fail at first, workers that are killed in the middle
    of one, and messages that come twice, change no result and no order.
    """
    found, deaths, doubles = {}, [], 0
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
                    optimization_level=level, execution="distributed", **goal.options,
                )  # fmt: skip
            for case, goal, *_ in cases:
                found[case] = handles[case].result(timeout=PATIENCE).result
                assert found[case] == goal.gives, case
        deaths += crew.codes
        doubles += crew.doubles

    marks = [one.name for one in tmp_path.iterdir()]
    assert len(found) == len(examples.LEVELS) * (1 + len(examples.goals())) * SEEDS
    assert Sql(private).rows(EARLY) == []
    assert doubles
    kills = sum(one.endswith("-kills") for one in marks)
    assert deaths == [-signal.SIGKILL] * kills
    assert kills == len(range(0, SEEDS, examples.KILLS_EVERY))
    assert sum("-fails-" in one for one in marks) >= len(found)
