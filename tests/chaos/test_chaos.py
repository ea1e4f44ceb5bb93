"""A short run of the chaos; `make chaos` takes two minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_and_nothing_done_twice():
    """
    Workers, server and network fail at random, and every run ends as it should.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seconds", "15"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("HELD: ")
