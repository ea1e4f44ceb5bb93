"""
Goals of functions that hash what they are given, and what they give by plain Python.

A seed says which tasks there are, on what each depends, and which are goals.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any


def digest(*parts: Any) -> str:
    """Return a hash that shows any change of what a function was given."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def work(name, **refs):
    """Return who it was, and a hash of all it was given."""
    return {"name": name, "hash": digest(name, refs)}


class Graph:
    """
    A goal with goals in it.

    Args:
        seed: Decides all of it.
        depth: How many levels there are at most.
    """

    functions = {"work": work}  # noqa: RUF012

    def __init__(self, seed: int, depth: int = 3) -> None:
        self._seed = seed
        self._depth = depth

    @property
    def goal(self) -> dict[str, Any]:
        """The first goal."""
        return {"at": []}

    def decompose(self, goal: Any) -> list[dict[str, Any]]:
        """Return the tasks of one level."""
        path = goal["at"]
        draw = random.Random(f"{self._seed}/{path}")
        tasks: list[dict[str, Any]] = []
        for number in range(draw.randint(2, 4)):
            name = "_".join(["t", *map(str, [*path, number])])
            earlier = [task["id"] for task in tasks]
            needs = draw.sample(earlier, draw.randint(0, min(2, len(earlier))))
            if len(path) < self._depth - 1 and draw.random() < 0.4:
                tasks.append(
                    {"id": name, "goal": {"at": [*path, number]}, "depends_on": needs}
                )
                continue
            refs = {f"r{place}": {"task": one} for place, one in enumerate(needs)}
            # half of the edges are references only
            tasks.append({
                "id": name, "handler": "work", "args": {"name": name, **refs},
                "depends_on": needs if draw.random() < 0.5 else [],
            })  # fmt: skip
        return draw.sample(tasks, len(tasks))

    def gives(self, goal: Any = None) -> dict[str, Any]:
        """Return the result, evaluated without any of the library."""
        tasks = {task["id"]: task for task in self.decompose(goal or self.goal)}
        outputs: dict[str, Any] = {}
        while len(outputs) < len(tasks):
            for name, task in tasks.items():
                if name not in outputs and _needs(task) <= set(outputs):
                    outputs[name] = self._output(task, outputs)
        needed = set().union(*map(_needs, tasks.values()))
        return {name: one for name, one in outputs.items() if name not in needed}

    def _output(self, task: dict[str, Any], outputs: dict[str, Any]) -> Any:
        if "goal" in task:
            return self.gives(task["goal"])
        args = task["args"]
        refs = {key: outputs[args[key]["task"]] for key in args if key != "name"}
        return work(args["name"], **refs)

    def leaves(self, task: dict[str, Any]) -> set[str]:
        """Return the functions' tasks that a task is, or is decomposed into."""
        if "goal" not in task:
            return {task["id"]}
        return set().union(*map(self.leaves, self.decompose(task["goal"])))

    def edges(self, goal: Any = None) -> Iterator[tuple[str, str]]:
        """Yield what comes before what, of all levels."""
        tasks = {task["id"]: task for task in self.decompose(goal or self.goal)}
        for task in tasks.values():
            for name in _needs(task):
                for before in self.leaves(tasks[name]):
                    for after in self.leaves(task):
                        yield before, after
            if "goal" in task:
                yield from self.edges(task["goal"])


def _needs(task: dict[str, Any]) -> set[str]:
    refs = [one["task"] for key, one in task.get("args", {}).items() if key != "name"]
    return {*task["depends_on"], *refs}
