"""
Acquire and release: who starts the server, and who stops it.

Every user of the server holds a lease, a shared lock on `lease.lock`, from before the
server is started until after it is needed. Who gives its lease up and then gets that
lock alone was the last, and stops the server. Both happen under `start.lock`, so that
nobody comes in between. The kernel frees the locks of a process that is killed: it
counts no more, and what it was doing the next one finds and finishes. If the last one
is killed, the server goes on until somebody acquires and releases it again.

A process may acquire as often as it likes; each `EmbeddedServer` has a lease of its
own, so there is nothing to count. A forked child has none of its parent's.
"""

from __future__ import annotations

import atexit
import logging
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded import postmaster
from singularity_workflow.store.embedded.account import server_account
from singularity_workflow.store.embedded.binaries import find_binaries
from singularity_workflow.store.embedded.cluster import Cluster
from singularity_workflow.store.embedded.database import conninfo, ensure_database
from singularity_workflow.store.embedded.folders import (
    HOME_VARIABLE,
    Folders,
    find_home,
    make_folders,
)
from singularity_workflow.store.embedded.locks import FileLock
from singularity_workflow.store.embedded.sockets import find_socket_folder
from singularity_workflow.store.embedded.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

__all__ = ["EmbeddedServer", "acquire_server"]

logger = logging.getLogger(__name__)

# for leaving after a failure: whoever waits for an error has waited long enough
_PARTING_SECONDS = 5.0

# one more than it needs: somebody may kill the first
_STARTS = 2

# what a server says that will soon accept us, or be gone
_PASSING_REFUSALS = ("the database system is", "terminating connection")


class EmbeddedServer:
    """
    A server that stays until this lease on it is released; see `acquire_server`.

    As a context manager it is released at the end, and otherwise, at the latest, when
    the interpreter exits.

    Args:
        cluster: The server.
        lease: Held by this object from now on.
        socket: The folder of its socket.

    Attributes:
        dsn: libpq's connection string for the database `singularity_workflow`.
        major: PostgreSQL's major version.
        data: PostgreSQL's data directory.
    """

    def __init__(self, cluster: Cluster, lease: FileLock, socket: Path) -> None:
        self.dsn = conninfo(socket)
        self.major = cluster.folders.major
        self.data = cluster.folders.data
        self._cluster = cluster
        self._lease = lease
        self._socket = socket
        self._guard = threading.Lock()
        self._is_released = False
        atexit.register(self._release_at_exit)

    def dsn_for(self, database: str) -> str:
        """Return libpq's connection string for another database of the server."""
        return conninfo(self._socket, database)

    def release(self) -> None:
        """
        Give the lease up, and stop the server if it was the last one.

        Does nothing when called again, or in a child of the process that acquired.

        Raises:
            EmbeddedServerError: If the server does not stop. The lease is gone anyway.
        """
        # first: a lock that another thread held during a fork is held for ever
        if not self._lease.is_ours:
            return
        with self._guard:
            was_released, self._is_released = self._is_released, True
        if not was_released:
            atexit.unregister(self._release_at_exit)
            with _own_errors(
                f"the server in {self.data} cannot be released",
                hint="Without its folder it ends by itself within a minute",
            ):
                _let_go(self._cluster, self._lease, Patience(self._cluster.folders.log))

    def _release_at_exit(self) -> None:
        try:
            self.release()
        except EmbeddedServerError as error:
            logger.warning("%s", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def acquire_server(home: Path | None = None) -> EmbeddedServer:
    """
    Return the server of a data folder, started if it is not.

    Blocks: some milliseconds if the server is there, about a second if it has to be
    made, and as long as PostgreSQL needs to recover from a crash.

    Args:
        home: The data folder. None for SINGULARITY_WORKFLOW_HOME, else the user's
            (see `folders`).

    Raises:
        EmbeddedServerError: If the server cannot be had. What the failed attempt left
            behind does not hinder the next.
    """
    with _own_errors(
        "the embedded PostgreSQL cannot be prepared",
        hint=f"Set {HOME_VARIABLE} to a folder on a local disk that you may write to; "
        "where root may not become another user, run as an ordinary one",
    ):
        binaries = find_binaries()
        folders = Folders(home=find_home(home), major=binaries.major)
        account = server_account(folders.data)
        make_folders(folders, account)
        cluster = Cluster(folders=folders, account=account, binaries=binaries)

        lease = FileLock(folders.lease_lock)
        try:
            with _start_lock(folders, Patience(folders.log)):
                # nobody has it alone without having the start lock
                lease.try_shared()
                socket = _serve(cluster)
            return EmbeddedServer(cluster, lease, socket)
        except BaseException:
            with suppress(EmbeddedServerError, OSError):
                _let_go(cluster, lease, Patience(folders.log, _PARTING_SECONDS))
            raise


def _let_go(cluster: Cluster, lease: FileLock, patience: Patience) -> None:
    folders = cluster.folders
    try:
        with _start_lock(folders, patience):
            lease.unlock()
            with FileLock(folders.lease_lock) as others:
                is_last = others.try_exclusive()
            if is_last:
                postmaster.stop(cluster, patience)
    finally:
        lease.unlock()


@contextmanager
def _start_lock(folders: Folders, patience: Patience) -> Iterator[None]:
    with FileLock(folders.start_lock) as lock:
        if not lock.wait_exclusive(patience):
            raise EmbeddedServerError(
                f"another process has kept {folders.start_lock} locked for too long",
                hint=f"Find it: fuser -v '{folders.start_lock}'",
            )
        yield


def _serve(cluster: Cluster) -> Path:
    """Bring the server to the point where it answers, and return its socket folder."""
    folders = cluster.folders
    patience = Patience(folders.log)
    starts = 0
    while True:
        if not postmaster.is_alive(folders):
            if starts == _STARTS:
                raise _server_error(folders, "the server ended while it was starting")
            starts += postmaster.start(cluster)
        elif socket := _answering_socket(cluster):
            return socket
        if not patience.wait():
            raise _server_error(folders, "the server does not become ready")


def _answering_socket(cluster: Cluster) -> Path | None:
    import psycopg  # noqa: PLC0415  # see conninfo

    folders = cluster.folders
    found = postmaster.read_pid_file(folders.data)
    # asked before it is ready, it would write a line to its log each time
    if found is None or found.status != "ready":
        return None
    socket = find_socket_folder(folders, cluster.account)
    try:
        ensure_database(socket)
    except psycopg.Error as error:
        said = str(error)
        # a server that is not there says nothing: the file is a killed one's
        is_silent = (
            isinstance(error, psycopg.OperationalError)
            and error.sqlstate is None
            and "FATAL" not in said
        )
        if is_silent or any(refusal in said for refusal in _PASSING_REFUSALS):
            return None
        raise _server_error(folders, f"the server refuses us: {said}") from error
    return socket


def _server_error(folders: Folders, what: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"{what}; the log of {folders.base} ends with:\n{postmaster.log_tail(folders)}",
        hint=f"Mend what it names; all of it is in {folders.log}",
    )


@contextmanager
def _own_errors(what: str, *, hint: str) -> Iterator[None]:
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"{what}: {error}", hint=hint) from error
