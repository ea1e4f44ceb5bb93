"""Listening to runs: from the beginning, from a cursor, and only to what matters."""

from __future__ import annotations

import asyncio
import gc

import psycopg
import pytest

from engine.support import make_workflow, run, single, unique, until
from singularity_workflow import (
    AsyncEngine,
    ConfigurationError,
    Engine,
    InvalidSetting,
    RunFailed,
    RunNotFound,
)
from singularity_workflow.model.positions import START
from singularity_workflow.notifications.event_source import EventSource
from singularity_workflow.notifications.feed import Feed
from singularity_workflow.notifications.inbox import Inbox

LONG = 20.0
UNKNOWN = "01a20c24-93b3-7000-826d-b0b054f6d201"
CHAIN = [
    "workflow_started",
    "step_started",
    "task_started",
    "task_completed",
    "step_completed",
    "step_started",
    "task_started",
    "task_completed",
    "step_completed",
    "workflow_completed",
]


def chain():
    """Return a workflow of two steps."""
    flow = make_workflow()
    flow.step(name="a")(lambda: 1)
    flow.step(name="b", depends_on=["a"])(lambda a: a + 1)
    return flow


def test_a_runs_events_come_from_its_beginning_and_end_by_themselves(dsn):
    """
    Also when the run has ended long before.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(chain())
            live = [event async for event in handle.events()]
            await handle.result()
            return handle.id, live, [event async for event in handle.events()]

    run_id, live, later = run(main)
    assert [event.type for event in live] == CHAIN
    assert [event.seq for event in live] == [event.seq for event in later]
    assert {event.run_id for event in live} == {run_id}
    assert [event.seq for event in live] == sorted({event.seq for event in live})


@pytest.mark.parametrize("end", ["workflow_failed", "workflow_cancelled"])
def test_every_end_of_a_run_ends_its_events(dsn, end):
    """
    Not only success.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:

            async def step():
                if end == "workflow_failed":
                    raise ValueError("no good")
                await asyncio.sleep(LONG)

            handle = await engine.start(single(step, max_attempts=1))
            found = []
            async for event in handle.events():
                found.append(event.type)
                if event.type == "task_started" and end == "workflow_cancelled":
                    await handle.cancel()
            return found

    assert run(main)[-1] == end


def test_a_runs_events_go_on_after_a_cursor(dsn):
    """
    And miss nothing.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(chain())
            all_events = [event async for event in handle.events()]
            rests = []
            for event in all_events[:-1]:
                rest = [one.seq async for one in handle.events(after=event.cursor)]
                rests.append({one for one in rest if one > event.seq})
            return [event.seq for event in all_events], rests

    seqs, rests = run(main)
    assert rests == [set(seqs[place + 1 :]) for place in range(len(seqs) - 1)]


def test_a_cursor_at_the_end_of_a_run_that_has_ended_gives_nothing_new(dsn):
    """
    The wait ends, though nothing can come any more.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(chain())
            *_, last = [event async for event in handle.events()]
            return last.seq, [one.seq async for one in handle.events(last.cursor)]

    last, rest = run(main)
    assert max(rest, default=last) == last


def test_events_whose_retention_is_over_do_not_make_anybody_wait(database):
    """
    A run that has ended without a trace ends its listeners.
    """
    with Engine(database) as engine:
        handle = engine.start(chain())
        handle.result()
        with psycopg.connect(database) as connection:
            connection.execute("delete from pgmq.q_workflow_events")

        assert list(handle.events()) == []


def test_a_run_without_events_says_so(engine):
    """
    Instead of making anybody wait for ever.
    """
    handle = engine.start(chain(), notify_events=False)

    with pytest.raises(ConfigurationError, match="notify_events"):
        handle.events()


def test_a_run_of_level_run_has_its_own_events_only(engine):
    """
    Beginning and end.
    """
    handle = engine.start(chain(), notify_events="run")

    assert [event.type for event in handle.events()] == [
        "workflow_started",
        "workflow_completed",
    ]


def test_an_unknown_run_has_no_events(engine):
    """
    It is told when somebody begins to listen.
    """
    with pytest.raises(RunNotFound):
        engine.get_handle(UNKNOWN).events()


def test_an_engine_hears_of_all_runs(dsn):
    """
    Of other processes, too, and of one workflow or type if that is asked for.
    """

    async def main():
        first, second = chain(), chain()
        async with AsyncEngine(dsn) as engine, AsyncEngine(dsn) as other:
            async with (
                engine.events(workflow=first) as of_first,
                engine.events(workflow=second.name, types="task_completed") as tasks,
                engine.events(types=["workflow_completed"]) as ends,
            ):
                one, two = await other.start(first), await other.start(second)
                await one.result()
                await two.result()
                found = [await of_first.get(LONG) for _ in CHAIN]
                done = [await tasks.get(LONG) for _ in range(2)]
                over = set()
                while not {one.id, two.id} <= over:
                    over.add((await ends.get(LONG)).run_id)
                return first.name, found, done

    name, found, done = run(main)
    assert [event.type for event in found] == CHAIN
    assert {event.workflow_id for event in found} == {name}
    assert [event.step_name for event in done] == ["a", "b"]


def test_an_engine_hears_of_nothing_from_before(dsn):
    """
    Without a cursor; with one of what came after it.
    """

    async def main():
        flow = chain()
        async with AsyncEngine(dsn) as engine:
            await engine.execute(flow)
            async with engine.events(workflow=flow) as listener:
                handle = await engine.start(flow)
                first = await listener.get(LONG)
                await handle.result()
            async with engine.events(workflow=flow, after=first.cursor) as listener:
                found = set()
                while len(found) < len(CHAIN) - 1:
                    event = await listener.get(LONG)
                    if event.seq > first.seq:
                        found.add(event.seq)
            return first.run_id == handle.id, first.type

    assert run(main) == (True, "workflow_started")


def test_a_thousand_listeners_on_runs_of_their_own(database):
    """
    Nobody hears of the run of another, and there is no connection for each.
    """

    async def main():
        flow = single(lambda: 1)
        async with AsyncEngine(database) as engine:
            handles = await engine.start_many(flow, [None] * 1_000)
            before = await connections()
            listeners = [await handle.events() for handle in handles]
            found = await asyncio.gather(*[everything(one) for one in listeners])
            return before, await connections(), handles, found

    async def connections():
        async with await psycopg.AsyncConnection.connect(database) as connection:
            cursor = await connection.execute(
                "select count(*) from pg_stat_activity "
                "where datname = current_database() "
                "and application_name = 'singularity_workflow'"
            )
            return (await cursor.fetchone())[0]

    async def everything(listener):
        return [event async for event in listener]

    before, after, handles, found = run(main)
    for handle, events in zip(handles, found, strict=True):
        assert {event.run_id for event in events} == {handle.id}
        assert len({event.seq for event in events}) == len(events) == 6
        assert events[-1].type == "workflow_completed"
    assert after <= before + 10


def test_the_queue_of_events_can_be_listened_to_by_its_name(dsn):
    """
    Each event is a message; what an application sends there comes as it is.
    """

    async def main():
        flow = single(lambda: 1)
        async with AsyncEngine(dsn) as engine:
            notes = engine.notifications
            async with notes.listen("workflow_events") as listener:
                handle = await engine.start(flow)
                await handle.result()
                mine = unique()
                await notes.send_with_notify("workflow_events", {"type": mine})
                found = []
                while not found or found[-1].payload["type"] != mine:
                    found.append(await listener.get(LONG))
                return str(handle.id), found

    run_id, found = run(main)
    types = [
        one.payload["type"] for one in found if one.payload.get("run_id") == run_id
    ]
    assert types[0] == "workflow_started"
    assert types[-1] == "workflow_completed"
    assert {one.queue for one in found} == {"workflow_events"}


@pytest.mark.parametrize("types", [7, [7], ["a\n"], b"x"])
def test_bad_types_are_refused(engine, types):
    """
    They are words.
    """
    with pytest.raises(InvalidSetting, match="types"):
        engine.events(types=types)


@pytest.mark.parametrize("workflow", [7, ["a"], object()])
def test_a_bad_workflow_is_refused(engine, workflow):
    """
    It is a Workflow, or the name of one.
    """
    with pytest.raises(InvalidSetting, match="workflow"):
        engine.events(workflow=workflow)


def test_a_bad_cursor_is_refused(engine):
    """
    Wherever one is taken.
    """
    for call in (engine.events, engine.get_handle(UNKNOWN).events):
        with pytest.raises(InvalidSetting, match="cursor"):
            call(after="nonsense")


def test_blocking_listeners_hear_the_same(engine):
    """
    With `for`, and with `get`.
    """
    flow = chain()
    with engine.events(workflow=flow) as listener:
        handle = engine.start(flow)

        assert [event.type for event in handle.events()] == CHAIN
        assert [listener.get(LONG).type for _ in CHAIN] == CHAIN


def test_a_failed_run_tells_why(engine):
    """
    In its last event.
    """

    def step():
        raise ValueError("no good")

    handle = engine.start(single(step, max_attempts=1))

    *_, last = handle.events()
    assert "no good" in str(last.data["error"])
    with pytest.raises(RunFailed):
        handle.result()


@pytest.mark.parametrize(
    "message",
    [
        {"run_id": "x", "events": [1]},
        {"run_id": UNKNOWN, "events": []},
        {"run_id": UNKNOWN, "at": "x", "workflow_id": "w", "events": [{"type": "x"}]},
        {"run_id": UNKNOWN, "at": "2026-01-01T00:00:00Z", "events": [{"type": "x"}]},
        {
            "run_id": UNKNOWN,
            "at": "2026-01-01T00:00:00Z",
            "workflow_id": "w",
            "events": [{"type": "x", "at": 5}],
        },
        {"run_id": UNKNOWN, "events": [[]], "type": 5},
        [1],
    ],
)
def test_what_only_looks_like_events_stops_no_listener(dsn, message):
    """
    An application may send anything to the queue; it is told as a message.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            async with (
                engine.events() as listener,
                engine.notifications.listen("workflow_events") as raw,
            ):
                notes = engine.notifications
                await notes.send_with_notify("workflow_events", message)
                first, second = await listener.get(LONG), await raw.get(LONG)
                handle = await engine.start(chain())
                return first, second, handle.id, (await listener.get(LONG)).run_id

    event, raw, run_id, next_one = run(main)
    assert (event.type, event.run_id) == ("message", None)
    assert event.data == (message if isinstance(message, dict) else {"data": message})
    assert raw.payload == event.data
    assert next_one == run_id


class Held(EventSource):
    """Events whose reading for the whole feed can be held up."""

    def __init__(self, store):
        super().__init__(store)
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.is_held = asyncio.Event()

    async def read(self, start, limit, *, runs=None, **options):
        if runs == [UNKNOWN] and not self.go_on.is_set():
            self.is_held.set()
            await self.go_on.wait()
        return await super().read(start, limit, runs=runs, **options)


def test_a_read_that_began_before_a_listener_came_hides_nothing_from_it(dsn):
    """
    It leaves out the listener's run, and may show more of the rest than it has seen.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            source = Held(engine.session.store)
            feed = Feed(source, lambda: True)
            await feed.open()
            await feed.add(Inbox("others", key=UNKNOWN), None)
            source.go_on.clear()
            feed.note_gap()
            await source.is_held.wait()

            handle = await engine.start(single(lambda: 1))
            inbox = Inbox("own", key=str(handle.id))
            adding = asyncio.create_task(feed.add(inbox, START))
            looking = asyncio.create_task(first_after(adding, inbox))
            await handle.result()
            source.go_on.set()
            found = await looking
            while "workflow_completed" not in found:
                async with asyncio.timeout(LONG):
                    await inbox.wait()
                found.append(inbox.pop().type)
            await feed.close()
            return found

    async def first_after(adding, inbox):
        await adding
        await inbox.wait()
        return [inbox.pop().type]

    assert run(main)[0] == "workflow_started"


def test_a_type_that_never_comes_is_refused(engine):
    """
    Rather than waited for.
    """
    with pytest.raises(InvalidSetting, match="task_completed"):
        engine.events(types="task_complete")


def test_a_loop_that_is_left_early_holds_nothing(dsn):
    """
    The subscription ends when nobody has it any more.
    """

    async def main():
        async with AsyncEngine(dsn) as engine:
            handle = await engine.start(chain())
            async for _ in handle.events():
                break
            feeds = engine._opened.feeds
            await until(lambda: gc.collect() and not feeds._feeds, "the feed's end")

    run(main)
