"""Kernel locks: who holds one, and for how long."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from singularity_workflow.store.embedded import waiting
from singularity_workflow.store.embedded.locks import FileLock
from singularity_workflow.store.embedded.waiting import Patience

LOCK_AND_FORK = """
import json, os, sys
from pathlib import Path
from singularity_workflow.store.embedded.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.try_exclusive()
reader, writer = os.pipe()
if os.fork() == 0:
    os.close(writer)
    assert not lock.is_ours
    lock.unlock()
    print(json.dumps("forked"), flush=True)
    os.read(reader, 1)
    os._exit(0)
sys.stdin.readline()
"""


def is_free(path):
    with FileLock(path) as lock:
        return lock.try_exclusive()


def test_two_objects_exclude_each_other(tmp_path):
    """
    Also in one process, which is what makes threads safe.
    """
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")

    assert first.try_exclusive()
    assert not second.try_exclusive()
    assert not second.try_shared()
    first.unlock()
    assert second.try_exclusive()
    second.unlock()


def test_a_shared_lock_is_shared(tmp_path):
    """
    Sharers do not exclude each other, but whoever wants it alone.
    """
    with FileLock(tmp_path / "lock") as first, FileLock(tmp_path / "lock") as second:
        assert first.try_shared()
        assert second.try_shared()
        assert not is_free(tmp_path / "lock")
    assert is_free(tmp_path / "lock")


def test_waiting_ends_with_patience(tmp_path):
    """
    Whoever waits for a lock that never gets free is told.
    """
    with FileLock(tmp_path / "lock") as held, FileLock(tmp_path / "lock") as wanted:
        held.try_exclusive()

        assert not wanted.wait_exclusive(Patience(tmp_path / "log", 0.01))


def test_a_link_is_not_followed(tmp_path):
    """
    Root must not open what somebody else points it to.
    """
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="lock"):
        FileLock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_closed_lock_stays_with_who_inherited_it(tmp_path):
    """
    That is how a server holds the lock that tells that it lives.
    """
    lock = FileLock(tmp_path / "lock")
    lock.try_exclusive()
    inherited = os.dup(lock.fileno())

    lock.close()
    lock.unlock()
    assert not is_free(tmp_path / "lock")

    os.close(inherited)
    assert is_free(tmp_path / "lock")


def test_a_fork_neither_frees_nor_keeps_a_lock(tmp_path, start_process):
    """
    The child cannot unlock it, and does not hold it when the parent is killed.
    """
    process = start_process(LOCK_AND_FORK, str(tmp_path / "lock"))
    assert process.read() == "forked"

    assert not is_free(tmp_path / "lock")
    process.kill()
    assert is_free(tmp_path / "lock")


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only while somebody sleeps."""
    now = [0.0]

    def pass_by(seconds):
        now[0] += seconds

    fake = SimpleNamespace(monotonic=lambda: now[0], sleep=pass_by)
    monkeypatch.setattr(waiting, "time", fake)
    return now


def test_patience_ends(tmp_path, clock):
    """
    Without a sign of life it ends when its time has passed.
    """
    patience = Patience(tmp_path / "log", 5)

    while patience.wait():
        pass

    assert clock[0] == pytest.approx(5, abs=0.1)


def test_patience_lasts_while_the_log_grows(tmp_path, clock):
    """
    A recovery that reports its progress may take as long as it needs.
    """
    log = tmp_path / "log"
    patience = Patience(log, 5)

    while patience.wait():
        if clock[0] < 100:
            log.write_text("x" * int(clock[0]))

    assert clock[0] == pytest.approx(104, abs=1.1)
