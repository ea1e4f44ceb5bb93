"""
The data of a server: made by initdb, whole or not at all.

initdb works in a sibling folder, which is renamed when it is complete. A sibling that
is found was left by an initdb that was killed: the caller holds the lock that a living
one would still hold.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded.settings import SUPERUSER

if TYPE_CHECKING:
    from pathlib import Path

    from singularity_workflow.store.embedded.account import Account
    from singularity_workflow.store.embedded.binaries import Binaries
    from singularity_workflow.store.embedded.folders import Folders
    from singularity_workflow.store.embedded.locks import FileLock

__all__ = ["Cluster", "make_data"]

logger = logging.getLogger(__name__)

# a slow disk may need a minute for its thousand files
_INITDB_SECONDS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """
    All that is to be known for starting one server.

    Args:
        folders: Where it lies.
        account: As whom it works.
        binaries: What it runs.
    """

    folders: Folders
    account: Account
    binaries: Binaries


def make_data(cluster: Cluster, lock: FileLock) -> None:
    """
    Run initdb unless the data exist.

    Args:
        cluster: What to make.
        lock: The lock of PostgreSQL's processes, held; initdb inherits it and keeps it
            should this process be killed.

    Raises:
        EmbeddedServerError: With the last lines of what initdb said.
    """
    folders = cluster.folders
    if folders.data.exists():
        return
    _warn_of_other_versions(folders)

    new = folders.data.with_name("data.new")
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    cluster.account.own(new)
    _run_initdb(cluster, new, lock)
    new.rename(folders.data)
    _sync(folders.base)


def _run_initdb(cluster: Cluster, new: Path, lock: FileLock) -> None:
    # its files are synced: no later checkpoint would do that, and a power cut could
    # take the catalogs from under transactions that were reported as durable
    command: list[str | Path] = [
        cluster.binaries.initdb,
        f"--pgdata={new}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        *_locale(cluster.binaries.major),
        # for a server that somebody starts by hand; ours brings its own hba.conf
        "--auth-local=peer",
        "--auth-host=reject",
        "--no-instructions",
    ]
    done = cluster.account.run(
        command,
        folder=cluster.folders.base,
        inherit=[lock.fileno()],
        timeout=_INITDB_SECONDS,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise EmbeddedServerError(
            f"initdb failed with exit code {done.returncode}:\n"
            + "\n".join(said.splitlines()[-20:]),
            hint="Mend what it names and try again: initdb begins anew",
        )


def _locale(major: int) -> list[str]:
    # the same order and the same letters on every machine, whatever locales it has;
    # before 17 PostgreSQL has no locale of its own but C
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]


def _warn_of_other_versions(folders: Folders) -> None:
    for other in sorted(folders.home.glob("pg*/data")):
        logger.warning(
            "%s holds data of another PostgreSQL version; %s starts empty",
            other.parent,
            folders.base,
        )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
