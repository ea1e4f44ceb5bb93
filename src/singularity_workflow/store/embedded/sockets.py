"""
The folder of the unix socket: the only way to the server.

Its mode is 0700 and it belongs to the server's account, so nobody else can come near
the socket; this holds on systems, too, that ignore the mode of a socket itself.

A socket's path is short by law of the kernel (107 bytes on Linux, 103 on macOS). Where
the data folder is too deep for that, the socket goes to a new folder under a short
one, and `socket` in our folder is a link to it. The link lies where only we can write,
and what it leads to is checked before every use: if somebody has taken its place after
a reboot emptied /tmp, another is made.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from singularity_workflow.errors import EmbeddedServerError
from singularity_workflow.store.embedded.account import is_root
from singularity_workflow.store.embedded.folders import is_private

if TYPE_CHECKING:
    from singularity_workflow.store.embedded.account import Account
    from singularity_workflow.store.embedded.folders import Folders

__all__ = ["PORT", "find_socket_folder", "make_socket_folder", "remove_short_folder"]

# names the socket's file; nothing listens on it
PORT = 5432

_FILES = (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock")
_LONGEST_PATH = 103 if sys.platform == "darwin" else 107
# what mkdtemp adds: swf- and eight characters
_SHORT_NAME = "swf-xxxxxxxx"


def find_socket_folder(folders: Folders, account: Account) -> Path:
    """
    Return the folder of the started server's socket.

    Raises:
        EmbeddedServerError: If it is missing, or not *account*'s alone.
    """
    folder = _target(folders.socket)
    if not is_private(folder, account):
        raise EmbeddedServerError(
            f"the socket's folder {folder} is not there, or not {account.name}'s alone",
            hint="Stop all processes that use the server; the next one makes it anew",
        )
    return folder


def make_socket_folder(folders: Folders, account: Account) -> Path:
    """
    Return an empty folder for the socket; the caller knows that no server lives.

    A short folder that is still ours is used again: processes that lost their server
    to a crash look for the next one there.
    """
    if fits(folders.socket):
        if folders.socket.is_symlink():
            folders.socket.unlink()
        folder = _make_private(folders.socket, account)
    else:
        folder = _make_short(folders.socket, account)
    _clear(folder)
    return folder


def remove_short_folder(folders: Folders) -> None:
    """Remove what `make_socket_folder` made outside our folder, after a stop."""
    short = _target(folders.socket)
    if short != folders.socket:
        with suppress(OSError):
            # fails if anything but the socket was in it, and then it may stay
            short.rmdir()
            folders.socket.unlink()


def fits(folder: Path) -> bool:
    """Tell whether a socket in *folder* can be reached by libpq."""
    # libpq reads a comma as the end of a host; and psycopg sends UTF-8
    is_plain = b"," not in os.fsencode(folder) and _is_utf8(str(folder))
    return is_plain and len(os.fsencode(folder / _FILES[0])) <= _LONGEST_PATH


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _target(link: Path) -> Path:
    try:
        return link.readlink()
    except OSError:
        return link


def _make_private(folder: Path, account: Account) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    account.own(folder)
    if not is_private(folder, account):
        raise EmbeddedServerError(
            f"{folder} can be used by others than {account.name}",
            hint=f"Run: chmod 0700 '{folder}'",
        )
    return folder


def _make_short(link: Path, account: Account) -> Path:
    if link.is_symlink():
        if is_private(old := link.readlink(), account):
            return old
        link.unlink()
    elif link.is_dir():
        # our folder was moved to a longer path
        _clear(link)
        link.rmdir()
    short = Path(tempfile.mkdtemp(prefix="swf-", dir=_short_place()))
    account.own(short)
    link.symlink_to(short)
    return short


def _clear(folder: Path) -> None:
    for name in _FILES:
        # a lock file left by a crash may name a pid that is someone else's now
        (folder / name).unlink(missing_ok=True)


def _short_place() -> Path:
    # not XDG_RUNTIME_DIR: it goes when the user logs out, and the server stays.
    # Root's TMPDIR may be closed to the server's account
    wanted = ("/run",) if is_root() else (tempfile.gettempdir(),)
    for name in (*wanted, "/tmp", "/var/tmp"):  # noqa: S108  # checked below
        place = Path(name).resolve()
        if fits(place / _SHORT_NAME) and _keeps_what_is_ours(place):
            return place
    raise EmbeddedServerError(
        "no folder is both short enough for the socket and safe from other users",
        hint="Set SINGULARITY_WORKFLOW_HOME to a folder with a path below 80 bytes",
    )


def _keeps_what_is_ours(place: Path) -> bool:
    try:
        found = place.stat()
    except OSError:
        return False
    # others must not be able to put another folder in the place of ours
    is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    is_sticky = found.st_mode & stat.S_ISVTX
    is_trusted = found.st_uid in {0, os.geteuid()}
    return is_trusted and (not is_shared or bool(is_sticky)) and _is_writable(place)


def _is_writable(place: Path) -> bool:
    return os.access(place, os.W_OK | os.X_OK)
