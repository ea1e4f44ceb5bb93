"""
What workflows, steps and queues may be called, and what was probably meant.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from singularity_workflow.model.issues import Issue

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "MAX_NAME_LENGTH",
    "NAME_PATTERN",
    "RESERVED_NAMES",
    "did_you_mean",
    "name_issue",
    "name_problem",
    "queue_problem",
]

MAX_NAME_LENGTH: Final = 128

RESERVED_NAMES: Final = frozenset({"input", "run_input", "ctx", "item", "index"})
"""Parameter names with a meaning of their own, in whatever case."""

NAME_PATTERN: Final = "^[a-zA-Z_][a-zA-Z0-9_]*$"
"""Of a JSON Schema."""

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_FEW: Final = 500

_QUEUE: Final = re.compile(r"[a-z_][a-z0-9_.:/-]*", re.ASCII | re.IGNORECASE)
_LONGEST_QUEUE: Final = 200


def name_problem(name: object, *, allow_reserved: bool = False) -> str | None:
    """
    Return what is wrong with *name*, as the end of a sentence, or None.

    Args:
        name: Whatever was given as a name.
        allow_reserved: Whether `RESERVED_NAMES` are as good as others (queues).
    """
    if not isinstance(name, str):
        return f"must be a string, got {type(name).__name__}"
    if not name:
        return "must not be empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"has {len(name)} characters, at most {MAX_NAME_LENGTH} are possible"
    if not _NAME.fullmatch(name):
        return "must be letters, digits and underscores and not start with a digit"
    if not allow_reserved and name.lower() in RESERVED_NAMES:
        return "is reserved for a parameter"
    return None


def queue_problem(name: object) -> str | None:
    """
    Return why *name* cannot be that of a queue of messages, or None.

    It is the end of a sentence; `open_queue.sql` has the same rules.
    """
    if not isinstance(name, str):
        return f"must be text, got {type(name).__name__}"
    if not 1 <= len(name) <= _LONGEST_QUEUE:
        return f"must have 1 to {_LONGEST_QUEUE} characters, got {len(name)}"
    if not _QUEUE.fullmatch(name):
        return (
            "must begin with a letter or _ and go on with letters, digits and "
            f"_ . : / -, got {name!r}"
        )
    if name.lower().startswith("swf_"):
        return f"must not begin with swf_, which is the library's own, got {name!r}"
    return None


def name_issue(name: object, what: str, pointer: str) -> Issue | None:
    """
    Return the issue of a bad *name*, or None for a good one.

    Args:
        name: Whatever was given as a name.
        what: `workflow` or `step`, for the message.
        pointer: Where the name stands in the definition.
    """
    problem = name_problem(name)
    if problem is None:
        return None

    shown = repr(name) if len(repr(name)) <= 60 else repr(name)[:57] + "..."
    return Issue(
        code="bad_name",
        pointer=pointer,
        message=f"the {what} name {shown} {problem}",
        hint=_suggest_name(name),
    )


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """
    Return a hint with the member of *known* that is nearest to *word*, or None.

    Among very many names only those of a similar length and beginning are compared,
    so that one misspelt word in five thousand costs about as much as one in fifty.
    """
    if not word:
        return None

    candidates = [name for name in known if abs(len(name) - len(word)) <= 3]
    if len(candidates) > _FEW:
        start = word[:2].lower()
        candidates = [name for name in candidates if name.lower().startswith(start)]
    by_lower = {name.lower(): name for name in candidates[:_FEW]}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[near[0]]!r}?" if near else None


def _suggest_name(name: object) -> str | None:
    if not isinstance(name, str):
        return None

    better = re.sub(r"[^a-zA-Z0-9_]+", "_", name)[:MAX_NAME_LENGTH].strip("_")
    if better and better[0].isdigit():
        better = "_" + better[: MAX_NAME_LENGTH - 1]
    if better.lower() in RESERVED_NAMES:
        better = f"{better}_step"
    return f"{better!r} would do." if better else None
