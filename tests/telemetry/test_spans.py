"""Spans: one for the start of a run, each attempt and the run, on whatever process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine.support import Sql, make_workflow, single, wait_until
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from singularity_workflow import (
    AsyncEngine,
    Engine,
    Fail,
    InvalidInput,
    RetryPolicy,
    RunFailed,
    Worker,
    Workflow,
)
from singularity_workflow.telemetry.tracing import Tracing
from telemetry import traced
from telemetry.support import id_of, parent_of, read_spans, traced_worker

AT_ONCE = RetryPolicy(max_attempts=2, delay=0)


def test_a_run_has_a_span_for_its_start_its_tasks_and_itself(engine, spans):
    """
    All in one trace: tasks and run are below the start.
    """
    flow = single(lambda: 1)

    handle = engine.start(flow)
    handle.result()

    start, task = spans.one(f"workflow {flow.name}"), spans.one("task step")
    whole = spans.one(f"run {flow.name}")
    assert parent_of(start) is None
    assert parent_of(task) == parent_of(whole) == id_of(start)
    assert {one.context.trace_id for one in (task, whole)} == {start.context.trace_id}
    assert (start.kind, task.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert dict(whole.attributes) == {
        "workflow": flow.name,
        "run_id": str(handle.id),
        "status": "completed",
    }


def test_a_task_says_which_it_is(engine, spans):
    """
    By the names that log records use too.
    """
    flow = make_workflow()
    flow.map(name="each")(lambda item: item)

    handle = engine.start(flow, [7, 8])
    handle.result()

    found = [dict(one.attributes) for one in spans.named("task each")]
    assert sorted(one.pop("task_index") for one in found) == [0, 1]
    assert len({one.pop("worker_id") for one in found}) == 1
    expected = {
        "workflow": flow.name,
        "run_id": str(handle.id),
        "step": "each",
        "attempt": 1,
        "outcome": "completed",
    }
    assert found == [expected, expected]


def test_the_span_of_the_run_has_its_times(engine, spans):
    """
    From its start to its end, as the database has them.
    """
    handle = engine.start(single(lambda: 1))
    handle.result()

    whole = spans.one(next(o.name for o in spans.all() if o.name.startswith("run ")))
    _, metadata = handle.status()
    assert whole.start_time / 1e9 == pytest.approx(metadata["started_at"].timestamp())
    assert whole.end_time / 1e9 == pytest.approx(metadata["ended_at"].timestamp())


def test_the_start_is_below_the_span_of_its_caller(engine, spans):
    """
    A request of a web application leads to all that followed from it.
    """
    with spans.tracer.start_as_current_span("request") as request:
        flow = single(lambda: 1)
        engine.execute(flow)

    start = spans.one(f"workflow {flow.name}")
    assert parent_of(start) == request.get_span_context().span_id


def test_a_message_carries_the_span_of_its_sender(engine, spans):
    """
    Unless the sender gives another one.
    """
    notes = engine.notifications
    with spans.tracer.start_as_current_span("request") as request:
        notes.send_with_notify("orders", 1)
        notes.send_batch_with_notify("orders", [2], headers={"traceparent": "mine"})
    notes.send_with_notify("orders", 3)

    first, second, third = [one.headers for one in notes.history("orders")]
    span = request.get_span_context()
    assert first["traceparent"].startswith(
        f"00-{span.trace_id:032x}-{span.span_id:016x}-"
    )
    assert second == {"traceparent": "mine"}
    assert third == {}


def test_an_attempt_that_fails_has_a_span_of_its_own(engine, spans):
    """
    With the exception, as OpenTelemetry wants it; the next one does not.
    """
    attempts = []

    def step():
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("no luck")

    engine.execute(single(step, retry=AT_ONCE))

    failed, again = spans.named("task step")
    assert (failed.attributes["attempt"], again.attributes["attempt"]) == (1, 2)
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ValueError: no luck"
    (event,) = failed.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert "no luck" in event.attributes["exception.stacktrace"]
    assert again.status.status_code is StatusCode.UNSET


def test_a_run_that_fails_says_so(engine, spans):
    """
    Its span is an error.
    """

    def step():
        raise Fail("never")

    flow = single(step)
    with pytest.raises(RunFailed):
        engine.execute(flow)

    whole = spans.one(f"run {flow.name}")
    assert whole.status.status_code is StatusCode.ERROR
    assert whole.status.description.endswith("Fail: never")
    assert whole.attributes["status"] == "failed"


def test_a_cancelled_run_has_its_span(engine, spans):
    """
    And the attempt that was stopped.
    """
    started = threading.Event()

    async def step():
        started.set()
        await asyncio.sleep(60)

    flow = single(step)
    handle = engine.start(flow)
    assert started.wait(20)
    handle.cancel("enough")

    assert spans.one(f"run {flow.name}").attributes["status"] == "cancelled"
    assert spans.one("task step").attributes["outcome"] == "stopped"


def test_a_start_that_is_repeated_names_the_run_that_there_is(engine, spans):
    """
    A key that was used before stands for the run that it has started.
    """
    flow = single(lambda: 1)

    handles = [engine.start(flow, idempotency_key="k") for _ in range(2)]

    starts = spans.named(f"workflow {flow.name}")
    assert {handle.id for handle in handles} == {handles[0].id}
    assert [one.attributes["run_id"] for one in starts] == [str(handles[0].id)] * 2


def test_a_start_that_is_refused_has_an_error(dsn, spans):
    """
    What the database refuses is seen in the span of the start.
    """
    flow = make_workflow()
    flow.map(name="each")(lambda item: item)
    with Engine(dsn) as engine:
        engine.telemetry.tracing = spans.tracing
        with pytest.raises(InvalidInput):
            engine.execute(flow, 5)

    start = spans.one(f"workflow {flow.name}")
    assert start.status.status_code is StatusCode.ERROR


def trace_here():
    """Return the ids of the current trace and span."""
    context = trace.get_current_span().get_span_context()
    return [f"{context.trace_id:x}", f"{context.span_id:x}"]


async def trace_of_coroutine():
    return trace_here()


@pytest.mark.parametrize("options", [{}, {"timeout": 30}, {"executor": "pool"}])
@pytest.mark.parametrize("step", [trace_here, trace_of_coroutine])
def test_the_span_of_the_task_is_current_in_its_step(dsn, spans, step, options):
    """
    In coroutines, threads and executors: spans of the step are below it.
    """
    flow = Workflow("flow")
    flow.step(name="step", **options)(step)

    async def main():
        with ThreadPoolExecutor(1) as pool:
            async with AsyncEngine(dsn) as engine:
                engine.telemetry.tracing = spans.tracing
                async with Worker(engine, flow, executors={"pool": pool}):
                    return await engine.execute(flow, execution="distributed")

    found = asyncio.run(main())["step"]

    task = spans.one("task step")
    assert found == [f"{task.context.trace_id:x}", f"{id_of(task):x}"]


def test_a_child_run_is_below_the_task_that_calls_it(engine, spans):
    """
    Its tasks are below its own part of the trace.
    """
    child = single(lambda: 1)
    parent = make_workflow()
    parent.child(child, name="call")(lambda: None)

    engine.execute(parent)

    call, task = spans.one("task call"), spans.one("task step")
    assert parent_of(task) == id_of(call)
    assert parent_of(spans.one(f"run {child.name}")) == id_of(call)


def test_a_retried_run_stays_in_its_trace(engine, spans):
    """
    Its tasks are beside those of the run that it repeats.
    """
    attempts = []

    def step():
        attempts.append(1)
        if len(attempts) == 1:
            raise Fail("not yet")

    flow = single(step)
    handle = engine.start(flow)
    with pytest.raises(RunFailed):
        handle.result()
    handle.retry().result()

    first, second = spans.named("task step")
    start = spans.one(f"workflow {flow.name}")
    assert parent_of(first) == parent_of(second) == id_of(start)


def test_a_run_without_a_trace_has_tasks_with_spans_of_their_own(spans, dsn):
    """
    Started from SQL, say: not below what was current when the engine connected.
    """
    flow = single(lambda: 1)

    async def main():
        with spans.tracer.start_as_current_span("main"):
            other = await AsyncEngine(dsn).connect()
        other.telemetry.tracing = spans.tracing
        async with other, Worker(other, flow):
            run_id = Sql(dsn).value(
                "select singularity_workflow.start_run(%s)", flow.name
            )
            await other.get_handle(run_id).result(timeout=20)

    asyncio.run(main())

    assert parent_of(spans.one("task step")) is None
    assert parent_of(spans.one(f"run {flow.name}")) is None


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_a_tracer_that_raises_stops_nothing(dsn, caplog, method):
    """
    The run completes, and the log tells of the defect.
    """

    class Broken(SpanProcessor):
        """Raises, as code of the program may."""

    def raise_error(*_, **__):
        raise RuntimeError("no collector")

    setattr(Broken, method, raise_error)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    with Engine(dsn) as engine:
        engine.telemetry.tracing = Tracing(provider.get_tracer("tests"))
        assert engine.execute(single(lambda: 1)) == {"step": 1}

    assert any("cannot" in one.getMessage() for one in caplog.records if one.exc_info)


def test_spans_cross_processes(dsn, engine, spans, tmp_path):
    """
    A worker elsewhere, its threads and its processes go on with the trace.
    """
    spans_file = tmp_path / "spans"
    spans_file.touch()
    with traced_worker(dsn, spans_file):
        found = engine.execute(traced.far, execution="distributed", timeout=60)
        wanted = {"task first", "task second", "run far"}
        wait_until(
            lambda: wanted <= {one["name"] for one in read_spans(spans_file)},
            "the worker's spans",
        )

    start = spans.one("workflow far")
    trace_id, span_id = f"{start.context.trace_id:032x}", f"0x{id_of(start):016x}"
    there = {one["name"]: one for one in read_spans(spans_file)}
    assert found == {"second": trace_id}
    assert {one["context"]["trace_id"] for one in there.values()} == {f"0x{trace_id}"}
    for name in wanted:
        assert there[name]["parent_id"] == span_id
    for step in ("first", "second"):
        task = there[f"task {step}"]["context"]["span_id"]
        assert there[f"inside {step}"]["parent_id"] == task


def test_without_opentelemetry_nothing_of_it_is_loaded(dsn):
    """
    Who does not use it does not pay for it.
    """
    program = (
        "import sys\n"
        "from singularity_workflow import Engine, Workflow\n"
        "flow = Workflow('flow')\n"
        "flow.step(name='step')(lambda: 1)\n"
        "with Engine(sys.argv[1]) as engine:\n"
        "    assert engine.execute(flow) == {'step': 1}\n"
        "assert not {m.split('.')[0] for m in sys.modules}"
        " & {'opentelemetry', 'prometheus_client'}\n"
    )

    subprocess.run([sys.executable, "-c", program, dsn], check=True, timeout=60)
