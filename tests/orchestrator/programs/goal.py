"""
Run a goal, hang where the environment says, and be killed there.

    python goal.py DSN WORKFLOW LOG STRUCTURE [ATTEMPTS]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

HANGS = "GOAL_HANGS_AT"


class House:
    """
    A goal within a goal; everything that is done is written down.

    Args:
        log: Where.
    """

    def __init__(self, log):
        self._log = Path(log)
        self.functions = {
            "plan": lambda input: self._do("plan", input["goal"]),
            "bricks": lambda input: self._do("bricks", f"bricks of {input['plan']}"),
            "paint": lambda build: self._do("paint", build),
        }

    def decompose(self, goal):
        self._do(f"decompose {goal}", None)
        if goal == "walls":
            return [{"id": "bricks"}]
        return [
            {"id": "plan"},
            {"id": "build", "goal": "walls", "depends_on": ["plan"]},
            {"id": "paint", "depends_on": ["build"]},
        ]

    def _do(self, what, value):
        with self._log.open("a") as log:
            log.write(what + "\n")
        if os.environ.get(HANGS) == what:
            time.sleep(600)
        return value

    def done(self):
        """Return what was done, in order."""
        return self._log.read_text().splitlines() if self._log.exists() else []


def main(dsn, name, log, structure, attempts="3"):
    """Run the goal."""
    from singularity_workflow import Engine
    from singularity_workflow.orchestrator import Orchestrator

    house = House(log)
    with Engine(dsn, lease=1) as engine:
        Orchestrator(engine).execute_goal(
            "house", house, house.functions, workflow_name=name,
            preserve_structure=structure == "kept", retry_attempts=int(attempts),
            expansion="lazy" if structure == "lazy" else "eager",
        )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
