"""The numbered examples: each runs alone and prints what its docstring promises."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NUMBERED = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))
MARKER = "It prints:"


def promised_output(example: Path) -> str:
    """Return what the end of the example's docstring says that it prints."""
    docstring = ast.get_docstring(ast.parse(example.read_text("utf-8"))) or ""
    _, marker, promised = docstring.partition(f"\n{MARKER}\n\n")
    assert marker, f"{example.name} does not say what it prints"
    return textwrap.dedent(promised)


@pytest.mark.parametrize("example", NUMBERED, ids=lambda example: example.stem)
def test_an_example_prints_what_it_promises(database, example):
    """
    Whoever reads an example sees what running it shows.
    """
    environment = {**os.environ, "SINGULARITY_WORKFLOW_DATABASE_URL": database}

    done = subprocess.run(
        [sys.executable, "-W", "error", example],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.rstrip() == promised_output(example)
    assert done.returncode == 0


@pytest.mark.parametrize("example", NUMBERED, ids=lambda example: example.stem)
def test_an_example_is_short(example):
    """
    An example fits on a page.
    """
    assert len(example.read_text("utf-8").splitlines()) < 60


def test_there_are_examples():
    """
    A folder that moved must not pass as one without faults.
    """
    assert len(NUMBERED) >= 3
