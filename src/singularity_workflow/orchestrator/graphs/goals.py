"""
Goals as data: their hash, their words, and the input that their tasks see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from singularity_workflow.errors import InvalidInput
from singularity_workflow.model.json_codec import NotJson, encode_json

__all__ = [
    "canonical",
    "goal_hash",
    "goal_input",
    "goal_mark",
    "goal_text",
    "read_goal",
]


def read_goal(goal: object) -> Any:
    """
    Return *goal* as plain JSON values.

    Raises:
        InvalidInput: If it is not JSON, or says nothing.
    """
    try:
        plain: object = orjson.loads(encode_json(goal))
    except NotJson as error:
        raise InvalidInput(f"the goal is not JSON: {error}") from None
    if plain is None or plain in ("", {}, []):
        raise InvalidInput(
            f"the goal is empty: {plain!r}",
            hint="Write it in words, or as a mapping with what its tasks need.",
        )
    return plain


def canonical(value: object) -> bytes:
    """
    Return *value* as JSON of which there is one form: sorted keys, no spaces.

    Raises:
        NotJson: If it cannot be stored.
    """
    # what encode_json lets through, orjson can sort
    return orjson.dumps(orjson.loads(encode_json(value)), option=orjson.OPT_SORT_KEYS)


def goal_hash(goal: object) -> str:
    """
    Return what makes a goal the same one: the SHA-256 of its canonical JSON, in hex.

    Args:
        goal: Any JSON value.

    Raises:
        NotJson: If it is none.

    .. versionadded:: 0.1
    """
    return hashlib.sha256(canonical(goal)).hexdigest()


def goal_input(goal: object) -> dict[str, Any]:
    """Return what the tasks of *goal* see of it: its members, or `{"goal": goal}`."""
    return dict(goal) if isinstance(goal, Mapping) else {"goal": goal}


def goal_mark(
    goal: object,
    parent: str | None = None,
    depth: int = 1,
    *,
    is_redacted: bool = False,
) -> dict[str, Any]:
    """
    Return what the engine says with the start of a goal's run.

    The database tells of no other run as of a goal, whatever is kept with it.

    Args:
        goal: The goal.
        parent: Hash of the goal that it is a part of.
        depth: Its level: 1 for the first.
        is_redacted: Whether no value of the run, and of those below it, is told.
    """
    mark: dict[str, Any] = {
        "goal_hash": goal_hash(goal),
        "parent": parent,
        "depth": depth,
    }
    return {**mark, "redact": True} if is_redacted else mark


def goal_text(goal: object) -> str:
    """Return the words of *goal*: itself, or the first member that names it."""
    if isinstance(goal, str):
        return goal
    if isinstance(goal, Mapping):
        for key in ("goal", "description", "name", "task", "title"):
            if isinstance(goal.get(key), str):
                return str(goal[key])
    return canonical(goal).decode()
