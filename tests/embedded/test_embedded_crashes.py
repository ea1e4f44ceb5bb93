"""Whatever is killed, the next acquire has a server again."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress

import psycopg
import pytest

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded import acquire_server
from singularity_workflow.store.embedded.account import server_account
from singularity_workflow.store.embedded.binaries import BINARIES_VARIABLE
from singularity_workflow.store.embedded.locks import FileLock

ENDLESS = """
import json, psycopg
from singularity_workflow.store.embedded import acquire_server
while True:
    with acquire_server() as server, psycopg.connect(server.dsn) as connection:
        connection.execute("select 1")
    print(json.dumps("cycle"), flush=True)
"""

# half a cluster, and then it hangs until the test writes to the pipe; `data.new` is
# the only folder that it may write to
HANGING_INITDB = """
for word in "$@"; do case "$word" in --pgdata=*) data="${word#--pgdata=}";; esac; done
echo 18 > "$data/PG_VERSION"
echo started > "$data/marker"
read line < "$pipe"
exit 1
"""


def test_a_killed_holder_counts_no_more(place, start_holder):
    """
    The survivor is the last one, and stops the server.
    """
    killed, survivor = start_holder(), start_holder()

    killed.kill()
    assert place.is_alive

    survivor.say("release")
    survivor.read()
    assert not place.is_alive


def test_a_server_without_holders_is_used_again(place, start_holder):
    """
    When all holders are killed the server goes on, until the next one stops it.
    """
    killed = [start_holder(), start_holder()]
    first = place.postmaster
    for holder in killed:
        holder.kill()

    with acquire_server():
        assert place.postmaster == first
    assert not place.is_alive


def test_a_killed_postmaster_is_replaced(place):
    """
    What was committed is there after the recovery, at the same address.
    """
    with acquire_server() as first:
        with psycopg.connect(first.dsn) as connection:
            connection.execute("create table kept as select 17 as value")
        killed = place.postmaster
        place.kill_postmaster()

        with acquire_server() as second, psycopg.connect(second.dsn) as connection:
            assert connection.execute("select value from kept").fetchone() == (17,)
            connection.execute("drop table kept")
            assert place.postmaster != killed
            assert second.dsn == first.dsn


def test_children_of_a_killed_postmaster_are_waited_for(place, eventually):
    """
    No second server works in the data while a session of the first still does.
    """
    busy = "select count(*) from generate_series(1, 8000000)"
    with acquire_server() as server:
        connection = psycopg.connect(server.dsn)
        thread = threading.Thread(target=lambda: _run(connection, busy))
        thread.start()
        with psycopg.connect(server.dsn) as other:
            query = "select 1 from pg_stat_activity where query = %s"
            eventually(lambda: other.execute(query, (busy,)).fetchone())
        place.kill_postmaster()

        with acquire_server() as again, psycopg.connect(again.dsn) as after:
            assert after.execute("select 1").fetchone() == (1,)
        thread.join()
        connection.close()


def _run(connection, query):
    with suppress(psycopg.OperationalError):
        connection.execute(query)


def test_stale_lock_files_that_name_a_living_process(place):
    """
    After a reboot the old pid may be a stranger's, even one of the same account.
    """
    with acquire_server() as server:
        pid_file = (server.data / "postmaster.pid").read_text().splitlines()
    account = server_account(server.data)
    changed = {"user": account.uid} if account.uid != os.geteuid() else {}
    stranger = subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd="/", **changed)
    pid_file[0] = str(stranger.pid)
    stale = "\n".join(pid_file) + "\n"
    (server.data / "postmaster.pid").write_text(stale)
    (place.folders.socket / ".s.PGSQL.5432.lock").write_text(stale)

    with acquire_server() as again, psycopg.connect(again.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)

    assert stranger.poll() is None
    stranger.communicate()


def test_a_release_after_the_postmaster_was_killed(place):
    """
    There is nothing to stop, and the stranger who has its pid now is let alone.
    """
    server = acquire_server()
    place.kill_postmaster()

    server.release()


def test_a_killed_initdb_is_waited_for_and_made_again(
    empty_place, start_process, fake_binaries, monkeypatch, eventually
):
    """
    The half of a cluster is never taken for one, nor removed under a living initdb.
    """
    pipe = empty_place.home.parent / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    fake_binaries(f"pipe={pipe}\n{HANGING_INITDB}")
    killed = start_process(
        "from singularity_workflow.store.embedded import acquire_server\n"
        "acquire_server()"
    )
    new = empty_place.folders.base / "data.new"
    eventually((new / "marker").exists)
    killed.kill()
    monkeypatch.delenv(BINARIES_VARIABLE)

    servers = []
    thread = threading.Thread(target=lambda: servers.append(acquire_server()))
    thread.start()
    eventually(lambda: is_locked(empty_place.folders.start_lock))
    assert (new / "marker").exists()
    assert is_locked(empty_place.folders.postgres_lock)
    with pipe.open("w") as end:
        end.write("go on\n")
    thread.join()

    assert not new.exists()
    with servers.pop() as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def is_locked(path):
    with FileLock(path) as lock:
        return not lock.try_exclusive()


def test_an_error_of_initdb_is_reported(empty_place, fake_binaries):
    """
    The error says what initdb said, and leaves nothing that is taken for data.
    """
    fake_binaries("echo 'initdb: error: no space on this disk' >&2; exit 1")

    with pytest.raises(EmbeddedServerError, match="no space on this disk") as caught:
        acquire_server()

    assert caught.value.hint
    assert not empty_place.folders.data.exists()


def test_a_server_that_does_not_start_is_reported(own_place):
    """
    The error ends with what the server's log ends with, and mending it is enough.
    """
    with acquire_server() as server:
        settings = server.data / "postgresql.auto.conf"
    sound = settings.read_text()
    settings.write_text("shared_buffers = 'plenty'\n")

    with pytest.raises(EmbeddedServerError, match='"shared_buffers": "plenty"') as bad:
        acquire_server()

    assert bad.value.hint
    assert not own_place.is_alive
    settings.write_text(sound)
    with acquire_server() as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_server_that_refuses_is_reported_at_once(own_place, start_holder):
    """
    A refusal does not become better by waiting for it.
    """
    start_holder()
    (own_place.folders.base / "hba.conf").write_text("local all all reject\n")
    with FileLock(own_place.folders.start_lock):
        os.kill(own_place.postmaster, 1)

    # the new hba.conf is read a moment after the signal
    with pytest.raises(EmbeddedServerError, match="refuses us") as caught:
        acquire_until_it_fails()

    assert "pg_hba.conf rejects connection" in caught.value.message
    assert own_place.is_alive


def acquire_until_it_fails():
    while True:
        acquire_server().release()


@pytest.mark.parametrize("processes", [6])
def test_processes_killed_anywhere_in_their_work(empty_place, start_process, processes):
    """
    Starting, connecting, stopping: whatever a kill interrupts, the others go on.
    """
    for _ in range(2):
        working = [start_process(ENDLESS) for _ in range(processes)]
        for process in working[::2]:
            process.read()
        for process in working[::2]:
            process.kill()
        for process in working[1::2]:
            process.read()
            process.read()
            process.kill()

    with acquire_server() as server, psycopg.connect(server.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert not empty_place.is_alive
