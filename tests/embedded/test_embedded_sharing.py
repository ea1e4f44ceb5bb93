"""One server for all: started by the first, stopped by the last."""

from __future__ import annotations

import os
import threading

import psycopg
import pytest

from singularity_workflow.store.embedded import acquire_server

FORKING = """
import os, sys, json
from singularity_workflow.store.embedded import acquire_server
server = acquire_server()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.close(writer)
    server.release()
    print(json.dumps("released in the child"), flush=True)
    os.read(reader, 1)
    sys.exit()
sys.stdin.readline()
server.release()
print(json.dumps("released in the parent"), flush=True)
sys.stdin.readline()
os.write(writer, b".")
os.waitpid(child, 0)
print(json.dumps("done"), flush=True)
"""

CYCLES = """
import json, psycopg
from singularity_workflow.store.embedded import acquire_server
for _ in range(4):
    with acquire_server() as server, psycopg.connect(server.dsn) as connection:
        connection.execute("select 1")
print(json.dumps("done"), flush=True)
"""


def setting(connection, name):
    return connection.execute("select current_setting(%s)", (name,)).fetchone()[0]


def test_a_new_server_has_the_database_and_sound_settings(empty_place):
    """
    A first acquire makes everything; what makes PostgreSQL durable stays on.
    """
    with acquire_server() as server, psycopg.connect(server.dsn) as connection:
        assert connection.info.dbname == "singularity_workflow"
        assert connection.info.server_version // 10000 == server.major
        assert server.data == empty_place.folders.data
        assert setting(connection, "listen_addresses") == ""
        assert setting(connection, "fsync") == "on"
        assert setting(connection, "timezone") == "UTC"
        assert setting(connection, "server_encoding") == "UTF8"
        assert setting(connection, "max_connections") == "200"


def test_a_home_can_be_given(empty_place):
    """
    The argument wins over the environment.
    """
    other = empty_place.home.parent / "other"

    with acquire_server(other) as server:
        assert server.data.parent.parent == other
        assert not empty_place.home.exists()


def test_the_dsn_for_another_database(place):
    """
    dsn_for leads to the same server.
    """
    with acquire_server() as server:
        dsn = server.dsn_for("postgres")
        with psycopg.connect(dsn) as connection:
            assert connection.info.dbname == "postgres"


def test_a_dropped_database_is_made_again(place):
    """
    Each acquire sees to it that the database is there.
    """
    with acquire_server() as server:
        with psycopg.connect(server.dsn_for("postgres"), autocommit=True) as connection:
            connection.execute("drop database singularity_workflow")

        with acquire_server() as again, psycopg.connect(again.dsn) as connection:
            assert connection.info.dbname == "singularity_workflow"


def test_the_environment_does_not_mislead(place, monkeypatch):
    """
    Variables of libpq that mean another server change nothing.
    """
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATA", "PGUSER", "PGDATABASE"):
        monkeypatch.setenv(name, "9")

    with acquire_server() as server, psycopg.connect(server.dsn) as connection:
        assert connection.info.dbname == "singularity_workflow"


def test_a_second_process_uses_the_same_server(place, start_holder):
    """
    A warm acquire starts nothing.
    """
    start_holder()
    first = place.postmaster

    with acquire_server():
        assert place.postmaster == first
    assert place.is_alive


def test_the_last_process_stops_it(place, start_holder):
    """
    The server stays while one process holds it, and no longer.
    """
    first, second = start_holder(), start_holder()

    first.say("release")
    first.read()
    assert place.is_alive

    second.say("release")
    second.read()
    assert not place.is_alive
    assert place.postmaster is None


def test_one_process_may_acquire_twice(place):
    """
    Each release gives up one lease, however often it is called.
    """
    first, second = acquire_server(), acquire_server()

    first.release()
    first.release()
    assert place.is_alive

    second.release()
    assert not place.is_alive


def test_threads_acquire_at_once(place):
    """
    Threads get the same server, and the last of them stops it.
    """
    servers, together = [], threading.Barrier(8)

    def use():
        together.wait()
        servers.append(acquire_server())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({server.dsn for server in servers}) == 1
    assert len(servers) == 8
    for server in servers:
        assert place.is_alive
        server.release()
    assert not place.is_alive


def test_an_exit_releases(place, start_holder):
    """
    A process that ends without releasing has released.
    """
    holder = start_holder()

    assert holder.end() == 0
    assert not place.is_alive


def test_a_forked_child_has_no_lease(place, start_process):
    """
    It cannot release its parent's, nor keep it alive.
    """
    process = start_process(FORKING)

    assert process.read() == "released in the child"
    assert place.is_alive

    process.say("release")
    assert process.read() == "released in the parent"
    assert not place.is_alive

    process.say("end")
    assert process.read() == "done"


def test_the_server_has_its_own_session(place, start_holder):
    """
    Ctrl-C in the terminal of the process that started it does not reach it.
    """
    holder = start_holder()

    assert os.getsid(place.postmaster) != os.getsid(holder.pid)
    assert os.getpgid(place.postmaster) != os.getpgid(holder.pid)


@pytest.mark.parametrize("processes", [12])
def test_many_processes_acquire_and_release_at_once(
    empty_place, start_process, processes
):
    """
    However starts and stops interleave, everybody gets a server, and none is left.
    """
    started = [start_process(CYCLES) for _ in range(processes)]

    assert [process.read() for process in started] == ["done"] * processes
    assert not empty_place.is_alive
