"""
A ready set-up of logging for programs.

Importing the library configures nothing, and a library should not: call `configure`, or
hang a `TaskFields` on a handler of your own.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.telemetry.fields import FIELDS, task_fields

__all__ = ["HumanFormatter", "JsonFormatter", "TaskFields", "configure"]

_STANDARD: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
)
"""What every record has; anything else came by `extra`."""

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


_LARGEST_INT: Final = 2**63
"""Beyond, orjson refuses a number."""


class TaskFields(logging.Filter):
    """
    Add run_id, workflow, step, task_index, attempt and worker_id inside of steps.

    Hung on a handler, it marks every record that is logged while a step runs, by
    whatever logger, in its coroutine, its thread or its process. A field that the
    record has already is left alone.

    .. versionadded:: 0.1
    """

    def __init__(self) -> None:
        super().__init__()

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields; lets every record pass."""
        for name, value in task_fields().items():
            if name not in record.__dict__:
                record.__dict__[name] = value
        return True


class JsonFormatter(logging.Formatter):
    """
    One JSON object a line: time, level, logger, message, then the fields of `extra`.

    An exception is text under `exception`. What is no JSON is shown as its `str`.

    .. versionadded:: 0.1
    """

    def __init__(self) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        item: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in _extras(record).items():
            item.setdefault(name, value)
        if record.exc_info:
            item["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            item["exception"] = record.exc_text
        if record.stack_info:
            item["stack"] = self.formatStack(record.stack_info)
        return _dump(item)


class HumanFormatter(logging.Formatter):
    """
    A line to be read: time, process, level, logger, message, then `key=value` fields.

    .. versionadded:: 0.1
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the first line; a traceback follows it."""
        line = super().formatMessage(record)
        fields = _extras(record)
        return " ".join([line, *(f"{k}={_one_line(v)}" for k, v in fields.items())])


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `configure` finds the first one's."""


def configure(
    json: bool = False,  # noqa: FBT002 - it is the only question that most ask
    level: int | str = "INFO",
    stream: TextIO | None = None,
) -> None:
    """
    Log to a stream, with the fields that tell which run and step a record is about.

    The handler stands on the root logger, because steps log by loggers of the program.
    A second call replaces what the first one has set up, so no line comes twice; other
    handlers stay as they are.

    Args:
        json: One JSON object a line instead of text to be read.
        level: The least that is logged: a name or a number of `logging`.
        stream: Where to; by default standard error.

    Raises:
        InvalidSetting: There is no such level.

    .. versionadded:: 0.1
    """
    number = _read_level(level)
    root = logging.getLogger()
    handler = _Handler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if json else HumanFormatter())
    handler.addFilter(TaskFields())
    for former in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(number)


def _read_level(level: int | str) -> int:
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    number = logging.getLevelNamesMapping().get(str(level).upper())
    if number is None:
        raise InvalidSetting(
            f"there is no level {level!r}", hint=f"Give one of {', '.join(_LEVELS)}."
        )
    return number


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what came by `extra`: the library's fields in their order, then others."""
    found = vars(record)
    known = {name: found[name] for name in FIELDS if name in found}
    others = {k: v for k, v in found.items() if k not in _STANDARD and k not in known}
    return known | others


def _one_line(value: object) -> str:
    """Return a value as text; a line of its own would look like another record."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _dump(item: dict[str, object]) -> str:
    options = orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(item, default=str, option=options).decode()
    except (TypeError, ValueError):
        # lone surrogates, numbers that are too large: a line that is lost helps nobody
        texts = {k: _harmless(v) for k, v in item.items()}
        return orjson.dumps(texts, option=options).decode()


def _harmless(value: object) -> object:
    if isinstance(value, int) and abs(value) < _LARGEST_INT:
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()
