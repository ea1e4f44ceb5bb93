"""
Databases of the tests of goals: as those of the engine's tests, and apart from them.
"""

from __future__ import annotations

from engine.conftest import dsn, engine, private, sql

__all__ = ["dsn", "engine", "private", "sql"]
