"""
The database of these tests, and engines whose spans and metrics can be looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
import pytest
from fixtures.invariants import assert_invariants

from singularity_workflow import Engine
from singularity_workflow.telemetry.otel_metrics import OtelRecorder
from telemetry.support import Readings, Spans


@pytest.fixture
def dsn(database: str) -> Iterator[str]:
    """A database of the test's own, whose invariants hold at the end."""
    yield database
    with psycopg.connect(database) as connection:
        assert_invariants(connection)


@pytest.fixture
def spans() -> Spans:
    """What was traced."""
    return Spans()


@pytest.fixture
def engine(dsn: str, spans: Spans) -> Iterator[Engine]:
    """An engine that is traced."""
    with Engine(dsn) as found:
        found.telemetry.tracing = spans.tracing
        yield found


@pytest.fixture
def readings(engine: Engine) -> Readings:
    """What the engine measures, by OpenTelemetry."""
    found = Readings()
    engine.telemetry.add(OtelRecorder(found.provider))
    return found


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """The root logger is afterwards as it was before."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
