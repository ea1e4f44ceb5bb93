"""Trace contexts: to be sent along with messages, and to be taken from them."""

from __future__ import annotations

import contextvars
import sys

import pytest
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
)

from singularity_workflow.telemetry.tracing import (
    Tracing,
    adopt_traceparent,
    current_traceparent,
    make_current,
    traceparent_of,
)

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
SPAN = NonRecordingSpan(
    SpanContext(int("a" * 32, 16), int("b" * 16, 16), is_remote=True,
                trace_flags=TraceFlags(1))
)  # fmt: skip


def fresh(function):
    """Call a function in a context of its own."""
    return contextvars.copy_context().run(function)


def test_outside_of_a_span_there_is_none():
    """
    Nothing is sent along then.
    """
    assert current_traceparent() is None


def test_a_span_has_the_form_of_the_w3c():
    """
    Version, trace, span and flags.
    """
    assert traceparent_of(SPAN) == TRACEPARENT

    def inside():
        make_current(SPAN)
        return current_traceparent()

    assert fresh(inside) == TRACEPARENT
    assert current_traceparent() is None


def test_what_came_from_elsewhere_becomes_current():
    """
    Spans that begin now are below it.
    """

    def inside():
        adopt_traceparent(TRACEPARENT)
        return current_traceparent()

    assert fresh(inside) == TRACEPARENT


@pytest.mark.parametrize("text", [None, "", "nonsense", f"00-{'0' * 32}-{'b' * 16}-01"])
def test_what_is_none_is_ignored(text):
    """
    A wrong header is no reason to fail.
    """

    def inside():
        adopt_traceparent(text)
        return current_traceparent()

    assert fresh(inside) is None


def test_without_a_provider_there_are_no_spans():
    """
    As long as nobody would see them, none is made.
    """
    tracing = Tracing()

    assert tracing.tracer() is None
    assert tracing.start("x", "INTERNAL", {}) is None


class Broken:
    """A tracer of which nothing can be had."""

    def start_span(self, *_, **__):
        raise RuntimeError("no span")


def test_a_tracer_that_fails_is_complained_of_once(caplog):
    """
    It would be asked for each task, and fail each time.
    """
    tracing = Tracing(Broken())

    assert [tracing.start("x", "INTERNAL", {}) for _ in range(3)] == [None] * 3
    assert [one.levelname for one in caplog.records].count("WARNING") == 1


def test_a_process_without_opentelemetry_ignores_what_came(monkeypatch):
    """
    A step does not fail because its span cannot be made current.
    """
    for name in [one for one in sys.modules if one.startswith("opentelemetry")]:
        monkeypatch.setitem(sys.modules, name, None)

    fresh(lambda: adopt_traceparent(TRACEPARENT))
    assert current_traceparent() is None
