"""Metrics: by OpenTelemetry, for Prometheus, and by one call."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from engine.support import Sql, make_workflow, single, wait_until
from prometheus_client import CollectorRegistry, generate_latest

from singularity_workflow import (
    Engine,
    Fail,
    RetryPolicy,
    RunStatus,
    TaskStatus,
    Workflow,
)
from singularity_workflow.prometheus import Collector

NAMES = (
    "runs_started_total", "run_seconds", "claim_seconds", "tasks_claimed_total",
    "task_seconds", "retries_total", "losses_total", "tasks_running", "queue_depth",
    "queue_age_seconds", "runs_open", "tasks_open",
)  # fmt: skip


@pytest.fixture
def registry():
    """A registry of the test's own."""
    return CollectorRegistry()


def fails_once():
    """Return a workflow whose step fails at its first attempt."""
    attempts = []

    def step():
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("no luck")

    return single(step, retry=RetryPolicy(max_attempts=2, delay=0))


def test_a_run_counts_where_it_starts_and_ends(engine, readings):
    """
    Its start, its end with the status, and each attempt with its outcome.
    """
    flow = fails_once()

    engine.execute(flow)

    assert readings.counts("runs.started", "workflow") == {(flow.name,): 1}
    assert readings.counts("run.duration", "workflow", "status") == {
        (flow.name, "completed"): 1
    }
    assert readings.counts("task.duration", "workflow", "step", "outcome") == {
        (flow.name, "step", "failed"): 1,
        (flow.name, "step", "completed"): 1,
    }
    assert readings.counts("retries", "workflow", "step") == {(flow.name, "step"): 1}


def test_the_last_failure_is_no_retry(engine, readings):
    """
    The end of the run tells of it.
    """

    def step():
        raise Fail("never")

    flow = single(step)
    with pytest.raises(Exception, match="never"):
        engine.execute(flow)

    assert readings.counts("retries") == {}
    assert readings.counts("run.duration", "status") == {("failed",): 1}


def test_claims_are_measured(engine, readings, dsn):
    """
    How long the calls take that ask for tasks, and how many tasks they bring.
    """
    flow = make_workflow()
    flow.map(name="each")(lambda item: item)

    engine.execute(flow, list(range(20)))

    claims = readings.counts("claim.duration")
    assert claims[()] >= 1
    assert 1 <= readings.counts("tasks.claimed")[()] <= 20


def test_what_waits_is_seen_without_being_asked(dsn, engine, readings):
    """
    The engine looks by itself: first when somebody begins to keep metrics.
    """
    flow = single(lambda: 1, queue="nobodys")
    engine.start(flow, execution="distributed")
    engine.telemetry.on_added()

    found = wait_until(
        lambda: readings.counts("queue.depth", "queue"), "the depth of the queue"
    )

    assert found == {("nobodys",): 1}
    assert readings.counts("runs.open", "status")["started",] == 1
    assert readings.counts("tasks.open", "status")["queued",] == 1
    assert readings.points("queue.age")[0].value >= 0


def test_a_queue_that_is_empty_again_says_zero(dsn, engine, readings):
    """
    It would go on showing what it had last.
    """
    handle = engine.start(single(lambda: 1, queue="left"), execution="distributed")
    engine.telemetry.on_added()
    wait_until(lambda: readings.counts("queue.depth", "queue"), "the depth")

    handle.cancel()
    engine.telemetry.on_added()

    wait_until(
        lambda: readings.counts("queue.depth", "queue") == {("left",): 0}, "zero"
    )


def test_lost_workers_are_counted(dsn, engine, readings):
    """
    By the worker that gives their tasks back.
    """
    engine.execute(single(lambda: 1))
    Sql(dsn).rows(
        "insert into singularity_workflow.workers (worker_id, host, pid, version, "
        "queues, workflows, concurrency, lease, heartbeat_at) values "
        "(gen_random_uuid(), 'h', 1, '0', '{}', '{}', 1, '1 s', now() - interval '1 h')"
    )

    found = wait_until(lambda: readings.counts("losses", "kind"), "a loss")

    assert found == {("worker",): 1}


def test_a_program_that_uses_opentelemetry_needs_no_more(dsn):
    """
    Its global providers get spans and metrics of every engine.
    """
    program = (
        "import sys\n"
        "from opentelemetry import metrics, trace\n"
        "from opentelemetry.sdk.metrics import MeterProvider\n"
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n"
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import (\n"
        "    InMemorySpanExporter)\n"
        "from singularity_workflow import Engine, Workflow\n"
        "reader, spans = InMemoryMetricReader(), InMemorySpanExporter()\n"
        "metrics.set_meter_provider(MeterProvider([reader]))\n"
        "tracers = TracerProvider()\n"
        "tracers.add_span_processor(SimpleSpanProcessor(spans))\n"
        "trace.set_tracer_provider(tracers)\n"
        "flow = Workflow('flow')\n"
        "flow.step(name='step')(lambda: 1)\n"
        "for _ in range(2):\n"
        "    with Engine(sys.argv[1]) as engine:\n"
        "        engine.execute(flow)\n"
        "data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0]\n"
        "found = {one.name: one for one in data.metrics}\n"
        "started = found['singularity_workflow.runs.started'].data.data_points\n"
        "print(sum(one.value for one in started))\n"
        "print(sorted(one.name for one in spans.get_finished_spans()))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, dsn],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    names = ["run flow", "task step", "workflow flow"]
    started, spans = done.stdout.splitlines()
    assert (started, spans) == ("2", str(sorted(names * 2)))
    assert done.stderr == ""


def test_an_engine_says_what_is_open(dsn):
    """
    In the types of the library, by one call.
    """
    running, release = threading.Event(), threading.Event()

    def step():
        running.set()
        release.wait(20)

    flow = Workflow("flow")
    flow.step(name="step")(step)
    with Engine(dsn) as engine:
        handle = engine.start(flow)
        assert running.wait(20)
        engine.start(single(lambda: 1, queue="nobodys"), execution="distributed")

        found = engine.metrics()
        release.set()
        handle.result()

    assert found.runs == {RunStatus.STARTED: 2}
    assert found.tasks == {TaskStatus.STARTED: 1, TaskStatus.QUEUED: 1}
    assert [(one.queue, one.depth) for one in found.queues] == [("nobodys", 1)]
    assert (found.are_runs_capped, found.are_tasks_capped) == (False, False)


def test_prometheus_has_them_all(engine, registry):
    """
    As text, by the client library's own exposition.
    """
    Collector(engine, registry=registry)
    flow = fails_once()
    engine.execute(flow)
    wait_until(
        lambda: (
            registry.get_sample_value(
                "singularity_workflow_runs_open", {"status": "paused"}
            )
            == 0
        ),
        "the first look",
    )

    text = generate_latest(registry).decode()

    for name in NAMES:
        assert f"singularity_workflow_{name}" in text
    assert (
        f'singularity_workflow_runs_started_total{{workflow="{flow.name}"}} 1.0' in text
    )
    labels = {"workflow": flow.name, "step": "step", "outcome": "completed"}
    count = registry.get_sample_value("singularity_workflow_task_seconds_count", labels)
    assert count == 1
    assert registry.get_sample_value("singularity_workflow_claim_seconds_sum") >= 0


def test_a_registry_takes_one_collector(engine, registry):
    """
    The second is refused and leaves nothing behind; after a close there is room.
    """
    first = Collector(engine, registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Collector(engine, registry=registry)

    before = len(engine.telemetry.recorders)
    first.close()
    first.close()
    assert len(engine.telemetry.recorders) == before - 1
    Collector(engine, registry=registry).close()
    assert generate_latest(registry) == b""


def test_a_collector_of_an_engine_that_is_closed_shows_what_it_had(dsn, registry):
    """
    It neither fails nor asks anybody.
    """
    flow = single(lambda: 1)
    engine = Engine(dsn)
    Collector(engine, registry=registry)
    with engine:
        engine.execute(flow)

    assert (
        f'runs_started_total{{workflow="{flow.name}"}} 1.0'
        in generate_latest(registry).decode()
    )


class Broken:
    """A recorder that cannot record."""

    def __getattr__(self, name):
        def fail(*_):
            raise RuntimeError(f"no {name}")

        return fail


def test_a_recorder_that_fails_harms_nobody(engine, readings, caplog):
    """
    Of each of its methods one warning is logged, and the others are told as ever.
    """
    broken = Broken()
    engine.telemetry.add(broken)
    flow = single(lambda: 1)

    for _ in range(3):
        assert engine.execute(flow, timeout=30) == {"step": 1}

    assert readings.counts("runs.started", "workflow") == {(flow.name,): 3}
    warnings = [one.getMessage() for one in caplog.records if one.levelname != "DEBUG"]
    assert warnings.count("a metric was lost: task_ended failed") == 1
    before = len(engine.telemetry.recorders)
    engine.telemetry.remove(broken)
    assert len(engine.telemetry.recorders) == before - 1


def test_an_engine_works_where_opentelemetry_cannot_be_imported(dsn):
    """
    Its metrics may be of a version that does not fit, or be blocked.
    """
    program = (
        "import sys\n"
        "sys.modules['opentelemetry.metrics'] = None\n"
        "sys.modules['opentelemetry.trace'] = type(sys)('opentelemetry.trace')\n"
        "from singularity_workflow import Engine, Workflow\n"
        "flow = Workflow('flow')\n"
        "flow.step(name='step')(lambda: 1)\n"
        "with Engine(sys.argv[1]) as engine:\n"
        "    sys.modules['opentelemetry.metrics'] = type(sys)('none')\n"
        "    engine.telemetry.find_otel()\n"
        "    assert engine.execute(flow) == {'step': 1}\n"
        "    engine.notifications.send_with_notify('q', 1)\n"
    )

    subprocess.run([sys.executable, "-c", program, dsn], check=True, timeout=60)


def test_without_prometheus_the_collector_says_what_to_install():
    """
    The error is that of an import, with the command to type.
    """
    program = (
        "import sys\n"
        "sys.modules['prometheus_client'] = None\n"
        "import singularity_workflow.prometheus\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )

    assert "pip install 'singularity-workflow[prometheus]'" in done.stderr
