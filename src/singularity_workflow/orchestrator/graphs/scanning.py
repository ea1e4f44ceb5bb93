"""
Make plain JSON values of data that nobody vouches for.

What comes in may be anything that Python can hold, or that a language model can write:
nested for ever, containing itself, with keys that are no strings. What comes out is a
copy of its own in which none of that is left, or what is wrong with it. Nothing here
recurses.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import orjson
from pydantic import BaseModel

from singularity_workflow.model.issues import Issue, json_pointer

__all__ = [
    "MAX_NESTING",
    "MAX_TEXT",
    "MAX_VALUES",
    "decode_text",
    "repeated_members",
    "to_plain",
]

MAX_NESTING: Final = 64
"""Levels of objects and arrays in each other; a plan needs six."""

MAX_VALUES: Final = 2_000_000
MAX_TEXT: Final = 16_000_000
"""Characters; a graph of 10,000 tasks has some two million."""

_MOST_ISSUES: Final = 100
_WHOLE: Final = 2**63


def decode_text(text: str | bytes) -> tuple[Any, list[Issue]]:
    """Return the value that a JSON document holds, or what is wrong with it."""
    if len(text) > MAX_TEXT:
        return None, [_issue("too_large", (), f"the text has {len(text)} characters")]
    try:
        value = orjson.loads(text)
    except ValueError as error:
        message = f"the plan must be JSON: {error}"
        return None, [_issue("bad_json", (), message)]
    return value, repeated_members(text)


def repeated_members(text: str | bytes) -> list[Issue]:
    """
    Return an issue for each member that an object of a JSON document has twice.

    Of those a parser keeps the last, and so a task would be gone without a word.
    """
    found: list[Issue] = []

    def count(members: list[tuple[str, object]]) -> None:
        names: set[str] = set()
        for name, _ in members:
            if name in names and len(found) < _MOST_ISSUES:
                message = f"the plan has {_show(name)} twice in one object"
                found.append(_issue("bad_json", (), message))
            names.add(name)

    # what cannot be read is too deep for a plan in any case
    with contextlib.suppress(RecursionError, ValueError):
        json.loads(text, object_pairs_hook=count, parse_int=len, parse_float=len)
    return found


def to_plain(value: object) -> tuple[Any, list[Issue]]:
    """
    Return a copy of *value* in plain JSON values, and what was not possible.

    Models of pydantic in it, such as tasks of a graph, are dumped.
    """
    scan = _Scan()
    try:
        found = scan.copy(value)
    except Exception as error:  # of a mapping or model that is not what it seems
        message = f"the plan cannot be read: {type(error).__name__}"
        return None, [*scan.issues, _issue("bad_type", (), message)]
    return found, scan.issues


class _Scan:
    """One walk, by an explicit stack."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self._count = 0
        self._stack: list[tuple[Any, Any, tuple[Any, ...]]] = []

    def copy(self, value: object) -> Any:
        root = self._enter(value, ())
        while self._stack and len(self.issues) < _MOST_ISSUES:
            source, target, path = self._stack.pop()
            if len(path) > MAX_NESTING:
                problem = f"is nested more than {MAX_NESTING} levels deep, or contains "
                self._add("too_deep", path, problem + "itself")
                break
            if self._count > MAX_VALUES:
                self._add("too_large", path, f"has more than {MAX_VALUES} values")
                break
            if isinstance(target, dict):
                self._fill_object(source, target, path)
            else:
                for number, member in enumerate(source):
                    target.append(self._enter(member, (*path, number)))
        return root

    def _fill_object(
        self,
        source: Mapping[Any, Any],
        target: dict[str, Any],
        path: tuple[Any, ...],
    ) -> None:
        for key, member in source.items():
            if not isinstance(key, str):
                self._add("bad_type", path, f"has the key {_show(key)}, no string")
            elif problem := _text_problem(key):
                self._add("bad_value", path, f"has the key {_show(key)}, {problem}")
            else:
                target[str(key)] = self._enter(member, (*path, key))

    def _enter(self, value: object, path: tuple[Any, ...]) -> Any:
        """Return the plain form of *value*; what has members gets them later."""
        self._count += 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            if problem := _text_problem(value):
                self._add("bad_value", path, f"has {_show(value)}, {problem}")
            return str(value)
        if isinstance(value, int):
            if not -_WHOLE <= value < 2 * _WHOLE:
                self._add("bad_value", path, "has an integer beyond 64 bits")
            return int(value)
        if isinstance(value, float):
            if not isfinite(value):
                self._add("bad_value", path, f"has {value}, which is no JSON number")
            return float(value)
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json", exclude_defaults=True)
        if not isinstance(value, (Mapping, list, tuple)):
            kind = type(value).__name__
            self._add(
                "bad_type", path, f"has a value of type {kind}, which is not JSON"
            )
            return None
        target: Any = {} if isinstance(value, Mapping) else []
        self._stack.append((value, target, path))
        return target

    def _add(self, code: str, path: tuple[Any, ...], problem: str) -> None:
        self.issues.append(_issue(code, path, f"the plan {problem}"))


def _issue(code: str, path: tuple[Any, ...], message: str) -> Issue:
    shown = [part[:60] if isinstance(part, str) else part for part in path[:8]]
    return Issue(code=code, pointer=json_pointer(*shown), message=message)


def _text_problem(text: str) -> str | None:
    if "\x00" in text:
        return "which contains the NUL character"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "which contains a lone surrogate"
    return None


def _show(value: object) -> str:
    text = ascii(value) if isinstance(value, (str, int, float, bytes)) else ""
    text = text or type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
