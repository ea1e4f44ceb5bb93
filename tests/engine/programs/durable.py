"""
A workflow of several steps, and a program that dies in the middle of it.

Each step writes a line to the file that the run's input names.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from singularity_workflow import Engine, Workflow

HANGS = "DURABLE_PROGRAM_HANGS_AT"


def make_flow(name: str) -> Workflow:
    """Return the workflow; whoever has the same one can go on with its runs."""
    flow = Workflow(name)

    def say(run_input: dict[str, str], what: str) -> None:
        with Path(run_input["log"]).open("a", encoding="utf-8") as log:
            log.write(f"{what}\n")
        if os.environ.get(HANGS) == what:
            threading.Event().wait()

    @flow.step
    def load(run_input):
        say(run_input, "load")
        return [1, 2, 3, 4]

    @flow.map(over="load")
    def square(item, run_input):
        say(run_input, f"square {item}")
        return item * item

    @flow.step
    def total(square, run_input):
        say(run_input, "total")
        return sum(square)

    @flow.step
    def report(total, run_input):
        say(run_input, "report")
        return f"the sum is {total}"

    return flow


RESULT = {"report": "the sum is 30"}
LINES = ["load", "square 1", "square 2", "square 3", "square 4", "total", "report"]


if __name__ == "__main__":
    dsn, name, log = sys.argv[1:]
    with Engine(dsn, lease=1) as engine:
        handle = engine.start(make_flow(name), {"log": log})
        print(handle.id, flush=True)  # noqa: T201
        handle.result()
