"""
Run a goal that replans, hang where the environment says, and be killed there.

    python replan.py DSN WORKFLOW LOG EXPANSION
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

HANGS = "GOAL_HANGS_AT"


class Journey:
    """
    A goal whose train does not run; everything that is done is written down.

    Args:
        log: Where.
    """

    def __init__(self, log):
        self._log = Path(log)
        self.functions = {
            "pack": lambda input: self.do("pack", f"packed for {input['goal']}"),
            "train": self.train,
            "bus": lambda pack: self.do("bus", f"by bus, {pack}"),
            "arrive": lambda pack: self.do("arrive", pack),
            "fly": self.fly,
            "row": lambda input: self.do("row", sorted(input)),
        }

    def decompose(self, goal):
        self.do(f"decompose {goal}", None)
        if goal == "water":
            return [{"id": "row"}]
        fly = {"retry": {"max_attempts": 1}, "goal": "water", "depends_on": ["pack"]}
        return [
            {"id": "pack"},
            {"id": "fly", "handler": "fly", **fly},
            {"id": "train", "on_failure": "replan", "depends_on": ["fly"]},
            {"id": "arrive", "depends_on": ["train", "pack"]},
        ]

    def replan(self, ctx):
        self.do("replan", None)
        assert set(ctx.completed) == {"pack", "fly"}
        return [
            {"id": "bus", "depends_on": ["pack"]},
            {"id": "arrive", "depends_on": ["bus", "pack"]},
        ]

    def train(self):
        from singularity_workflow.orchestrator import NeedsReplan

        self.do("train", None)
        raise NeedsReplan("there is none")

    def fly(self):
        self.do("fly", None)
        raise OSError("fog")

    def do(self, what, value):
        with self._log.open("a") as log:
            log.write(what + "\n")
        if os.environ.get(HANGS) == what:
            time.sleep(600)
        return value

    def done(self):
        """Return what was done, in order."""
        return self._log.read_text().splitlines() if self._log.exists() else []


def hang_instead(where, log):
    """Hang where no function of ours is: between two steps."""
    from singularity_workflow.orchestrator.running import program, revisions

    def hang(self, *arguments):
        with Path(log).open("a") as file:
            file.write(where + "\n")
        time.sleep(600)

    async def hang_later(self, run_input, plan):
        if not run_input.get("revision"):
            return await call_plan(self, run_input, plan)
        return hang(self)

    if where == "before replan":
        revisions.Revisions.next_call = hang
    elif where == "before start":
        call_plan = program.GoalProgram.call_plan
        program.GoalProgram.call_plan = hang_later


def main(dsn, name, log, expansion):
    """Run the goal."""
    from singularity_workflow import Engine
    from singularity_workflow.orchestrator import Orchestrator

    journey = Journey(log)
    hang_instead(os.environ.get(HANGS), log)
    with Engine(dsn, lease=1) as engine:
        Orchestrator(engine).execute_goal(
            "sea", journey, journey.functions, workflow_name=name, expansion=expansion
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
