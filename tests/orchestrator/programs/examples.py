"""
The examples as goals, their functions hit by faults, and workers that reach them.

    python examples.py DSN FOLDER FIRST_SEED END_SEED

What of an example is a workflow is here the same functions with a plan in place of
the decorators; what is a goal there is that goal. A seed says which functions fail at
first, and which one kills its process.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import inspect
import os
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from orchestrator.programs.graphs import Graph

EXAMPLES = Path(__file__).parents[3] / "examples"
LEVELS = ("off", "basic", "advanced", "aggressive")
KILLS_EVERY = 3
"""Of the seeds one in so many kills a worker."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """
    What an example does.

    Args:
        name: Of the example, and what it is.
        goal: Its goal.
        decomposer: Who plans it.
        functions: Its functions.
        gives: Its result, as the example's docstring has it.
        options: How it is run.
    """

    name: str
    goal: Any
    decomposer: Any
    functions: dict[str, Any]
    gives: Any
    options: dict[str, Any] = field(default_factory=dict)


def _load(name):
    (path,) = EXAMPLES.glob(f"{name}_*.py")
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _named(module, *names):
    return {name: getattr(module, name) for name in names}


def _plan(tasks):
    def decompose(goal):
        return tasks

    return decompose


def _task(name, *needs, **members):
    return {"id": name, "depends_on": [*needs], **members}


def goals() -> list[Goal]:
    """Return what the examples do, each with its result."""
    shop, words, payments, dynamic, saga = map(_load, ("01", "02", "03", "04", "05"))
    packing, goal, monitored, language, journey = map(
        _load, ("06", "07", "08", "09", "10")
    )

    def payment(goal_name):
        if goal_name == "payment":
            return [_task("charge")]
        return [
            _task("reserve"),
            _task("amount", "reserve", handler="pay"),
            _task("pay", "amount", goal="payment"),
            _task("ship", "pay"),
        ]

    build = "Build authentication system"
    return [
        Goal(
            name="e01", goal={"customer": "Ada", "quantity": 3, "unit_price": 9.5},
            decomposer=_plan(
                [_task("price"), _task("pack"), _task("bill", "price", "pack")]
            ),
            functions=_named(shop, "price", "pack", "bill"),
            gives={"bill": {"to": "Ada", "boxes": 3, "total": 28.5}},
        ),
        Goal(
            name="e02", goal={"text": "one two three"},
            decomposer=_plan([
                _task("split"),
                _task("translate", map_over={"task": "split"}),
                _task("shout", map_over={"task": "translate"}),
                _task("join", "shout"),
            ]),
            functions=_named(words, "split", "translate", "shout", "join"),
            gives={"join": "0:ENO 1:OWT 2:EERHT"},
        ),
        Goal(
            name="e03", goal={"card": "good", "amount": 0},
            decomposer=_plan([_task("charge"), _task("notify", "charge")]),
            functions=_named(payments, "charge", "notify"),
            gives={"notify": "free of charge"},
        ),
        Goal(
            name="e04", goal={"items": "a workflow of four"},
            decomposer=_plan([
                _task("fetch"),
                _task("price", map_over={"task": "fetch"}),
                _task("total", "price"),
            ]),
            functions=_named(dynamic, "fetch", "price", "total"),
            gives={"total": 15},
        ),
        Goal(
            name="e05", goal={"to": "Ada", "quantity": 2}, decomposer=payment,
            functions={
                **_named(saga, "reserve", "pay", "ship"),
                # there a child run, whose input is no more than that
                "charge": lambda input: saga.charge(input["amount"]),
            },
            gives={"ship": "shipped to Ada"},
        ),
        Goal(
            name="e06", goal={"item": "tea"}, decomposer=_plan([_task("pack")]),
            functions=_named(packing, "pack"), gives={"pack": "packed tea"},
        ),
        Goal(
            name="e07", goal=build, decomposer=goal.authentication,
            functions=goal.AUTHENTICATION,
            gives={"test": f"tested: code of a design for: {build}"},
        ),
        Goal(
            name="e07_nested", goal="house", decomposer=goal.house,
            functions=goal.HOUSE, gives={"paint": ["bricks", "mortar"]},
        ),
        Goal(
            name="e08", goal=build, decomposer=monitored.GoalDecomposer(),
            functions=monitored.FUNCTIONS, gives={"test": {"passed": True}},
        ),
        Goal(
            name="e09", goal=language.GOAL,
            decomposer=language.RecordedDecomposer(language.CASSETTE),
            functions=_named(language, "list_shops", "visit", "sum_up"),
            gives={"sum_up": "Ulm: 3 shops"},
        ),
        Goal(
            name="e10", goal="reach the island", decomposer=journey.Journey(),
            functions=journey.FUNCTIONS,
            gives={"cross": "crossed by the bridge, with a bag"},
        ),
    ]  # fmt: skip


MODES = ({}, {"preserve_structure": True}, {"expansion": "lazy"})


def random_goal(seed: int) -> Goal:
    """Return a goal of functions that hash what they get; see `graphs`."""
    graph = Graph(seed)
    return Goal(
        name="graph", goal=graph.goal, decomposer=graph, functions=graph.functions,
        gives=graph.gives(), options=MODES[seed % len(MODES)],
    )  # fmt: skip


class Faults:
    """
    What goes wrong with one goal at one level, each fault once, whatever process it is.

    Args:
        folder: Where it is written down what has gone wrong.
        case: Of the goal, level and seed; a name.
        seed: Decides what goes wrong.
        kills: Whether one of the functions, or the decomposer, kills its process.
        names: The functions.
    """

    def __init__(self, folder, case, seed, names, *, kills):
        draw = random.Random(f"{seed}/{case}")
        places = ["decompose", *sorted(names)]
        self._folder, self._case = Path(folder), case
        self._failures = {one: draw.choice((0, 0, 0, 1, 2)) for one in places}
        self._killer = draw.choice(places) if kills else None

    def strike(self, place):
        """Fail, or die, if that is still to come."""
        if place == self._killer and self._first(f"{place}-kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        for number in range(self._failures[place]):
            if self._first(f"{place}-fails-{number}"):
                raise ConnectionError(f"{place}, {number}")

    def _first(self, what):
        try:
            (self._folder / f"{self._case}-{what}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def function(self, name, function):
        """Return the same function, with faults."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def work(*args, **kwargs):
                self.strike(name)
                return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def work(*args, **kwargs):
                self.strike(name)
                return function(*args, **kwargs)

        return work


class Faulty:
    """A decomposer with faults; it plans anew as the other does."""

    def __init__(self, decomposer, faults):
        from singularity_workflow.orchestrator import as_decomposer

        self._planner, self._faults = as_decomposer(decomposer), faults

    async def decompose(self, goal, ctx):
        self._faults.strike("decompose")
        return await self._planner.decompose(goal, ctx)

    async def replan(self, ctx):
        return await self._planner.replan(ctx)


def cases(first, end):
    """Return the name, the goal, the level and the seed of each case."""
    examples = goals()
    return [
        (f"{goal.name}_{level}_{seed}", goal, level, seed)
        for seed in range(first, end)
        for level in LEVELS
        for goal in [*examples, random_goal(seed)]
    ]


@functools.cache
def _names():
    return [*(one.name for one in goals()), "graph"]


def kills(goal, level, seed):
    """Return whether a case kills a worker: one of all with one seed in a few."""
    number, is_one = divmod(seed, KILLS_EVERY)
    every = _names()
    return (
        is_one == 0
        and level == LEVELS[number % len(LEVELS)]
        and goal.name == every[number % len(every)]
    )


def faulty(folder, case, goal, level, seed):
    """Return the decomposer and the functions of a case, with faults."""
    faults = Faults(
        folder, case, seed, goal.functions, kills=kills(goal, level, seed)
    )  # fmt: skip
    functions = {
        name: faults.function(name, function)
        for name, function in goal.functions.items()
    }
    return Faulty(goal.decomposer, faults), functions


async def main(dsn, folder, first, end):
    """Serve until somebody kills us."""
    from singularity_workflow import AsyncEngine, Worker
    from singularity_workflow.orchestrator import Orchestrator

    async with AsyncEngine(dsn, lease=1) as engine:
        orchestrator = Orchestrator(engine)
        workflows = []
        for case, goal, level, seed in cases(int(first), int(end)):
            decomposer, functions = faulty(folder, case, goal, level, seed)
            workflows.append(
                await orchestrator.goal_workflow(
                    decomposer, functions, workflow_name=case
                )
            )
        async with Worker(engine, workflows, concurrency=40):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
