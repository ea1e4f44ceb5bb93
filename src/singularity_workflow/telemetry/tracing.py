"""
Spans of OpenTelemetry, if the program uses it.

Only the API is needed, and it is never imported from here unless a trace context came
from another process: a program that sets a tracer provider has imported it. Until then
each question costs one look into a dict.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from singularity_workflow.version import library_version

if TYPE_CHECKING:
    from opentelemetry.context import Context as TraceContext
    from opentelemetry.trace import Span, SpanContext, Tracer

__all__ = [
    "Tracing",
    "adopt_traceparent",
    "current_traceparent",
    "make_current",
    "traceparent_of",
]

logger = logging.getLogger(__name__)

_API: Final = "opentelemetry.trace"
_SCOPE: Final = "singularity_workflow"


def current_traceparent() -> str | None:
    """
    Return the W3C trace context of the current span, to be sent along with a message.

    Returns:
        None if the program does not use OpenTelemetry, or no span is current.
    """
    # another thread may be importing it just now
    get_current_span = getattr(sys.modules.get(_API), "get_current_span", None)
    if get_current_span is None:
        return None
    return _format(get_current_span().get_span_context())


def traceparent_of(span: Span) -> str | None:
    """Return the W3C trace context of a span, None if it is not recorded anywhere."""
    return _format(span.get_span_context())


def adopt_traceparent(traceparent: str | None) -> None:
    """Make a span of another process the current one of this context."""
    try:
        context = _extract(traceparent)
    except ImportError:
        return  # nobody here would see it
    if context is not None:
        from opentelemetry.context import attach  # noqa: PLC0415

        attach(context)


def make_current(span: Span) -> None:
    """Make a span the current one, for as long as this context lives."""
    from opentelemetry.context import attach  # noqa: PLC0415
    from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

    attach(set_span_in_context(span))


class Tracing:
    """
    Where the spans of one engine come from.

    Args:
        tracer: What makes them; None: that of the global provider, once there is one.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self._is_broken = False

    def tracer(self) -> Tracer | None:
        """Return what makes spans, None as long as nobody would see them."""
        if self._tracer is not None:
            return self._tracer
        api: Any = sys.modules.get(_API)
        # another thread may be importing it just now
        get_provider = getattr(api, "get_tracer_provider", None)
        if get_provider is None:
            return None
        provider = get_provider()
        if isinstance(provider, api.ProxyTracerProvider):
            return None
        self._tracer = provider.get_tracer(_SCOPE, library_version())
        return self._tracer

    def start(
        self,
        name: str,
        kind: str,
        attributes: Mapping[str, Any],
        *,
        parent: str | None = None,
        inherits: bool = False,
        start: float | None = None,
    ) -> Span | None:
        """
        Begin a span, if anybody would see it.

        What a sampler or a processor of the program raises is logged, the first time as
        a warning: a workflow does not stop because it cannot be watched.

        Args:
            name: Its name.
            kind: Name of its kind, as of `SpanKind`.
            attributes: What it says of itself.
            parent: Trace context of its parent; None: it has none.
            inherits: Whether the current span is its parent instead.
            start: Seconds since 1970; None: now.
        """
        tracer = self.tracer()
        if tracer is None:
            return None
        api: Any = sys.modules[_API]
        try:
            return tracer.start_span(
                name,
                # not what was current when the engine was connected
                context=None if inherits else _extract(parent) or _nowhere(),
                kind=api.SpanKind[kind],
                attributes=dict(attributes),
                start_time=None if start is None else int(start * 1e9),
            )
        except Exception:
            self._complain(f"span {name!r} cannot begin")
            return None

    def end(
        self,
        span: Span,
        *,
        outcome: str | None = None,
        error: Mapping[str, Any] | None = None,
        at: float | None = None,
    ) -> None:
        """
        End a span.

        Args:
            span: Which.
            outcome: What became of what it stands for.
            error: Its type, message and traceback, if it failed.
            at: Seconds since 1970; None: now.
        """
        try:
            if outcome is not None:
                span.set_attribute("outcome", outcome)
            if error is not None:
                _fail(span, error)
            span.end(None if at is None else int(at * 1e9))
        except Exception:
            self._complain("a span cannot end")

    def _complain(self, what: str) -> None:
        """Warn once: what is broken is so for every task."""
        level = logging.DEBUG if self._is_broken else logging.WARNING
        self._is_broken = True
        logger.log(level, "%s", what, exc_info=True)


def _fail(span: Span, error: Mapping[str, Any]) -> None:
    """Let a span say that it failed, and of what."""
    api: Any = sys.modules[_API]
    kind, message = str(error.get("type")), str(error.get("message"))
    event = {"exception.type": kind, "exception.message": message}
    if "traceback" in error:
        event["exception.stacktrace"] = str(error["traceback"])
    span.add_event("exception", event)
    span.set_status(api.StatusCode.ERROR, f"{kind}: {message}")


def _nowhere() -> TraceContext:
    """Return a context in which no span is current."""
    from opentelemetry.context import Context as Empty  # noqa: PLC0415

    return Empty()


def _format(context: SpanContext) -> str | None:
    if not context.is_valid:
        return None
    return (
        f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    )


def _extract(traceparent: str | None) -> TraceContext | None:
    """Return the context that a trace context names; one that is none is ignored."""
    if traceparent is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})
