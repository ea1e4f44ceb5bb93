"""
What an engine is set up with, checked before anything is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.durations import Duration, to_duration

__all__ = [
    "DEFAULT_CONCURRENCY",
    "DEFAULT_LEASE",
    "DEFAULT_POOL_SIZE",
    "EngineSettings",
    "read_concurrency",
    "read_resources",
    "read_settings",
]

DEFAULT_CONCURRENCY: Final = 256
"""Tasks at once: what one process needs to keep a local PostgreSQL busy; see
docs/explanation/performance.md."""

DEFAULT_POOL_SIZE: Final = 10
DEFAULT_LEASE: Final = 15

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """See `AsyncEngine`, whose arguments these are."""

    dsn: str | None
    pool: object
    pool_size: int
    concurrency: int
    resources: Mapping[str, object]
    lease: timedelta
    migrate: bool | None
    use_notify: bool
    events_retention: timedelta | None


def read_settings(
    *,
    dsn: str | None,
    pool: object,
    pool_size: int,
    concurrency: int,
    resources: Mapping[str, object] | None,
    lease: Duration,
    migrate: bool | None,
    use_notify: bool,
    events_retention: Duration | None,
) -> EngineSettings:
    """
    Return the settings.

    Raises:
        InvalidSetting: If one of them cannot work.
    """
    if dsn is not None and pool is not None:
        raise InvalidSetting(
            "dsn and pool are both given",
            hint="Give the pool alone: the engine connects to where it does.",
        )
    if dsn is not None and not isinstance(dsn, str):
        raise InvalidSetting(f"dsn must be a string, got {type(dsn).__name__}")
    if not isinstance(use_notify, bool):
        raise InvalidSetting(f"use_notify must be True or False, got {use_notify!r}")
    return EngineSettings(
        dsn=dsn,
        pool=pool,
        pool_size=read_concurrency("pool_size", pool_size),
        concurrency=read_concurrency("concurrency", concurrency),
        resources=read_resources(resources),
        lease=_lease(lease),
        migrate=migrate,
        use_notify=use_notify,
        events_retention=_retention(events_retention),
    )


def read_concurrency(name: str, value: int) -> int:
    """Return a number of things at once that a caller gave; at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSetting(f"{name} must be an integer >= 1, got {value!r}")
    return value


def _lease(value: Duration) -> timedelta:
    try:
        lease = to_duration(value)
    except ValueError as error:
        raise InvalidSetting(f"lease {error}") from None
    if lease < timedelta(seconds=1):
        raise InvalidSetting(f"lease must be at least 1 second, got {value!r}")
    return lease


def _retention(value: Duration | None) -> timedelta | None:
    if value is None:
        return None
    try:
        return to_duration(value, may_be_zero=False)
    except ValueError as error:
        raise InvalidSetting(f"events_retention {error}") from None


def read_resources(resources: Mapping[str, object] | None) -> Mapping[str, object]:
    """Return resources that a caller gave; their names can be parameters."""
    if resources is None:
        return {}
    if not isinstance(resources, Mapping):
        raise InvalidSetting(
            f"resources must be a mapping, got {type(resources).__name__}"
        )
    for name in resources:
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            raise InvalidSetting(
                f"{name!r} cannot be the name of a parameter, so no step gets it"
            )
    return dict(resources)
