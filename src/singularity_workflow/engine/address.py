"""
Where the database is: the argument, the environment, or the embedded server.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["DSN_VARIABLES", "find_dsn"]

DSN_VARIABLES: Final = ("SINGULARITY_WORKFLOW_DATABASE_URL", "DATABASE_URL")


def find_dsn(dsn: str | None) -> str | None:
    """
    Return the address to connect to, None for the embedded server.

    Args:
        dsn: What the application gave; it goes before the environment.
    """
    if dsn:
        return dsn
    for name in DSN_VARIABLES:
        if found := os.environ.get(name):
            return found
    return None
