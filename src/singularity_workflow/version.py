"""
The version of the installed package.
"""

from __future__ import annotations

__all__ = ["library_version"]


def library_version() -> str:
    """Return the version of the installed package, "0" in a bare source tree."""
    # loaded on first use: reading metadata costs more than this whole package
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("singularity-workflow")
    except PackageNotFoundError:
        return "0"
