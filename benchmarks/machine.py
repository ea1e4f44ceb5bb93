"""
On what the figures were taken: the machine, the versions, the server's settings.

Imports nothing of ours: the peers' report has the same facts.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg

__all__ = [
    "describe_context",
    "machine",
    "server_settings",
    "server_version",
    "versions",
]

# what decides how much a commit costs, and how much memory the server has
_SERVER_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
)
_OURS = ("singularity-workflow", "psycopg", "psycopg-pool", "orjson", "pydantic")


def machine() -> dict[str, object]:
    """Return what the operating system says of itself and of the hardware."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1
        ),
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        # what ran beside the benchmark when it began: figures want a quiet machine
        "load_average": round(os.getloadavg()[0], 1),
    }


def versions(packages: Iterable[str] = _OURS) -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package.lower()] = version(package)
        except PackageNotFoundError:
            continue
    if "psycopg" in found:
        found["psycopg"] += f" ({psycopg.pq.__impl__})"
    return found


def server_version(dsn: str) -> str:
    """Return the version of PostgreSQL."""
    with psycopg.connect(dsn) as connection:
        return str(connection.info.parameter_status("server_version"))


def server_settings(dsn: str) -> dict[str, str]:
    """Return the settings that the figures depend on."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select name, current_setting(name) from pg_settings where name = any (%s)",
            (list(_SERVER_SETTINGS),),
        ).fetchall()
    found: dict[str, str] = dict(rows)
    return {name: found[name] for name in _SERVER_SETTINGS if name in found}


def describe_context(context: Mapping[str, Any]) -> list[str]:
    """Return lines that say when, on what and with which versions."""
    on, versions = context["machine"], context["versions"]
    hardware = f"{on['cpu']}, {on['cores']} cores, {on['memory_gb']} GB"
    return [
        f"{context['date']}, load {on['load_average']} at the start",
        f"{hardware}, {on['system']} {on['kernel']}",
        ", ".join(f"{name} {number}" for name, number in versions.items()),
    ]


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
