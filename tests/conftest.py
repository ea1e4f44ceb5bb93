"""
Settings and fixtures that all tests share.

The fixtures stand in `fixtures/fix_*.py`, one file for one kind.
"""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = [
    "fixtures.fix_server",
    "fixtures.fix_database",
    "fixtures.fix_db",
    "fixtures.fix_sessions",
]

# a server under load answers late; that is no reason to fail
settings.register_profile("default", deadline=None, database=None, print_blob=True)
settings.load_profile("default")
