"""
Check what callers give, before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.durations import Duration, to_duration
from singularity_workflow.model.json_codec import NotJson, encode_json

__all__ = [
    "read_bounded",
    "read_duration",
    "read_flag",
    "read_key",
    "read_mapping",
    "read_text",
    "read_words",
]

_LONGEST_KEY = 500


def read_duration(name: str, value: Duration | None) -> timedelta | None:
    """
    Return a length of time that a caller gave.

    Raises:
        InvalidSetting: If it is none, or negative.
    """
    if value is None:
        return None
    try:
        return to_duration(value)
    except ValueError as error:
        raise InvalidSetting(f"{name} {error}") from None


def read_bounded(name: str, value: int | None, lowest: int, highest: int) -> int | None:
    """
    Return an integer that a caller gave.

    Raises:
        InvalidSetting: If it is none, or out of bounds.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"{name} must be an integer, got {value!r}")
    if not lowest <= value <= highest:
        raise InvalidSetting(f"{name} must be from {lowest} to {highest}, got {value}")
    return value


def read_flag(name: str, value: object) -> bool:
    """
    Return a truth value that a caller gave.

    Raises:
        InvalidSetting: If it is neither True nor False.
    """
    if not isinstance(value, bool):
        raise InvalidSetting(f"{name} must be True or False, got {value!r}")
    return value


def read_words(name: str, value: Iterable[str] | None) -> tuple[str, ...]:
    """
    Return the words that a caller gave, each once.

    Raises:
        InvalidSetting: If it is one text, no iterable, or a word is not printable.
    """
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidSetting(f"{name} must be a list of strings, got {value!r}")
    words = list(value)
    for word in words:
        _check_word(name, word)
    return tuple(dict.fromkeys(words))


def read_text(name: str, value: str | None) -> str | None:
    """
    Return a text that a caller gave.

    Raises:
        InvalidSetting: If PostgreSQL cannot store it.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidSetting(f"{name} must be text, got {value!r}")
    if "\x00" in value or value.encode("utf-8", "replace").decode() != value:
        raise InvalidSetting(f"{name} has characters that cannot be stored: {value!r}")
    return value


def read_key(name: str, value: str | None) -> str | None:
    """
    Return a key that a caller gave.

    Raises:
        InvalidSetting: If it is not printable, empty, or too long.
    """
    if value is None:
        return None
    _check_word(name, value)
    if not 1 <= len(value) <= _LONGEST_KEY:
        raise InvalidSetting(
            f"{name} must have 1 to {_LONGEST_KEY} characters, got {len(value)}"
        )
    return value


def read_mapping(name: str, value: Mapping[str, object] | None) -> bytes | None:
    """
    Return a mapping that a caller gave, as JSON.

    Raises:
        InvalidSetting: If it is none, or not JSON.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidSetting(f"{name} must be a mapping, got {value!r}")
    try:
        return encode_json(value)
    except NotJson as error:
        raise InvalidSetting(f"{name} is not JSON: {error}") from None


def _check_word(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidSetting(f"{name} must be text, got {value!r}")
    if "\x00" in value or not value.isprintable():
        raise InvalidSetting(f"{name} must be printable text, got {value!r}")
