"""
What it costs to begin: importing the package, connecting to an embedded server.

Each sample is a fresh interpreter that takes its own time and prints it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.apart import Measurement
from benchmarks.loads import Load
from benchmarks.servers import temporary_home
from singularity_workflow.store.embedded import acquire_server

__all__ = ["measure"]

_ADDRESSES = ("SINGULARITY_WORKFLOW_DATABASE_URL", "DATABASE_URL")

_IMPORT = """
import time
import pydantic
started = time.perf_counter()
import singularity_workflow
print(time.perf_counter() - started)
"""
# what the quick start asks for, beyond what a program with a pydantic model has loaded
_IMPORT_NAMES = """
import time
from pydantic import BaseModel, TypeAdapter
started = time.perf_counter()
from singularity_workflow import AsyncEngine, Engine, Workflow
print(time.perf_counter() - started)
"""
_CONNECT = """
import time
from singularity_workflow import Engine
started = time.perf_counter()
engine = Engine().connect()
print(time.perf_counter() - started)
engine.close()
"""


def measure(load: Load) -> Measurement:
    """Measure imports, new servers and connections to a warm one."""
    found = Measurement()
    for _ in range(load.imports):
        found.add("import_over_pydantic_ms", _seconds(_IMPORT) * 1_000)
        found.add("import_names_ms", _seconds(_IMPORT_NAMES) * 1_000)
    for _ in range(load.new_servers):
        with temporary_home() as home:
            found.add("connect_new_s", _seconds(_CONNECT, home))
    with temporary_home() as home, acquire_server(home):
        _seconds(_CONNECT, home)  # the first one migrates
        for _ in range(load.connects):
            found.add("connect_warm_s", _seconds(_CONNECT, home))
    return found


def _seconds(code: str, home: Path | None = None) -> float:
    environment = {
        name: value for name, value in os.environ.items() if name not in _ADDRESSES
    }
    if home is not None:
        environment["SINGULARITY_WORKFLOW_HOME"] = str(home)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
