"""What steps tell while they run: ctx.progress and ctx.emit."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from engine.programs.telling import tell
from engine.support import run, single
from singularity_workflow import AsyncEngine, Context, Engine, RunFailed, Worker

OWN = {"invoice_sent", "task_progress", "half_done"}


async def told(handle) -> list[tuple[str, object]]:
    """Return the types of a run's events, with what the application told."""
    return [
        (event.type, event.data.get("data", event.data.get("done")))
        async for event in handle.events()
        if event.type in OWN or event.type.startswith("task_")
    ]


def test_a_listener_hears_it_while_the_step_runs(dsn):
    """
    Progress and events come before the end of the task that tells them.
    """

    async def main():
        go_on = asyncio.Event()

        async def step(ctx: Context):
            ctx.progress(1, 4, "first of four")
            ctx.emit("invoice_sent", {"no": 7})
            await go_on.wait()

        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(step))
            found = []
            async for event in handle.events():
                found.append(event)
                if event.type == "invoice_sent":
                    go_on.set()
            return handle.id, found

    run_id, events = run(main)
    types = [event.type for event in events]
    assert types.index("task_progress") < types.index("invoice_sent")
    assert types.index("invoice_sent") < types.index("task_completed")
    progress = events[types.index("task_progress")]
    assert (progress.data["done"], progress.data["total"]) == (1, 4)
    assert progress.data["note"] == "first of four"
    assert progress.task_id == f"{run_id}/step/0"
    assert events[types.index("invoice_sent")].data["data"] == {"no": 7}


def test_what_is_told_just_before_the_end_comes_with_it(dsn):
    """
    A step that does not wait loses nothing, in a coroutine or in a thread.
    """

    async def main():
        async def here(ctx: Context):
            ctx.emit("invoice_sent", 1)

        def in_a_thread(ctx: Context):
            ctx.emit("invoice_sent", 2)

        async with AsyncEngine(dsn) as engine:
            handles = [await engine.start(single(one)) for one in (here, in_a_thread)]
            return [await told(handle) for handle in handles]

    for number, found in enumerate(run(main), 1):
        assert [kind for kind, _ in found] == [
            "task_started",
            "invoice_sent",
            "task_completed",
        ]
        assert found[1][1] == number


def test_a_step_that_fails_has_told_what_it_told(dsn):
    """
    Its events come before the failure.
    """

    async def main():
        def step(ctx: Context):
            ctx.emit("invoice_sent", 1)
            raise ValueError("and then it broke")

        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(step, max_attempts=1))
            return await told(handle)

    assert [kind for kind, _ in run(main)] == [
        "task_started",
        "invoice_sent",
        "task_failed",
    ]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_transaction_brings_what_was_told(dsn, is_async):
    """
    The step's own transaction records it with the result.
    """

    async def main():
        async def here(ctx: Context):
            async with ctx.transaction() as connection:
                await connection.execute("select 1")
                ctx.emit("invoice_sent", 1)

        def in_a_thread(ctx: Context):
            with ctx.transaction() as connection:
                connection.execute("select 1")
                ctx.emit("invoice_sent", 1)

        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(here if is_async else in_a_thread))
            return await told(handle)

    assert [kind for kind, _ in run(main)] == [
        "task_started",
        "invoice_sent",
        "task_completed",
    ]


def test_a_step_in_another_process_is_heard(dsn):
    """
    Through the pipe by which its result comes.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(tell, executor="process"))
            return await told(handle)

    assert run(main) == [
        ("task_started", None),
        ("half_done", {"where": "elsewhere"}),
        ("task_progress", 1),
        ("task_completed", None),
    ]


def test_many_threads_of_a_step_may_tell(dsn):
    """
    Each event is there once.
    """

    async def main():
        def step(ctx: Context):
            threads = [
                threading.Thread(target=ctx.emit, args=("invoice_sent", number))
                for number in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        async with AsyncEngine(dsn) as engine:
            return await told(await engine.start(single(step)))

    sent = [data for kind, data in run(main) if kind == "invoice_sent"]
    assert sorted(sent) == list(range(20))


def test_progress_that_was_overtaken_is_not_stored(dsn):
    """
    A loop that tells each turn costs one event in a tenth of a second.
    """

    async def main():
        def step(ctx: Context):
            for number in range(1_000):
                ctx.progress(number, 1_000)

        async with AsyncEngine(dsn) as engine:
            return await told(await engine.start(single(step)))

    progress = [data for kind, data in run(main) if kind == "task_progress"]
    assert progress[-1] == 999
    assert len(progress) < 500
    assert progress == sorted(progress)


def test_a_run_that_wants_no_such_events_stores_none(dsn):
    """
    The step need not know.
    """

    async def main():
        def step(ctx: Context):
            ctx.emit("invoice_sent")
            ctx.progress(1)

        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(single(step), notify_events="run")
            return [event.type async for event in handle.events()]

    assert run(main) == ["workflow_started", "workflow_completed"]


@pytest.mark.parametrize(
    ("type", "payload", "message"),
    [
        ("Invoice", None, "snake_case"),
        ("task_done", None, "engine's own"),
        ("a" * 64, None, "snake_case"),
        (7, None, "snake_case"),
        ("fine", object(), "not JSON"),
        ("fine", float("nan"), "not JSON"),
        ("fine", "x" * 65_535, "65,537 bytes"),
    ],
)
def test_what_cannot_be_told_is_refused(engine: Engine, type, payload, message):
    """
    The step fails where it says so.
    """

    def step(ctx: Context):
        ctx.emit(type, payload)

    with pytest.raises(RunFailed, match=message) as caught:
        engine.execute(single(step, max_attempts=1))

    assert caught.value.error_type == "singularity_workflow.errors.InvalidSetting"


@pytest.mark.parametrize(
    "arguments", [("half",), (True,), (1, "all"), (1, 2, 3), (1, None, b"note")]
)
def test_progress_is_told_in_numbers(engine: Engine, arguments):
    """
    And its note is a text.
    """

    def step(ctx: Context):
        ctx.progress(*arguments)

    with pytest.raises(RunFailed, match="must be a"):
        engine.execute(single(step, max_attempts=1))


def test_an_executor_of_the_application_has_nobody_to_tell(dsn):
    """
    The step says so rather than to lose it.
    """

    async def main():
        flow = single(tell, executor="mine", max_attempts=1)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            async with (
                AsyncEngine(dsn) as engine,
                Worker(engine, flow, executors={"mine": pool}),
            ):
                await engine.execute(flow, execution="distributed")

    with pytest.raises(RunFailed, match="nobody to tell"):
        run(main)
