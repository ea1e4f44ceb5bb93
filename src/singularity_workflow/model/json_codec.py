"""
Values to JSON bytes and back, refusing what PostgreSQL or JSON cannot hold.

Accepted besides plain JSON values, because they have one obvious form: tuples (also
named ones), mappings, enum members, dataclasses, `datetime`, `date`, `time`, `UUID`,
subclasses of the plain types (a `StrEnum` may be a key) and pydantic models (dumped by
alias, as they are validated). Refused: bytes, sets,
`Decimal`, numpy arrays and all else; a step that returns such a value declares its
type, or converts it.

NaN and infinities are refused rather than written as null, integers beyond 64 bits
rather than rounded, and the NUL character because PostgreSQL has no room for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from typing import Final

import orjson
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

__all__ = ["NotJson", "decode_json", "encode_json", "find_problem", "show_path"]

_MAX_DEPTH: Final = 254
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class NotJson(ValueError):
    """
    A value that cannot be stored as JSON.

    Args:
        path: Where in the value, such as `$.items[3].price`.
        reason: What is wrong there.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def encode_json(value: object) -> bytes:
    """
    Return *value* as UTF-8 encoded JSON.

    Raises:
        NotJson: If it, or something in it, cannot be stored.
    """
    try:
        data = orjson.dumps(value, _convert)
    except (TypeError, RecursionError):
        data = _encode_slowly(value)
    if b"null" in data and (problem := find_problem(value)):
        raise NotJson(*problem)
    if b"\\u0000" in data and _NUL.search(data):
        raise NotJson(*(find_problem(value) or ("$", "contains the NUL character")))
    return data


def decode_json(data: bytes | bytearray | memoryview | str) -> object:
    """
    Return the value that *data* encodes.

    Raises:
        ValueError: If it is not JSON.
    """
    value: object = orjson.loads(data)
    return value


def find_problem(value: object) -> tuple[str, str] | None:
    """Return path and reason of the first thing in *value* that is not JSON."""
    path: list[object] = []
    try:
        reason = _search(value, path)
    except RecursionError:
        reason = "is nested too deeply"
    return (show_path(path), reason) if reason else None


def show_path(parts: list[object] | tuple[object, ...]) -> str:
    """Return *parts* (keys and positions) as one path, `$.items[3].price`."""
    text = "$"
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif isinstance(part, str) and _IDENTIFIER.fullmatch(part):
            text += f".{part}"
        else:
            text += f"[{part!r}]"
    return text


def _encode_slowly(value: object) -> bytes:
    """Encode what failed at first: it has a problem, or a key of a subclass of str."""
    if problem := find_problem(value):
        raise NotJson(*problem)
    try:
        return orjson.dumps(value, _convert, orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError) as error:
        raise NotJson("$", str(error)) from None


def _convert(value: object) -> object:
    """Turn what orjson does not know into what it knows, or raise TypeError."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _search(value: object, path: list[object]) -> str | None:
    """Return the reason of the first problem; *path* is left pointing at it."""
    if len(path) > _MAX_DEPTH:
        del path[8:]
        return f"is nested more than {_MAX_DEPTH} levels deep, or contains itself"
    if isinstance(value, Enum):
        return _search(value.value, path)
    if isinstance(value, str):
        return _string_problem(value)
    if isinstance(value, (bool, int, float)) or value is None:
        return _number_problem(value)
    if isinstance(value, (list, tuple)):
        return _search_members(enumerate(value), path)
    if isinstance(value, Mapping):
        return _search_mapping(value, path)
    if is_dataclass(value) and not isinstance(value, type):
        names = (f.name for f in fields(value) if not f.name.startswith("_"))
        return _search_members(((n, getattr(value, n, None)) for n in names), path)
    if isinstance(value, BaseModel):
        return _search_model(value, path)
    return _leaf_problem(value)


def _search_members(members: object, path: list[object]) -> str | None:
    for key, member in members:  # type: ignore[attr-defined]
        path.append(key)
        if reason := _search(member, path):
            return reason
        path.pop()
    return None


def _search_mapping(value: Mapping[object, object], path: list[object]) -> str | None:
    for key in value:
        if not isinstance(key, str):
            return f"has the key {key!r}, which is not a string"
        if reason := _string_problem(key):
            return f"has the key {key!r}, which {reason}"
    return _search_members(value.items(), path)


def _search_model(value: BaseModel, path: list[object]) -> str | None:
    try:
        return _search(_convert(value), path)
    except (PydanticSerializationError, ValueError) as error:
        return f"cannot be dumped: {error}"


def _string_problem(value: str) -> str | None:
    if "\x00" in value:
        return "contains the NUL character, which PostgreSQL cannot store"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains a lone surrogate, which is no Unicode text"
    return None


def _number_problem(value: float | None) -> str | None:
    if isinstance(value, float) and not isfinite(value):
        return f"{value} is not a JSON number"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return "is an integer beyond 64 bits"
    return None


def _leaf_problem(value: object) -> str | None:
    try:
        orjson.dumps(value)
    except TypeError as error:
        advice: Callable[[str], str] = f"{type(value).__name__} is not JSON{{}}".format
        text = str(error)
        return advice("" if text.startswith("Type is not") else f" ({text})")
    return None
