"""The socket is reached by libpq, and by nobody else than the account and root."""

from __future__ import annotations

import os
import stat
import subprocess

import psycopg
import pytest

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded import acquire_server
from singularity_workflow.store.embedded.account import server_account

CONNECT = """
import sys, psycopg
try:
    psycopg.connect(sys.argv[1])
except psycopg.OperationalError as error:
    print(error)
else:
    print("connected")
"""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def works(server):
    with psycopg.connect(server.dsn) as connection:
        return connection.execute("select 1").fetchone() == (1,)


@pytest.fixture
def move(place, monkeypatch):
    """Move the data folder to another name for the time of a test."""
    moved = []

    def to(name):
        there = place.home.parent / name
        place.home.rename(there)
        moved.append(there)
        monkeypatch.setenv("SINGULARITY_WORKFLOW_HOME", str(there))
        return type(place)(there)

    yield to
    moved.pop().rename(place.home)


@pytest.fixture
def deep_place(move):
    """A data folder whose path is too long for a socket."""
    return move("deep" * 20)


def test_folders_and_files_are_private(place):
    """
    What holds data, or leads to them, is for the server's account alone.
    """
    with acquire_server():
        folders = place.folders
        assert mode(folders.data) == 0o700
        assert mode(folders.socket) == 0o700
        assert mode(folders.socket / ".s.PGSQL.5432") == 0o700
        assert mode(folders.log) == 0o600
        assert mode(folders.lease_lock) == 0o600
        # others may pass through root's folders, or not even that
        assert mode(folders.base) == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_long_path_gets_a_short_socket(deep_place):
    """
    The socket is elsewhere, private too, and goes with the server.
    """
    with acquire_server() as server:
        short = deep_place.folders.socket.readlink()
        assert works(server)
        assert f"host={short} " in server.dsn
        assert mode(short) == 0o700
        assert short.stat().st_uid == server_account(server.data).uid
        assert short.parent.stat().st_uid in {0, os.geteuid()}

    assert not short.exists()
    assert not deep_place.folders.socket.is_symlink()


def test_a_short_socket_stays_where_it_was_after_a_crash(deep_place, eventually):
    """
    Processes that lost their server find the next one at the same address.
    """
    with acquire_server() as server:
        deep_place.kill_postmaster()
        eventually(lambda: not deep_place.is_alive)

        with acquire_server() as again:
            assert again.dsn == server.dsn
            assert works(server)


@pytest.mark.parametrize("attack", ["open to others", "a link", "a file"])
def test_a_short_folder_that_is_not_ours_is_not_used(deep_place, eventually, attack):
    """
    Whoever takes the folder's place after a reboot does not get the server.
    """
    with acquire_server() as server:
        old = deep_place.folders.socket.readlink()
        deep_place.kill_postmaster()
        eventually(lambda: not deep_place.is_alive)
    taken = old.with_name(f"{old.name}-taken")
    old.rename(taken)
    match attack:
        case "open to others":
            old.mkdir()
            old.chmod(0o777)
        case "a link":
            old.symlink_to(taken)
        case "a file":
            old.touch()

    with acquire_server() as again:
        assert again.dsn != server.dsn
        assert works(again)

    subprocess.run(["rm", "-r", old, taken], check=True)


def test_a_short_folder_that_was_opened_is_not_connected_to(deep_place):
    """
    A warm acquire trusts the folder no more than a cold one.
    """
    with acquire_server():
        short = deep_place.folders.socket.readlink()
        short.chmod(0o777)

        with pytest.raises(EmbeddedServerError, match="alone"):
            acquire_server()

        short.chmod(0o700)
        with acquire_server() as again:
            assert works(again)


@pytest.mark.parametrize("name", ["a,b", "it's here", 'a "b" c', "ä\\n$(c)"])
def test_paths_of_any_characters(move, name):
    """
    Commas, quotes and spaces in the path reach the server's files and its socket.
    """
    move(name)

    with acquire_server() as server:
        assert works(server)


@pytest.mark.root
def test_another_user_cannot_connect(place, outsider):
    """
    The folder is closed to others; were it open, PostgreSQL would still refuse.
    """
    with acquire_server() as server:
        said = outsider(CONNECT, server.dsn)
        assert "Permission denied" in said

        place.folders.socket.chmod(0o755)
        (place.folders.socket / ".s.PGSQL.5432").chmod(0o777)
        said = outsider(CONNECT, server.dsn)
        assert "Peer authentication failed" in said
        place.folders.socket.chmod(0o700)


@pytest.mark.root
def test_the_account_itself_can_connect(place, outsider):
    """
    Whom the server belongs to needs no way around root.
    """
    with acquire_server() as server:
        # the way to the socket is open to the account
        account = server_account(server.data)

        assert outsider(CONNECT, server.dsn, user=account.uid) == "connected\n"
