"""
JSON pointers: into values, and into what a schema says of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from singularity_workflow.model.issues import json_pointer
from singularity_workflow.model.names import did_you_mean

__all__ = ["MAX_PATH", "is_no_array", "look_up", "path_problem", "pointer_to", "tokens"]

MAX_PATH: Final = 4_096
"""Characters of a pointer into an output."""

_MOST_SCHEMAS: Final = 64
_LONGEST_PART: Final = 200


def pointer_to(*parts: str | int) -> str:
    """Return the pointer to a member of a plan; what is no name in it is cut."""
    return json_pointer(
        *(part[:_LONGEST_PART] if isinstance(part, str) else part for part in parts)
    )


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


def path_problem(
    schema: Mapping[str, Any], path: str, *, has_hint: bool = True
) -> str | None:
    """
    Return why nothing can be at *path* of a value of *schema*, or None.

    What the schema does not rule out may be there. What was probably meant is found
    with *has_hint*, and takes its time.
    """
    found, problem = _walk(schema, path, has_hint=has_hint)
    return None if found else problem


def is_no_array(schema: Mapping[str, Any], path: str) -> bool:
    """Tell whether what is at *path* of a value of *schema* can be no array."""
    found, _ = _walk(schema, path, has_hint=False)
    kinds = [one.get("type") for one in _resolved(found, schema.get("$defs", {}))]
    return bool(kinds) and all(
        isinstance(kind, str) and kind != "array" for kind in kinds
    )


def _walk(
    schema: Mapping[str, Any], path: str, *, has_hint: bool
) -> tuple[list[Mapping[str, Any]], str]:
    """Return the schemas of what may be at *path*; or none, and why."""
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
            hint = did_you_mean(part, known) if has_hint else None
            problem = f"the output has no {part[:60]!r} there"
            return [], f"{problem}. {hint}" if hint else problem
        current = found
    return current, ""


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
