"""
The server's processes: start, status, stop.

Whether any of them lives is known by a lock, not by a pid. `postgres.lock` is locked
before initdb or postgres begins, and they and their children inherit it. So it is free
exactly when no process works in the data any more: a pid in a stale postmaster.pid,
be it a zombie's or a stranger's after a reboot, cannot mislead us, and what a killed
postmaster left behind is waited for.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded.cluster import Cluster, make_data
from singularity_workflow.store.embedded.copies import runnable_binaries
from singularity_workflow.store.embedded.locks import FileLock
from singularity_workflow.store.embedded.settings import command_line, write_settings
from singularity_workflow.store.embedded.sockets import (
    make_socket_folder,
    remove_short_folder,
)

if TYPE_CHECKING:
    from singularity_workflow.store.embedded.folders import Folders
    from singularity_workflow.store.embedded.waiting import Patience

__all__ = ["PidFile", "is_alive", "log_tail", "read_pid_file", "start", "stop"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PidFile:
    """
    What the postmaster says about itself in postmaster.pid.

    Args:
        pid: Its process, if it lives.
        status: starting, ready, standby or stopping.
    """

    pid: int
    status: str


def read_pid_file(data: Path) -> PidFile | None:
    """Return the content of postmaster.pid; None if it is missing or half written."""
    try:
        lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
        return PidFile(pid=int(lines[0]), status=lines[7].strip())
    except (OSError, ValueError, IndexError):
        return None


def log_tail(folders: Folders) -> str:
    """Return the last lines of the server's log, for an error's message."""
    try:
        lines = folders.log.read_text(errors="replace").splitlines()
    except OSError:
        return "(it has no log)"
    return "\n".join(lines[-20:]) or "(its log is empty)"


def is_alive(folders: Folders) -> bool:
    """Tell whether a PostgreSQL process works in the data folder."""
    with FileLock(folders.postgres_lock) as lock:
        return not lock.try_exclusive()


def start(cluster: Cluster) -> bool:
    """
    Start a server, unless a PostgreSQL process lives; do not wait until it is ready.

    The caller holds the start lock.

    Returns:
        Whether one was started.

    Raises:
        EmbeddedServerError: If its data or its folders cannot be made.
    """
    folders = cluster.folders
    with FileLock(folders.postgres_lock) as lock:
        if not lock.try_exclusive():
            return False
        binaries = runnable_binaries(cluster.binaries, cluster.account, folders.base)
        cluster = Cluster(folders=folders, account=cluster.account, binaries=binaries)
        make_data(cluster, lock)
        socket = make_socket_folder(folders, cluster.account)
        write_settings(folders, cluster.account)
        # PostgreSQL would believe it if a stranger had that pid now
        (folders.data / "postmaster.pid").unlink(missing_ok=True)
        _launch(cluster, socket, lock)
        lock.close()
    return True


def _launch(cluster: Cluster, socket: Path, lock: FileLock) -> None:
    folders = cluster.folders
    with suppress(FileNotFoundError):
        folders.log.replace(folders.log.with_suffix(".log.old"))
    # the shell ends at once: the server becomes init's child, so that it is no zombie
    # of ours after somebody else has stopped it
    server = [str(cluster.binaries.postgres), *command_line(folders, socket)]
    detached = ["/bin/sh", "-c", '"$@" &', "sh", *server]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(folders.log, flags, 0o600), "wb") as log:
        cluster.account.run(
            detached, folder=folders.base, inherit=[lock.fileno()], output=log
        )


def stop(cluster: Cluster, patience: Patience) -> None:
    """
    Stop the server, if there is one, and wait for its end.

    Sessions are ended, transactions rolled back, all data are written ("fast").
    The caller holds the start lock.

    Raises:
        EmbeddedServerError: If it has not ended when *patience* is over.
    """
    folders = cluster.folders
    is_told = False
    while is_alive(folders):
        found = read_pid_file(folders.data)
        if found and not is_told:
            if not _is_postmaster(found.pid, cluster):
                # killed: what it left behind ends by itself
                return
            with suppress(ProcessLookupError):
                os.kill(found.pid, signal.SIGINT)
            is_told = True
        if not patience.wait():
            raise EmbeddedServerError(
                f"the server in {folders.data} does not stop; its log ends with:\n"
                f"{log_tail(folders)}",
                hint="Its data are safe, and it can be acquired again",
            )
    remove_short_folder(folders)


def _is_postmaster(pid: int, cluster: Cluster) -> bool:
    # the postmaster may have been killed while its children live on, and its pid may
    # be a stranger's by now
    words = _command_of(pid)
    return b"-D" in words and os.fsencode(cluster.folders.data) in words


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        if Path("/proc/self").exists():
            return b""
    # macOS
    answer = subprocess.run(  # noqa: S603  # a number is all that is put in
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        check=False,
        capture_output=True,
    )
    return answer.stdout
