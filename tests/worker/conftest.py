"""The fixtures of the engine's tests, for those of its worker."""

from __future__ import annotations

from engine.conftest import dsn, private, sql

__all__ = ["dsn", "private", "sql"]
