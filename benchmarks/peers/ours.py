"""
Our own side of the comparison: the server, and our rows of the same session.

The peers live in an environment without our library, so both are programs of ours that
run in the project's.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["PYTHON", "measured_rows", "serving"]

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
ROWS = ("latency", "chains", "runs")


@contextmanager
def serving(python: Path, dsn: str | None) -> Iterator[str]:
    """
    Yield a DSN of a server on which databases may be created.

    Args:
        python: The interpreter of an environment with our library.
        dsn: A server that runs; None: an embedded one is started.
    """
    if dsn is not None:
        yield dsn
        return
    with subprocess.Popen(
        [python, "-m", "benchmarks.serve"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        found = server.stdout.readline().strip()
        if not found:
            raise RuntimeError("the embedded server did not start")
        try:
            yield found
        finally:
            server.stdin.close()  # it stops when there is nothing more to read


def measured_rows(python: Path, dsn: str, *, is_quick: bool) -> dict[str, Any]:
    """Run the rows of ours that a peer has too; what they write as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ours.json"
        command = [str(python), "-m", "benchmarks", "--dsn", dsn, "--json", str(file)]
        quick = ["--quick"] if is_quick else []
        subprocess.run(
            [*command, *quick, "--only", *ROWS],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return found
