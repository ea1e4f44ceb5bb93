"""
The version of the installed package.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["library_version"]


def library_version() -> str:
    """Return the version of the installed package, "0" in a bare source tree."""
    try:
        return version("singularity-workflow")
    except PackageNotFoundError:
        return "0"
