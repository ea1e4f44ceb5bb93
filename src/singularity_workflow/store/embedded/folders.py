"""
Where everything lies, and with which modes.

    <home>/                   SINGULARITY_WORKFLOW_HOME, else the user's data folder
        pg18/                 one per major version: their data do not mix
            start.lock        held while the server is started or stopped
            lease.lock        shared by every process that uses the server
            postgres.lock     held by the PostgreSQL processes themselves
            data/             the cluster; data.new/ while it is being made
            socket            a folder, or a link to a shorter one (see `sockets`)
            server.conf, hba.conf, ident.conf, server.log
            binaries-…/       a copy of PostgreSQL, if one is needed (see `copies`)

Root has no data folder of its own here: /root is closed to the account that the server
works as, and stays so. Its default is the system's: /var/lib/singularity-workflow, or
/Library/Application Support/singularity-workflow on macOS. Whoever names another
folder must name one that the account can enter; we say which folder is in the way
rather than change its mode. Folders that we make for root let others pass through
(0711) but list nothing; data and socket are the account's alone (0700). All else is
root's, so that the account cannot lead root astray with a link of its own.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded.account import is_root

if TYPE_CHECKING:
    from singularity_workflow.store.embedded.account import Account

__all__ = ["HOME_VARIABLE", "Folders", "find_home", "is_private", "make_folders"]

HOME_VARIABLE = "SINGULARITY_WORKFLOW_HOME"
_NAME = "singularity-workflow"


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """
    The paths of one server.

    Args:
        home: Above the folders of all versions.
        major: PostgreSQL's major version.
    """

    home: Path
    major: int

    @property
    def base(self) -> Path:
        """Holds everything of this server."""
        return self.home / f"pg{self.major}"

    @property
    def data(self) -> Path:
        """The cluster, PostgreSQL's data directory."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        """What the server says, since its last start."""
        return self.base / "server.log"

    @property
    def socket(self) -> Path:
        """The folder of the socket, or a link to it."""
        return self.base / "socket"

    @property
    def start_lock(self) -> Path:
        """Held alone while the server is started or stopped."""
        return self.base / "start.lock"

    @property
    def lease_lock(self) -> Path:
        """Shared by all that use the server."""
        return self.base / "lease.lock"

    @property
    def postgres_lock(self) -> Path:
        """Inherited by every PostgreSQL process that works in `data`."""
        return self.base / "postgres.lock"


def find_home(home: Path | None) -> Path:
    """
    Choose the folder above all data.

    Args:
        home: What the caller wants; None for the environment's or the default.
    """
    if home is None:
        named = os.environ.get(HOME_VARIABLE)
        home = Path(named) if named else _default_home()
    # one folder has one name, whichever way a process came to it
    return home.expanduser().resolve()


def _default_home() -> Path:
    is_mac = sys.platform == "darwin"
    if is_root():
        system = "/Library/Application Support" if is_mac else "/var/lib"
        return Path(system) / _NAME
    try:
        user = Path.home()
    except RuntimeError as error:
        raise EmbeddedServerError(
            "this user has no home folder to keep data in",
            hint=f"Set {HOME_VARIABLE} to a folder",
        ) from error
    if is_mac:
        return user / "Library/Application Support" / _NAME
    # a relative path is to be ignored, says the XDG specification
    xdg = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (xdg if xdg.is_absolute() else user / ".local/share") / _NAME


def make_folders(folders: Folders, account: Account) -> None:
    """
    Make what is missing down to `base`, and check what is there.

    Folders that exist are left as they are, whatever their owner and mode.

    Raises:
        EmbeddedServerError: If *account* cannot enter, or if `base` or the data
            belong to somebody else.
    """
    if not folders.base.is_dir():
        _check_way(folders.home, account)
        for folder in (*reversed(folders.home.parents), folders.home, folders.base):
            if not folder.exists():
                _make(folder)

    _check_owner(folders.base, os.geteuid())
    if folders.base.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedServerError(
            f"{folders.base} can be written to by others",
            hint=f"Run: chmod go-w '{folders.base}'",
        )
    if folders.data.exists():
        _check_owner(folders.data, account.uid)


def _make(folder: Path) -> None:
    # it appears with its final mode: another process may use it the moment it is there
    new = Path(tempfile.mkdtemp(prefix=".swf-", dir=folder.parent))
    try:
        new.chmod(0o711 if is_root() else 0o700)
        new.rename(folder)
    except OSError:
        new.rmdir()
        # another process may have made it, and have put something into it
        if not folder.is_dir():
            raise


def _check_owner(folder: Path, uid: int) -> None:
    owner = folder.lstat().st_uid
    if owner != uid:
        raise EmbeddedServerError(
            f"{folder} belongs to user id {owner}, not to {uid}",
            hint=f"Run as the user who made it, or set {HOME_VARIABLE} to another "
            "folder",
        )


def _check_way(home: Path, account: Account) -> None:
    if account.uid == os.geteuid():
        return
    for folder in (*reversed(home.parents), home):
        if folder.is_dir() and not _can_enter(folder, account):
            raise EmbeddedServerError(
                f"the server works as {account.name}, which cannot enter {folder}",
                hint=f"Set {HOME_VARIABLE} to a folder below one that "
                f"{account.name} can enter, like /var/lib/{_NAME}, or run: "
                f"chmod o+x '{folder}'",
            )


def _can_enter(folder: Path, account: Account) -> bool:
    # asked of the kernel, which also knows about access control lists
    probe = ("/bin/sh", "-c", 'cd -- "$1"', "sh", folder)
    return account.run(probe, folder=Path("/")).returncode == 0


def is_private(folder: Path, account: Account) -> bool:
    """Tell whether *folder* is one, no link, and *account*'s alone."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == account.uid
        and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )
