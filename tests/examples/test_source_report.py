"""The demo: a report on source that agrees with a plain loop over the same files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "examples" / "source_report.py"


@pytest.fixture
def source(tmp_path):
    """A folder of source with everything that can be wrong with a file."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "good.py").write_text("import os\nfrom os import path\nimport sys\n")
    (package / "copy.py").write_bytes((package / "good.py").read_bytes())
    (package / "empty.py").write_bytes(b"")
    (package / "latin.py").write_bytes("# ä\n".encode("latin-1"))
    (package / "broken.py").write_text("def (:\n  import\n")
    (package / "zeros.py").write_bytes(b"\0" * 10)
    (package / "gone.py").symlink_to(tmp_path / "nowhere")
    (package / "notes.txt").write_text("import this\n")
    Path(os.fsdecode(os.fsencode(package) + b"/\xff.py")).write_text("import odd\n")
    return tmp_path


@pytest.fixture
def start(database):
    """Start the program; what is left of it is killed."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, PROGRAM, *map(str, arguments)],
            env={**os.environ, "SINGULARITY_WORKFLOW_DATABASE_URL": database},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_workflow_and_the_plain_loop_agree(start, source):
    """
    Files that cannot be read or decoded are counted, and change nothing else.
    """
    process = start(source)

    output, errors = process.communicate(timeout=60)

    assert errors == ""
    assert process.returncode == 0
    rows = [line.split() for line in output.splitlines()]
    assert ["all", "7", "9", "6"] in rows
    assert "os 4, sys 2" in output
    assert "2 files have the content of another" in output
    assert "1 unreadable (No such file or directory), 1 not in UTF-8" in output
    assert output.splitlines()[-1].startswith("Both agree: 10 durable tasks")


def test_a_folder_without_source_is_no_problem(start, tmp_path):
    """
    A map over nothing completes too.
    """
    process = start(tmp_path)

    output, errors = process.communicate(timeout=60)

    assert (errors, process.returncode) == ("", 0)
    assert output.splitlines()[-1].startswith("Both agree: 3 durable tasks")


def test_it_can_be_interrupted(start, tmp_path):
    """
    Ctrl-C in the middle ends it with a word, not with a traceback.
    """
    for number in range(20_000):
        (tmp_path / f"m{number}.py").write_bytes(b"import os\n")
    process = start(tmp_path)
    lines = iter(process.stdout.readline, "")
    assert any("of 20,003" in line for line in lines)

    process.send_signal(signal.SIGINT)

    output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert "Interrupted" in output
    assert process.returncode == 130
