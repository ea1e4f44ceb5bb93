"""What can be done with a run in which status, and what comes of it."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress

import pytest

from engine.support import make_workflow, wait_until
from singularity_workflow import (
    Engine,
    InvalidSetting,
    RetryPolicy,
    RunCancelled,
    RunFailed,
    RunFilter,
    RunNotFound,
    RunStatus,
    StateTransitionError,
    StepNotFound,
    Workflow,
)

CALLS = {
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
    "retry": "retried",
    "fork": "forked",
    "delete": "deleted",
}
STATUSES = ("started", "paused", "completed", "failed", "cancelled")
POSSIBLE = {
    ("pause", "started"), ("pause", "paused"),
    ("resume", "started"), ("resume", "paused"),
    ("cancel", "started"), ("cancel", "paused"),
    ("retry", "failed"), ("retry", "cancelled"),
    *(("fork", status) for status in STATUSES),
    ("delete", "completed"), ("delete", "failed"), ("delete", "cancelled"),
}  # fmt: skip


class Gated:
    """A workflow whose first step waits for a gate, and fails if it is told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.calls: list[str] = []
        self.is_bad = False
        self.workflow = make_workflow(max_attempts=1)
        self.workflow.step(name="first")(self._first)
        self.workflow.step(name="second", depends_on="first")(self._second)

    def _first(self, ctx):
        self.calls.append("first")
        while not self.gate.wait(0.01) and not ctx.cancelled:
            pass
        if self.is_bad:
            raise ValueError("told to fail")
        return 1

    def _second(self):
        self.calls.append("second")
        return 2


@pytest.fixture
def gated():
    """Open its gate at the end, so that no thread is left waiting."""
    found = Gated()
    yield found
    found.gate.set()


def bring(engine, gated, status):
    """Return a run of the workflow in the status."""
    gated.is_bad = status == "failed"
    if status in ("completed", "failed"):
        gated.gate.set()
    handle = engine.start(gated.workflow)
    if status in ("completed", "failed"):
        with suppress(RunFailed):
            handle.result()
        return handle
    wait_until(lambda: gated.calls, "the step to begin")
    if status == "paused":
        handle.pause()
    elif status == "cancelled":
        handle.cancel()
    return handle


def act(engine, call, run_id):
    """Make one of the calls."""
    if call == "fork":
        return engine.fork(run_id, "first")
    name = {
        "pause": "pause_workflow_run",
        "resume": "resume_workflow_run",
        "cancel": "cancel_workflow_run",
        "retry": "retry_failed_workflow",
        "delete": "delete_run",
    }[call]
    return getattr(engine, name)(run_id)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", STATUSES)
def test_each_call_in_each_status(engine, gated, call, status):
    """
    It works, or says what is not possible and why (U 222).
    """
    handle = bring(engine, gated, status)
    assert handle.status()[0] == status

    if (call, status) in POSSIBLE:
        act(engine, call, handle.id)
    else:
        with pytest.raises(StateTransitionError) as caught:
            act(engine, call, handle.id)
        assert f"cannot be {CALLS[call]}" in caught.value.message
        assert status in caught.value.message
        assert handle.status()[0] == status
    gated.gate.set()


@pytest.mark.parametrize("call", CALLS)
def test_each_call_with_an_unknown_run(engine, call):
    """
    There is no such run.
    """
    with pytest.raises(RunNotFound):
        act(engine, call, uuid.uuid4())


@pytest.mark.parametrize("call", CALLS)
def test_each_call_with_what_is_no_id(engine, call):
    """
    It says so, without asking the database.
    """
    with pytest.raises((InvalidSetting, RunNotFound), match="nonsense"):
        act(engine, call, "nonsense")


def test_a_paused_run_starts_nothing_more(engine, gated):
    """
    What runs goes on to its end; resumed, exactly the rest runs.
    """
    handle = bring(engine, gated, "paused")

    gated.gate.set()
    wait_until(lambda: handle.status()[1]["completed_steps"] == 1, "the first step")
    assert handle.status()[0] is RunStatus.PAUSED
    assert gated.calls == ["first"]

    handle.resume()
    assert handle.result() == {"second": 2}
    assert gated.calls == ["first", "second"]


def test_pausing_twice_and_resuming_twice(engine, gated):
    """
    The second time nothing happens.
    """
    handle = bring(engine, gated, "started")

    handle.pause()
    handle.pause()
    handle.resume()
    handle.resume()
    gated.gate.set()

    assert handle.result() == {"second": 2}


def test_what_comes_due_in_a_pause_waits_for_its_end(engine, sql):
    """
    A retry and a delay, of which the timers fire meanwhile.
    """
    flow = make_workflow(retry=RetryPolicy(max_attempts=2, delay=0.2, jitter=False))
    calls = []

    @flow.step
    def first(ctx):
        calls.append(ctx.attempt)
        if ctx.attempt == 1:
            engine.pause_workflow_run(ctx.run_id)
            raise ValueError("once")
        return "first"

    flow.step(name="later", start_delay=0.2)(lambda: "later")
    flow.map(name="each", initial_tasks=2_000)(lambda item: item)
    handle = engine.start(flow, {})
    wait_until(
        lambda: (
            sql.value(
                "select count(*) from singularity_workflow.timers where run_id = %s",
                handle.id,
            )
            == 0
        ),
        "the timers to fire",
    )
    assert handle.status()[0] is RunStatus.PAUSED
    assert calls == [1]

    handle.resume()

    result = handle.result()
    assert (result["first"], result["later"]) == ("first", "later")
    assert result["each"] == list(range(2_000))
    assert calls == [1, 2]


def test_a_step_may_pause_resume_and_cancel_its_own_run(engine):
    """
    The last takes effect although it stops who asks for it.
    """
    flow = make_workflow()

    @flow.step
    def step(ctx):
        engine.pause_workflow_run(ctx.run_id)
        engine.resume_workflow_run(ctx.run_id)
        engine.cancel_workflow_run(ctx.run_id, reason="by itself")

    with pytest.raises(RunCancelled, match="by itself"):
        engine.execute(flow)


@pytest.mark.parametrize("metadata", [5, "text", [1], {"a": object()}, {1: 2}])
def test_metadata_that_cannot_be(engine, metadata):
    """
    It is refused before a run starts.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)

    with pytest.raises(InvalidSetting, match="metadata"):
        engine.start(flow, metadata=metadata)
    assert engine.list_workflow_runs(workflow=flow.name).items == []


def test_cancelling_a_paused_run(engine, gated):
    """
    It ends, and who waits for it is told.
    """
    handle = bring(engine, gated, "paused")

    handle.cancel("not wanted")

    with pytest.raises(RunCancelled, match="not wanted"):
        handle.result()


def test_the_deadline_of_a_paused_run_stands_still(engine, gated):
    """
    It moves by the length of the pause, and holds afterwards.
    """
    handle = engine.start(gated.workflow, timeout=3600)
    wait_until(lambda: gated.calls, "the step to begin")
    before = handle.status()[1]["deadline_at"]

    handle.pause()
    handle.resume()

    assert handle.status()[1]["deadline_at"] > before
    gated.gate.set()
    handle.result()


def test_a_retry_reuses_what_completed(engine):
    """
    Only the failed step runs again, with the same input, tags and version.
    """
    calls = []
    flow = make_workflow(max_attempts=1)

    @flow.step
    async def first(run_input):
        calls.append("first")
        return run_input["n"]

    @flow.step
    async def second(first):
        calls.append("second")
        if calls.count("second") == 1:
            raise ValueError("once")
        return first + 1

    handle = engine.start(flow, {"n": 1}, tags=["a"], metadata={"who": "me"})
    with pytest.raises(RunFailed):
        handle.result()

    again = handle.retry()

    assert again.id != handle.id
    assert again.result() == {"second": 2}
    assert calls == ["first", "second", "second"]
    (info,) = engine.list_workflow_runs(origin=handle.id)
    assert (info.id, info.tags) == (again.id, ("a",))
    assert again.status()[1]["metadata"] == {"who": "me"}
    assert handle.status()[0] is RunStatus.FAILED


def test_a_retry_reuses_elements_of_a_map(engine):
    """
    Completed elements are taken over, in their places.
    """
    calls = []
    flow = make_workflow(max_attempts=1)

    @flow.map
    def each(item):
        calls.append(item)
        if item == 2 and calls.count(2) == 1:
            wait_until(lambda: {0, 1, 3} <= set(calls), "the others")
            wait_until(
                lambda: handle.status()[1]["completed_tasks"] == 3, "the others' ends"
            )
            raise ValueError(item)
        return item * 10

    handle = engine.start(flow, [0, 1, 2, 3])
    with pytest.raises(RunFailed):
        handle.result()

    assert handle.retry().result() == {"each": [0, 10, 20, 30]}
    assert sorted(calls) == [0, 1, 2, 2, 3]


def test_a_retry_of_a_retry(engine):
    """
    Each repeats the one before it.
    """
    calls = []
    flow = make_workflow(max_attempts=1)

    @flow.step
    async def step():
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")
        return "done"

    handle = engine.start(flow)
    for _ in range(2):
        with pytest.raises(RunFailed):
            handle.result()
        handle = handle.retry()

    assert handle.result() == {"step": "done"}


def diamond():
    """A diamond whose steps note that they run."""
    calls = []
    flow = make_workflow()

    @flow.step
    async def top():
        calls.append("top")
        return "top"

    @flow.step
    async def left(top):
        calls.append("left")
        return top

    @flow.step
    async def right(top):
        calls.append("right")
        return top

    @flow.step
    async def bottom(left, right):
        calls.append("bottom")
        return [left, right]

    return flow, calls


def test_a_fork_runs_the_step_and_what_depends_on_it(engine):
    """
    Everything else is reused.
    """
    flow, calls = diamond()
    handle = engine.start(flow)
    handle.result()
    calls.clear()

    forked = handle.fork("left")

    assert forked.result() == {"bottom": ["top", "top"]}
    assert calls == ["left", "bottom"]


def test_a_fork_from_a_step_that_is_not_there(engine):
    """
    It says which.
    """
    flow, _ = diamond()
    handle = engine.start(flow)
    handle.result()

    with pytest.raises(StepNotFound, match="nowhere"):
        handle.fork("nowhere")
    with pytest.raises(InvalidSetting):
        engine.fork(handle.id, 3)


def test_a_fork_needs_what_its_step_depends_on(engine, gated):
    """
    Of a run that is under way the first step has not ended.
    """
    handle = bring(engine, gated, "started")

    with pytest.raises(StateTransitionError, match=r"first.*started"):
        handle.fork("second")


def test_a_deleted_run_is_gone(engine, gated):
    """
    With its tags and its idempotency key, which may be used again.
    """
    gated.gate.set()
    key = uuid.uuid4().hex
    handle = engine.start(gated.workflow, idempotency_key=key, tags=[key])
    handle.result()

    engine.delete_run(handle.id)

    with pytest.raises(RunNotFound):
        handle.status()
    assert engine.list_workflow_runs(tags=[key]).items == []
    again = engine.start(gated.workflow, idempotency_key=key)
    assert again.id != handle.id
    assert again.result() == {"second": 2}


def test_calls_through_an_engine_that_runs_nothing(engine, dsn, gated):
    """
    Another engine pauses, resumes and cancels what this one runs.
    """
    handle = bring(engine, gated, "started")

    with Engine(dsn) as other:
        other.pause_workflow_run(handle.id)
        assert handle.status()[0] is RunStatus.PAUSED
        other.resume_workflow_run(handle.id)
        assert handle.status()[0] is RunStatus.STARTED
        other.cancel_workflow_run(str(handle.id), reason="by another")

    with pytest.raises(RunCancelled, match="by another"):
        handle.result()


def test_many_runs_at_once(engine):
    """
    The bulk calls take what their filter finds, and pass over the rest.
    """
    flow = make_workflow(max_attempts=1)
    gate = threading.Event()

    @flow.step
    def step(run_input, ctx):
        while not gate.wait(0.01) and not ctx.cancelled:
            pass
        if run_input["bad"]:
            raise ValueError("bad")
        return "good"

    mine = RunFilter(workflow=flow.name)
    tagged = RunFilter(workflow=flow.name, tags=["x"])
    try:
        plain = engine.start_many(flow, [{"bad": True}, {"bad": False}])
        others = engine.start_many(flow, [{"bad": False}] * 3, tags=["x"])

        assert set(engine.pause_workflow_runs(tagged)) == {one.id for one in others}
        assert engine.pause_workflow_runs(tagged) == []
        paused = engine.list_workflow_runs(workflow=flow.name, status="paused")
        assert len(paused.items) == 3
        assert len(engine.resume_workflow_runs(mine)) == 3
        cancelled = engine.cancel_workflow_runs(tagged, reason="in bulk")
        assert set(cancelled) == {one.id for one in others}
    finally:
        gate.set()
    with pytest.raises(RunFailed):
        plain[0].result()
    plain[1].result()

    retried = engine.retry_failed_workflows(RunFilter(workflow=flow.name, tags=["x"]))
    assert [one.result() for one in retried] == [{"step": "good"}] * 3
    assert len(engine.delete_runs(mine)) == 8
    assert engine.list_workflow_runs(workflow=flow.name).items == []


@pytest.mark.parametrize(
    ("runs", "problem"),
    [
        (RunFilter(), "all runs"),
        (RunFilter(status="completed"), "does not allow"),
        ("etl", "RunFilter"),
        (RunFilter(input=5, workflow="w"), "input"),
        (RunFilter(parent="nonsense"), "nonsense"),
        (RunFilter(since="yesterday"), "since"),
    ],
)
def test_a_filter_that_cannot_be(engine, runs, problem):
    """
    Nothing is touched.
    """
    with pytest.raises(InvalidSetting, match=problem):
        engine.cancel_workflow_runs(runs)


def test_a_filter_may_be_made_of_iterators(engine):
    """
    They are read once, and the filter means the same each time.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)
    tagged = engine.start(flow, tags=["x"])
    bare = engine.start(flow)
    tagged.result()
    bare.result()
    runs = RunFilter(
        workflow=flow.name, tags=iter(["x"]), status=iter(["completed", "failed"])
    )

    assert engine.delete_runs(runs) == [tagged.id]
    assert engine.delete_runs(runs) == []
    assert bare.status()[0] is RunStatus.COMPLETED


def test_runs_are_found_by_what_they_hold(engine):
    """
    By their input and output, as a pattern or a path, and by their time.
    """
    flow = make_workflow()

    @flow.step
    async def doubled(input):
        return {"n": input["n"] * 2}

    handles = engine.start_many(flow, [{"n": n} for n in range(4)])
    for handle in handles:
        handle.result()

    def found(**wanted):
        page = engine.list_workflow_runs(workflow=flow.name, **wanted)
        return [handles.index(one) for one in handles for i in page if i.id == one.id]

    assert found(input={"n": 2}) == [2]
    assert found(input="$.n > 1") == [2, 3]
    assert found(output={"doubled": {"n": 2}}) == [1]
    assert found(output="$.doubled.n ? (@ >= 4)") == [2, 3]
    assert found(input="$.n > 0", output="$.doubled.n < 6") == [1, 2]
    times = [info.created_at for info in engine.list_workflow_runs(workflow=flow.name)]
    assert found(until=min(times)) == []
    assert len(found(since=min(times))) == 4


@pytest.mark.parametrize("name", ["input", "output"])
def test_a_filter_by_what_is_no_path(engine, name):
    """
    It must not mean all runs: not to list them, and still less to delete them.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)
    engine.execute(flow)
    wanted = {name: "$.["}

    with pytest.raises(InvalidSetting, match="path"):
        engine.list_workflow_runs(workflow=flow.name, **wanted)
    with pytest.raises(InvalidSetting, match="path"):
        engine.delete_runs(RunFilter(workflow=flow.name, **wanted))

    assert len(engine.list_workflow_runs(workflow=flow.name).items) == 1


def test_metadata_comes_back(engine):
    """
    As it was given, whatever JSON it is.
    """
    flow = make_workflow()
    flow.step(name="step")(lambda: 1)
    metadata = {"user": {"id": 7, "tags": ["a", None]}, "ü": 1.5, "": False}

    handle = engine.start(flow, metadata=metadata)

    assert handle.status()[1]["metadata"] == metadata
    (info,) = engine.list_workflow_runs(workflow=flow.name)
    assert info.metadata == metadata
    many = engine.start_many(flow, [1, 2], metadata={"batch": 1})
    assert {str(one.status()[1]["metadata"]) for one in many} == {"{'batch': 1}"}
    bare = engine.start(flow)
    assert not bare.status()[1]["metadata"]


def test_the_names_of_calls_are_those_of_the_workflow(engine):
    """
    A name that ends like a compensation's is refused (the library makes those).
    """
    with pytest.raises(Exception, match="compensation"):
        Workflow("mine__compensation")
