"""
Docstrings and signatures as Markdown.
"""

# ruff: noqa: INP001 - a folder of scripts, not a package
from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Docstring", "read_docstring", "to_markdown", "to_signature"]

_SECTIONS = ("Args", "Attributes", "Returns", "Raises")
_SINCE = re.compile(r"\.\. versionadded:: (\S+)")
_ENTRY = re.compile(r"(\w[\w.]*):(?: (.*))?")
_WIDTH = 84


@dataclass(slots=True)
class Docstring:
    """
    A docstring in its parts.

    Args:
        summary: Its first paragraph.
        text: The paragraphs that follow, up to the sections and behind them.
        entries: The members of `Args`, `Attributes` and `Raises`, by section.
        returns: What `Returns` says.
        since: The version that brought the object.
    """

    summary: str = ""
    text: list[str] = field(default_factory=list)
    entries: dict[str, dict[str, str]] = field(default_factory=dict)
    returns: str = ""
    since: str = ""


def read_docstring(subject: object) -> Docstring:
    """Return the docstring of *subject* in its parts."""
    found = Docstring()
    for title, lines in _sections(inspect.getdoc(subject) or ""):
        if title == "Returns":
            found.returns = " ".join(lines)
        elif title:
            found.entries[title] = dict(_entries(lines))
        elif since := _SINCE.match(" ".join(lines)):
            found.since = since[1]
        elif not found.summary:
            found.summary = " ".join(lines)
        else:
            found.text.append(" ".join(lines))
    return found


def to_markdown(found: Docstring) -> list[str]:
    """Return the lines of a description, without its heading."""
    lines = [found.summary, ""]
    for paragraph in found.text:
        lines += [paragraph, ""]
    for title in _SECTIONS:
        if title == "Returns" and found.returns:
            lines += [f"Returns: {found.returns}", ""]
        elif members := found.entries.get(title):
            lines += [f"{_HEADINGS[title]}:", ""]
            lines += [f"- `{name}`: {text}" for name, text in members.items()]
            lines.append("")
    return lines


def to_signature(name: str, function: Callable[..., Any]) -> list[str]:
    """Return the call of *function* as a block of code."""
    signature = inspect.signature(function)
    parts: list[str] = []
    has_star = False
    for one in signature.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not has_star:
            parts.append("*")
            has_star = True
        has_star = has_star or one.kind is one.VAR_POSITIONAL
        parts.append(_parameter(one))
    returns = signature.return_annotation
    end = "" if returns in (inspect.Signature.empty, None, "None") else f" -> {returns}"
    prefix = "async " if inspect.iscoroutinefunction(function) else ""
    line = f"{prefix}{name}({', '.join(parts)}){end}"
    if len(line) <= _WIDTH:
        return ["```text", line, "```", ""]
    inside = [f"    {part}," for part in parts]
    return ["```text", f"{prefix}{name}(", *inside, f"){end}", "```", ""]


_HEADINGS = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises"}


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield paragraphs with no title, and sections with theirs."""
    title, lines = "", list[str]()
    for line in text.splitlines():
        if line.rstrip(":") in _SECTIONS and line.endswith(":"):
            if lines:
                yield title, lines
            title, lines = line[:-1], []
        elif title and line.startswith(" "):
            lines.append(line[4:])
        elif not line.strip() or title:
            if lines:
                yield title, lines
            title, lines = "", [line] if line.strip() else []
        else:
            lines.append(line)
    if lines:
        yield title, lines


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    name, words = "", list[str]()
    for line in lines:
        begin = None if line.startswith(" ") else _ENTRY.fullmatch(line)
        if begin is not None:
            if name:
                yield name, " ".join(words)
            name, words = begin[1], [begin[2]] if begin[2] else []
        else:
            words.append(line.strip())
    if name:
        yield name, " ".join(words)


def _parameter(one: inspect.Parameter) -> str:
    text = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "") + one.name
    if one.annotation is not one.empty:
        text += f": {one.annotation}"
    if one.default is not one.empty:
        text += f" = {_default(one.default)}"
    return text


def _default(value: object) -> str:
    if isinstance(value, tuple):
        names = [one.__name__ if isinstance(one, type) else repr(one) for one in value]
        return f"({', '.join(names)}{',' if len(names) == 1 else ''})"
    return "…" if inspect.isfunction(value) else repr(value)
