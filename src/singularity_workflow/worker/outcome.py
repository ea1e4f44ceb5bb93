"""
What became of one attempt, and how a batch of outcomes travels.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Literal, TypeAlias

import orjson

from singularity_workflow.errors import DefinitionError, SingularityError
from singularity_workflow.model.context import Context
from singularity_workflow.model.issues import Issue
from singularity_workflow.model.json_codec import NotJson, encode_json
from singularity_workflow.store.replies import Reply, TaskRef
from singularity_workflow.worker.processes import RemoteError

__all__ = [
    "Outcome",
    "OutcomeKind",
    "describe_error",
    "encode_batch",
    "storable_message",
]

OutcomeKind: TypeAlias = Literal[
    "completed", "failed", "skipped", "unserved", "unmet", "called", "recorded"
]

_LONGEST_TEXT = 16_000
"""Characters of a message or traceback that are kept: enough to find the cause."""

_MOST_ISSUES = 100
"""Of a definition or plan that are kept with the error."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """
    The end of one attempt, as the worker saw it.

    Args:
        task: The attempt.
        kind: What `report_tasks` does with it.
        output: The step's output as JSON, if it completed.
        error: type, message and traceback, if it did not; of an error of ours hint and
            issues, too.
        is_final: Failed, and no further attempt makes sense.
        retry_after: Failed: seconds to wait, instead of what the policy says.
        deferrals: How often its run was held by somebody else.
        events: What the attempt has told, and is not stored yet.
        context: What the step saw of itself; None: it was given to us to fail it.
        seconds: How long the attempt took.
        queue: The queue of its step.
        is_redacted: Whether what its error says is not to be told.
        reply: What the database said, if the outcome was recorded there already, in
            the step's own transaction.
    """

    task: TaskRef
    kind: OutcomeKind
    output: bytes | None = None
    error: Mapping[str, object] | None = None
    is_final: bool = False
    retry_after: float | None = None
    deferrals: int = 0
    events: Sequence[Mapping[str, object]] = ()
    context: Context | None = None
    seconds: float = 0.0
    queue: str | None = None
    is_redacted: bool = False
    reply: Reply | None = None


def encode_batch(outcomes: Iterable[Outcome]) -> bytes:
    """Return the outcomes as the array that `report_tasks` takes."""
    return orjson.dumps([_to_item(outcome) for outcome in outcomes])


def _to_item(outcome: Outcome) -> dict[str, object]:
    run_id, step_no, task_index, attempt = outcome.task
    item: dict[str, object] = {
        "run": run_id,
        "step": step_no,
        "task": task_index,
        "attempt": attempt,
        "outcome": outcome.kind,
    }
    if outcome.output is not None:
        item["output"] = orjson.Fragment(outcome.output)
    if outcome.error is not None:
        item["error"] = outcome.error
    if outcome.is_final:
        item["final"] = True
    if outcome.retry_after is not None:
        item["after"] = outcome.retry_after
    if outcome.events:
        item["events"] = outcome.events
    return item


def describe_error(error: BaseException) -> dict[str, object]:
    """
    Return *error* as it is stored: its type, message and traceback.

    Of an error of ours its hint and issues, too, so that whoever waits gets them back.

    The frames of this library above the step's own are left out. What PostgreSQL
    cannot store in a text is replaced, so that no error is ever lost for its words.
    """
    if isinstance(error, RemoteError):
        return {
            "type": error.kind.removeprefix("builtins."),
            "message": storable_message(error),
            "traceback": _storable(error.remote_traceback, keep_end=True),
        }
    kind = type(error)
    frames = _own_frames(error)
    if frames is None and isinstance(error, SingularityError):
        # our own words about the step: how we came to them helps nobody
        text = "".join(traceback.format_exception_only(kind, error))
        cause = error.__cause__
        if cause is not None and (frames := _own_frames(cause)) is not None:
            text = f"{_format(cause, frames)}\n{text}"
    else:
        text = _format(error, frames or error.__traceback__)
    found: dict[str, object] = {
        "type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        "message": storable_message(error),
        "traceback": _storable(text, keep_end=True),
    }
    if isinstance(error, SingularityError) and error.hint:
        found["hint"] = _storable_value(error.hint)
    if isinstance(error, DefinitionError) and error.issues:
        found["issues"] = [_describe_issue(one) for one in error.issues[:_MOST_ISSUES]]
    return found


def _describe_issue(issue: object) -> dict[str, str]:
    """Return an issue as it is stored; a step may have raised it with anything."""
    if not isinstance(issue, Issue):
        return {"code": "unknown", "pointer": "", "message": _storable_value(issue)}
    texts = {
        field.name: getattr(issue, field.name)
        for field in fields(issue)
        if getattr(issue, field.name) is not None
    }
    shown = {name: _storable_value(text) for name, text in texts.items()}
    return {"code": "unknown", "pointer": "", "message": "", **shown}


def _format(error: BaseException, frames: TracebackType | None) -> str:
    """
    Return the traceback as text, without carets below the lines.

    To place a caret the standard library parses the line, which is slow, and in Python
    3.11 not safe while another thread parses.
    """
    found = traceback.TracebackException(type(error), error, frames, compact=True)
    members = [found]
    while members:
        member = members.pop()
        for frame in member.stack:
            frame.colno = None
        chained = (member.__cause__, member.__context__, *(member.exceptions or ()))
        members += [one for one in chained if one is not None]
    return "".join(found.format())


def storable_message(error: BaseException) -> str:
    """Return the message of *error* as PostgreSQL can store it."""
    try:
        if isinstance(error, SingularityError):
            return _storable(error.message)
        return _storable(str(error))
    except Exception as broken:  # an exception whose __str__ raises
        return f"(its message cannot be shown: {type(broken).__name__})"


def _storable_value(value: object) -> str:
    """Return what is said beside the message, a text or not, as it can be stored."""
    try:
        return _storable(str(value))
    except Exception as broken:
        return f"(it cannot be shown: {type(broken).__name__})"


def _own_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback from the step's own frame on, None if there is none."""
    frame = error.__traceback__
    while frame is not None:
        module = frame.tb_frame.f_globals.get("__name__", "")
        if not module.startswith(("singularity_workflow.", "asyncio.", "concurrent.")):
            return frame
        frame = frame.tb_next
    return None


def _storable(text: str, *, keep_end: bool = False) -> str:
    if len(text) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        end = text[-half:] if keep_end else ""
        text = f"{text[: _LONGEST_TEXT - len(end)]}\n…\n{end}"
    try:
        encode_json(text)
    except NotJson:
        text = text.replace("\x00", "\\x00")
        text = text.encode("utf-8", "backslashreplace").decode()
    return text
