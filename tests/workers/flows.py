"""
The workflows of these tests, as worker processes import them.

A run's input names a folder. Steps write there what they do, and wait there until the
test opens a gate; see `support.Stage`. Everything ends by itself within a minute.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

from singularity_workflow import Context, RetryPolicy, Workflow
from singularity_workflow.orchestrator import Orchestrator

LIFETIME = "SWF_TEST_LIFETIME"
"""Seconds after which a worker ends by itself: a killed test leaves none behind."""

LONGEST_WAIT = 60.0
_POLL = 0.005


def note(stage: dict[str, str], what: str) -> None:
    """Write down what is done, and in which process."""
    with Path(stage["folder"], "notes").open("a", encoding="utf-8") as notes:
        notes.write(f"{what} {os.getpid()}\n")


def is_open(stage: dict[str, str], gate: str) -> bool:
    """Tell whether the test has opened a gate."""
    return Path(stage["folder"], gate).exists()


async def pass_gate(stage: dict[str, str], gate: str) -> None:
    """Wait until the test opens a gate."""
    async with asyncio.timeout(LONGEST_WAIT):
        while not is_open(stage, gate):
            await asyncio.sleep(_POLL)


def pass_gate_in_thread(stage: dict[str, str], gate: str) -> None:
    """Wait until the test opens a gate."""
    end = time.monotonic() + LONGEST_WAIT
    while not is_open(stage, gate) and time.monotonic() < end:
        time.sleep(_POLL)


def end_in_time() -> None:
    """Let this process end by itself when it is told how long it may live."""
    if lifetime := os.environ.get(LIFETIME):
        end = threading.Timer(float(lifetime), os._exit, (75,))
        end.daemon = True
        end.start()


end_in_time()

# one step, and a chain of three

quick = Workflow("quick")


@quick.step
async def answer(run_input) -> int:
    note(run_input, "answer")
    return 42


chain = Workflow("chain")


@chain.step
async def one(run_input) -> int:
    note(run_input, "one")
    return 1


@chain.step
def two(one: int, run_input) -> int:
    note(run_input, "two")
    return one + 1


@chain.step
async def three(two: int, run_input) -> int:
    note(run_input, "three")
    return two + 1


passing = Workflow("passing")


@passing.step
async def before(run_input) -> int:
    note(run_input, "gated")
    await pass_gate(run_input, "gate")
    return 1


@passing.step
async def after(before: int, run_input) -> int:
    note(run_input, "after")
    return before + 1


# steps that last until the test lets them go

gated = Workflow("gated")


@gated.step
async def gate(run_input, ctx: Context) -> str:
    note(run_input, f"attempt-{ctx.attempt}")
    try:
        await pass_gate(run_input, "gate")
    except asyncio.CancelledError:
        note(run_input, "stopped")
        raise
    note(run_input, "passed")
    return "passed"


wide = Workflow("wide")


@wide.map
async def element(item: int, run_input) -> int:
    stage = run_input["stage"]
    note(stage, "began")
    await pass_gate(stage, "gate")
    note(stage, "ended")
    return item


threaded = Workflow("threaded")


@threaded.step
def hold(run_input, ctx: Context) -> int:
    note(run_input, f"attempt-{ctx.attempt}")
    pass_gate_in_thread(run_input, "gate")
    return ctx.attempt


stumbling = Workflow("stumbling", retry=RetryPolicy(delay=2, jitter=False))


@stumbling.step
async def stumble(run_input, ctx: Context) -> str:
    note(run_input, f"attempt-{ctx.attempt}")
    if ctx.attempt == 1:
        raise ValueError("at first")
    return ctx.idempotency_key


# a task that takes its worker with it, and one that is beside it

poison = Workflow("poison", retry=RetryPolicy(max_attempts=1))


@poison.step
def drink(run_input) -> None:
    note(run_input, "drink")
    os.kill(os.getpid(), signal.SIGKILL)


# a process of its own for a step

apart = Workflow("apart", retry=RetryPolicy(max_attempts=2, delay=0))


@apart.step(executor="process", timeout=1.5)
def loop_at_first(run_input, ctx: Context) -> int:
    note(run_input, f"attempt-{ctx.attempt}")
    if ctx.attempt == 1:
        end = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < end:
            pass
    return os.getpid()


elsewhere = Workflow("elsewhere")


@elsewhere.step(executor="process")
def pid() -> int:
    return os.getpid()


suicide = Workflow("suicide", retry=RetryPolicy(max_attempts=2, delay=0))


@suicide.step(executor="process")
def die_at_first(ctx: Context) -> int:
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return ctx.attempt


# writes that belong to the result

_INSERT = "insert into effects (key) values (%s)"

book = Workflow("book", retry=RetryPolicy(max_attempts=5, delay=0))


@book.step
async def write(run_input, ctx: Context) -> str:
    async with ctx.transaction() as connection:
        await connection.execute(_INSERT, (ctx.idempotency_key,))
    note(run_input, f"attempt-{ctx.attempt}")
    await pass_gate(run_input, "gate")
    return "written"


book_in_thread = Workflow("book_in_thread", retry=RetryPolicy(max_attempts=5, delay=0))


@book_in_thread.step
def write_in_thread(run_input, ctx: Context) -> str:
    with ctx.transaction() as connection:
        connection.execute(_INSERT, (ctx.idempotency_key,))
    note(run_input, f"attempt-{ctx.attempt}")
    pass_gate_in_thread(run_input, "gate")
    return "written"


detached = Workflow("detached", retry=RetryPolicy(max_attempts=1))


@detached.step(executor="process")
def write_elsewhere(ctx: Context) -> None:
    with ctx.transaction():
        pass


# queues

mixed = Workflow("mixed")


@mixed.step
async def prepare(run_input) -> int:
    note(run_input, "prepare")
    return os.getpid()


@mixed.step(queue="gpu")
async def train(prepare: int, run_input) -> list[int]:
    note(run_input, "train")
    return [prepare, os.getpid()]


# what the command is given beside the workflows

resourceful = Workflow("resourceful")


@resourceful.step
async def use(client) -> str:
    return client


def make_resources() -> dict[str, str]:
    """Return what `--resources` names."""
    return {"client": "a client"}


# blocking the event loop

blocking = Workflow("blocking")


@blocking.step
async def block_the_loop(run_input) -> str:
    note(run_input, "began")
    pass_gate_in_thread(run_input, "gate")
    return "done"


# steps that say when they are stopped, wherever they run

stoppable = Workflow("stoppable", max_attempts=1)


@stoppable.step
async def coroutine(run_input) -> None:
    note(run_input, "coroutine-began")
    try:
        await pass_gate(run_input, "gate")
    except asyncio.CancelledError:
        note(run_input, "coroutine-stopped")
        raise


@stoppable.step
def thread(run_input, ctx: Context) -> None:
    note(run_input, "thread-began")
    end = time.monotonic() + LONGEST_WAIT
    while not is_open(run_input, "gate") and time.monotonic() < end:
        if ctx.cancelled:
            note(run_input, "thread-stopped")
            return
        time.sleep(_POLL)


@stoppable.step(executor="process")
def process(run_input) -> None:
    note(run_input, "process-began")
    pass_gate_in_thread(run_input, "gate")


calling = Workflow("calling", max_attempts=1)
calling.child(stoppable, name="call")

# what is undone when it fails, by whoever is alive then

saga = Workflow("saga", max_attempts=1)


async def undo_first(run_input, output) -> None:
    note(run_input, f"undoing-{output}")
    await pass_gate(run_input, "undo")
    note(run_input, f"undid-{output}")


def undo_second(run_input, output) -> None:
    note(run_input, f"undid-{output}")


@saga.step(compensate=undo_first)
async def first(run_input) -> str:
    return "first"


@saga.step(compensate=undo_second)
async def second(first: str) -> str:
    return "second"


@saga.step
async def last(second: str, run_input) -> None:
    note(run_input, "last")
    raise ValueError("the last one fails")


# a child whose worker dies with it

nesting = Workflow("nesting")
nesting.child(gated, name="inner")

# goals, whose workflow needs an engine


def decompose(goal):
    return [{"id": "see"}]


GOAL_FUNCTIONS = {"see": os.getpid}


async def goals(engine):
    """Return the workflow of goals, as `worker` asks for it."""
    return await Orchestrator(engine).goal_workflow(
        decompose, GOAL_FUNCTIONS, workflow_name="served"
    )


def make_two(_engine):
    return [quick, chain]


def make_none(_engine):
    return None


WORKFLOWS = [
    quick, chain, passing, gated, wide, threaded, stumbling, poison, apart, elsewhere,
    suicide, book, book_in_thread, blocking, stoppable, calling, saga, nesting,
]  # fmt: skip
"""Those that need nothing but the queue `default`."""
