"""
JSON pointers: into values, and into what a schema says of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from singularity_workflow.model.names import did_you_mean

__all__ = ["look_up", "path_problem", "tokens"]

_MOST_SCHEMAS: Final = 64


def tokens(path: str) -> list[str]:
    """Return the parts of a JSON pointer, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def look_up(value: Any, path: str) -> Any:
    """
    Return what *path* points to in *value*.

    Raises:
        LookupError: There is nothing; it says where the path ended.
    """
    for part in tokens(path):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _is_index(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            raise LookupError(f"there is nothing at {part!r}")
    return value


def path_problem(schema: Mapping[str, Any], path: str) -> str | None:
    """
    Return why nothing can be at *path* of a value of *schema*, or None.

    What the schema does not rule out may be there.
    """
    definitions = schema.get("$defs", {})
    current = [schema]
    for part in tokens(path):
        found: list[Mapping[str, Any]] = []
        known: list[str] = []
        for one in _resolved(current, definitions):
            member = _member(one, part, known)
            if member is not None:
                found.append(member)
        if not found:
            hint = did_you_mean(part, known)
            problem = f"the output has no {part!r} there"
            return f"{problem}. {hint}" if hint else problem
        current = found
    return None


def _resolved(
    schemas: list[Mapping[str, Any]], definitions: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Return *schemas* with references followed and alternatives side by side."""
    waiting = list(schemas)
    found: list[Mapping[str, Any]] = []
    for _ in range(_MOST_SCHEMAS):
        if not waiting:
            return found
        one = waiting.pop()
        if "$ref" in one:
            waiting.append(definitions.get(str(one["$ref"]).rsplit("/", 1)[-1], {}))
        elif "anyOf" in one or "oneOf" in one:
            waiting += [*one.get("anyOf", ()), *one.get("oneOf", ())]
        else:
            found.append(one)
    return [*found, {}]


def _member(
    schema: Mapping[str, Any], part: str, known: list[str]
) -> Mapping[str, Any] | None:
    """Return the schema of a member, None if there cannot be one."""
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        known.extend(properties)
        if part in properties:
            return dict(properties[part])
        others = schema.get("additionalProperties", not properties)
        if isinstance(others, Mapping):
            return others
        return {} if others else None
    if kind == "array":
        if not _is_index(part):
            return None
        before = schema.get("prefixItems", [])
        if int(part) < len(before):
            return dict(before[int(part)])
        items = schema.get("items", {})
        return items if isinstance(items, Mapping) else None
    return {} if kind is None and "const" not in schema else None


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 10
