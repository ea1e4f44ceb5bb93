"""
What changed between two definitions of a workflow, in lines for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from singularity_workflow.model.definition import Definition

__all__ = ["differences"]

_LABELS: Final = {
    "kind": "kind",
    "depends_on": "dependencies",
    "over": "over",
    "initial_tasks": "initial_tasks",
    "when": "when",
    "when_not": "when_not",
    "on_unmet": "on_unmet",
    "on_failure": "on_failure",
}


def differences(old: Definition, new: Definition) -> list[str]:
    """
    Return one line for each difference between two shapes, none for equal ones.

    Steps are compared by number. Where the names differ that is the only line for
    the number, for the rest of it belongs to another step.
    """
    before: Any = old.shape()["steps"]
    after: Any = new.shape()["steps"]
    lines: list[str] = []
    if len(before) != len(after):
        lines.append(f"number of steps: {len(before)} → {len(after)}")
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        if one["name"] != other["name"]:
            lines.append(f"step {number}: name {one['name']!r} → {other['name']!r}")
        else:
            lines.extend(_compare(number, one, other))
    return lines


def _compare(number: int, old: dict[str, object], new: dict[str, object]) -> list[str]:
    return [
        f"step {number} {old['name']!r}: {label} "
        f"{_show(old.get(key))} → {_show(new.get(key))}"
        for key, label in _LABELS.items()
        if old.get(key) != new.get(key)
    ]


def _show(value: object) -> str:
    return "none" if value is None else orjson.dumps(value).decode()
