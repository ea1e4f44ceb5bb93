"""What is told about runs: the status of one, and lists of many."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from engine.support import make_workflow, run, single, unique, wait_until
from singularity_workflow import (
    AsyncEngine,
    Page,
    RetryPolicy,
    RunFailed,
    RunInfo,
    RunMetadata,
    RunStatus,
    Skip,
)


def boom():
    raise ValueError("boom")


def skip():
    raise Skip("not today")


def test_the_status_of_a_completed_run(engine):
    """
    Every field, of a run that skipped a step.
    """
    flow = make_workflow()
    flow.map(name="each")(lambda item: item)
    flow.step(name="no")(skip)
    before = datetime.now(UTC) - timedelta(seconds=5)
    handle = engine.start(flow, [1, 2], priority=3, tags=["b", "a", "b"])
    handle.result()
    version = engine.register(flow).version

    status, figures = engine.get_run_status(handle.id)

    assert status is RunStatus.COMPLETED
    assert figures.keys() == RunMetadata.__annotations__.keys()
    assert figures["run_id"] == handle.id
    assert (figures["workflow"], figures["version"]) == (flow.name, version)
    assert figures["status"] is RunStatus.COMPLETED
    assert figures["total_steps"] == 2
    assert figures["completed_steps"] == figures["skipped_steps"] == 1
    assert figures["failed_steps"] == 0
    assert (figures["total_tasks"], figures["completed_tasks"]) == (3, 2)
    assert figures["failed_tasks"] == figures["started_tasks"] == 0
    assert figures["queued_tasks"] == figures["waiting_tasks"] == 0
    assert (figures["priority"], figures["tags"]) == (3, ("b", "a"))
    assert before < figures["created_at"] <= figures["started_at"]
    assert figures["started_at"] <= figures["ended_at"] <= datetime.now(UTC)
    assert figures["ended_at"].tzinfo is not None
    assert 0 <= figures["duration"] < 60
    assert figures["reason"] is None
    assert figures["error"] is None
    assert [(one["name"], one["kind"], one["status"]) for one in figures["steps"]] == [
        ("each", "map", "completed"), ("no", "single", "skipped"),
    ]  # fmt: skip


def test_the_status_is_that_of_the_handle(engine):
    """
    `handle.status()` and `get_run_status` say the same.
    """
    handle = engine.start(single(lambda: 1))
    handle.result()

    assert handle.status() == engine.get_run_status(str(handle.id))


def test_the_status_of_a_run_that_goes_on(engine):
    """
    One task is started, one waits for its retry, and one step is not reached yet.
    """
    go = threading.Event()
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=3600))

    @flow.step
    def a():
        assert go.wait(20)

    flow.step(name="b")(boom)
    flow.step(name="c", depends_on="a")(lambda: 1)
    handle = engine.start(flow)
    wait_until(lambda: handle.status()[1]["waiting_tasks"], "the first failure")

    status, figures = handle.status()

    assert status is RunStatus.STARTED
    assert figures["total_steps"] == 3
    assert figures["completed_steps"] == 0
    assert figures["total_tasks"] == 2
    assert (figures["started_tasks"], figures["waiting_tasks"]) == (1, 1)
    assert figures["ended_at"] is None
    assert figures["duration"] > 0
    assert [one["status"] for one in figures["steps"]] == [
        "started", "started", "created",
    ]  # fmt: skip
    go.set()
    handle.cancel()


def test_the_status_of_a_failed_run(engine):
    """
    It has the error that ended it.
    """
    handle = engine.start(single(boom, max_attempts=1))
    with pytest.raises(RunFailed):
        handle.result()

    status, figures = handle.status()

    assert status is RunStatus.FAILED
    assert (figures["failed_steps"], figures["failed_tasks"]) == (1, 1)
    assert figures["error"]["step"] == "step"
    assert figures["error"]["error"]["message"] == "boom"


def test_a_list_holds_summaries_newest_first(engine):
    """
    Each is a `RunInfo`; the page can be iterated.
    """
    flow = single(lambda: 1)
    handles = [engine.start(flow, priority=n, tags=["x"]) for n in range(3)]
    for handle in handles:
        handle.result()

    page = engine.list_workflow_runs(workflow=flow.name)

    assert isinstance(page, Page)
    assert [one.id for one in page] == [one.id for one in reversed(handles)]
    assert (len(page), page.next_cursor) == (3, None)
    info = page.items[0]
    assert isinstance(info, RunInfo)
    assert isinstance(info.id, UUID)
    assert (info.workflow, info.version) == (flow.name, engine.register(flow).version)
    assert info.status is RunStatus.COMPLETED
    assert (info.priority, info.tags) == (2, ("x",))
    assert info.created_at <= info.started_at <= info.ended_at


def test_filters_of_a_list(engine):
    """
    By status, tags and time, alone and together.
    """
    tag = unique("tag")
    good, bad = single(lambda: 1), single(boom, max_attempts=1)
    first = engine.start(good, tags=[tag, "early"])
    first.result()
    second = engine.start(bad, tags=[tag])
    with pytest.raises(RunFailed):
        second.result()
    third = engine.start(good, tags=[tag, "late"])
    third.result()
    middle = second.status()[1]["created_at"]

    def found(**filters):
        page = engine.list_workflow_runs(tags=[tag], **filters)
        return [one.id for one in page]

    assert found() == [third.id, second.id, first.id]
    assert found(status="failed") == [second.id]
    assert found(status=RunStatus.COMPLETED) == [third.id, first.id]
    assert found(status=["completed", RunStatus.FAILED]) == found()
    assert found(status=[]) == []
    assert found(workflow=good.name) == [third.id, first.id]
    assert found(workflow="no_such") == []
    assert found(since=middle) == [third.id, second.id]
    assert found(since=middle, status="completed") == [third.id]
    assert found(since=datetime.now(UTC) + timedelta(days=1)) == []
    late = engine.list_workflow_runs(tags=["late", tag])
    assert [one.id for one in late] == [third.id]


def test_a_time_without_a_zone_is_local(engine):
    """
    As everywhere in Python.
    """
    tag = unique("tag")
    handle = engine.start(single(lambda: 1), tags=[tag])
    handle.result()
    created = handle.status()[1]["created_at"].astimezone().replace(tzinfo=None)

    for since, count in [(created, 1), (created + timedelta(seconds=1), 0)]:
        assert len(engine.list_workflow_runs(tags=[tag], since=since)) == count


def test_paging_sees_each_run_once_while_others_start(engine):
    """
    25 runs in pages of 7; new runs come first and disturb no page.
    """
    flow = single(lambda: 1)
    handles = engine.start_many(flow, [None] * 25)
    for handle in handles:
        handle.result()

    pages = [engine.list_workflow_runs(workflow=flow.name, limit=7)]
    while pages[-1].next_cursor:
        engine.execute(flow)
        pages.append(
            engine.list_workflow_runs(
                workflow=flow.name, limit=7, cursor=pages[-1].next_cursor
            )
        )

    assert [len(page) for page in pages] == [7, 7, 7, 4]
    seen = [one.id for page in pages for one in page]
    assert seen == sorted((one.id for one in handles), reverse=True)


def test_a_page_that_is_just_full_is_the_last(engine):
    """
    There is no empty page at the end.
    """
    flow = single(lambda: 1)
    for handle in engine.start_many(flow, [None] * 4):
        handle.result()

    first = engine.list_workflow_runs(workflow=flow.name, limit=2)
    second = engine.list_workflow_runs(
        workflow=flow.name, limit=2, cursor=first.next_cursor
    )

    assert (len(first), len(second), second.next_cursor) == (2, 2, None)


def test_a_cursor_is_opaque_and_works_in_another_engine(engine, dsn):
    """
    It says nothing about the run, but where the list goes on.
    """
    flow = single(lambda: 1)
    handles = engine.start_many(flow, [None] * 3)
    for handle in handles:
        handle.result()
    page = engine.list_workflow_runs(workflow=flow.name, limit=1)

    async def main():
        async with AsyncEngine(dsn) as other:
            return await other.list_workflow_runs(
                workflow=flow.name, cursor=page.next_cursor
            )

    assert str(page.items[0].id) not in page.next_cursor
    assert len(run(main)) == 2


def test_many_may_look_at_once(dsn):
    """
    More callers than connections of the pool.
    """

    async def main():
        flow = single(lambda: 1)
        async with AsyncEngine(dsn, pool_size=2) as engine:
            handle = await engine.start(flow)
            await handle.result()
            looks = (engine.get_run_status(handle.id) for _ in range(30))
            return {status for status, _ in await asyncio.gather(*looks)}

    assert run(main) == {RunStatus.COMPLETED}
