"""
Find the plan in a text that a language model wrote.

The text may be JSON, JSON in a fenced block, or JSON somewhere in prose. All is one
pass over the text, whatever is in it; what is found is data, and judged as any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson

from singularity_workflow.model.issues import Issue
from singularity_workflow.orchestrator.graphs.scanning import (
    MAX_NESTING,
    MAX_TEXT,
    decode_text,
    repeated_members,
)

__all__ = ["find_plan"]

_FENCE: Final = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_MARKS: Final = re.compile(r'["\\{}\[\]]')
_BEGINNING: Final = re.compile(r'\{\s*"(?:tasks|version|goal)"\s*:')
_MOST_BEGINNINGS: Final = 20
_MOST_PARTS: Final = 200
_PAIRS: Final = {"{": "}", "[": "]"}


def find_plan(text: str | bytes) -> tuple[Any, list[Issue]]:
    """
    Return the JSON value in *text* that looks most like a plan, or why there is none.

    A whole text that is JSON counts as it is; else the last part that has tasks, else
    the last that is JSON at all: models think first and answer then.
    """
    value, issues = decode_text(text)
    if value is not None or not issues or len(text) > MAX_TEXT:
        return value, issues
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    best: Any = None
    chosen = ""
    for part in _parts(text):
        try:
            found = orjson.loads(part)
        except ValueError:
            continue
        if _is_plan(found) or (best is None and isinstance(found, (dict, list))):
            best, chosen = found, part
    if best is None:
        return None, [_no_plan(text, issues)]
    return best, repeated_members(chosen)


def _parts(text: str) -> Iterator[str]:
    """Yield what may be JSON: what is in fences, else what is in brackets."""
    fenced = [match[1] for match in _FENCE.finditer(text)]
    if any("{" in part or "[" in part for part in fenced):
        for part in fenced[:_MOST_PARTS]:
            yield part
            yield from _bracketed(part)
        return
    yield from _bracketed(text)
    # a bracket that is never closed hides what comes after it
    for match in islice(_BEGINNING.finditer(text), _MOST_BEGINNINGS):
        yield from islice(_bracketed(text[match.start() :]), 1)


def _bracketed(text: str) -> Iterator[str]:  # noqa: C901 - one automaton
    """Yield the outermost parts in balanced brackets, a few at most."""
    closing: list[str] = []
    start = count = 0
    is_quoted = False
    skip = -1
    for match in _MARKS.finditer(text):
        mark, place = match[0], match.start()
        if place == skip or (mark == "\\" and not is_quoted):
            continue
        if is_quoted:
            if mark == "\\":
                skip = place + 1
            elif mark == '"':
                is_quoted = False
        elif mark == '"':
            is_quoted = bool(closing)  # in prose a quote means nothing
        elif mark in _PAIRS:
            if not closing:
                start = place
            closing.append(_PAIRS[mark])
            if len(closing) > MAX_NESTING:
                return  # no plan is nested so deeply
        elif closing and closing.pop() != mark:
            closing.clear()  # this was no JSON; what follows may be
        elif mark in "}]" and not closing and start <= place:
            yield text[start : place + 1]
            count += 1
            start = place + 1
            if count >= _MOST_PARTS:
                return


def _is_plan(value: object) -> bool:
    if isinstance(value, dict):
        return "tasks" in value
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and "id" in one for one in value)
    )


def _no_plan(text: str, issues: list[Issue]) -> Issue:
    shown = " ".join(text.split())[:60]
    reason = f": {issues[0].message}" if text.lstrip()[:1] in ("{", "[") else ""
    return Issue(
        code="bad_json",
        pointer="",
        message=f"the text has no plan in JSON ({shown!a}){reason}",
        hint='Answer with one JSON object: {"tasks": [...]}.',
    )
