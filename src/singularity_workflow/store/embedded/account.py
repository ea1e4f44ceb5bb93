"""
As whom the server works: the user who runs this process, unless that is root.

PostgreSQL refuses to work as root. Then an account takes over that exists already and
has no rights: `postgres` where there is one, else `nobody`. We never make one. Data
that one of them has made stays with it.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singularity_workflow.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import IO

__all__ = ["Account", "is_root", "server_account"]

# macOS calls it _postgres
_UNPRIVILEGED = ("postgres", "_postgres", "nobody")


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int

    def run(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        inherit: Sequence[int] = (),
        output: IO[bytes] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """
        Run *command* as this account and wait for its end.

        Args:
            command: The program and its arguments; no shell reads them.
            folder: Where it runs. The folder of this process may be closed to it.
            inherit: Descriptors that it keeps open.
            output: Takes stdout and stderr; without, both are in the result.
            timeout: Seconds.

        Raises:
            OSError: If it cannot be run, or not as this account.
            subprocess.TimeoutExpired: It was killed.
        """
        other: dict[str, Any] = {}
        if self.uid != os.geteuid():
            other = {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.run(  # noqa: S603  # commands are put together here only
            command,
            check=False,
            cwd=folder,
            env=_environment(),
            pass_fds=inherit,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=output or subprocess.PIPE,
            # Ctrl-C in our terminal is meant for us
            start_new_session=True,
            timeout=timeout,
            umask=0o077,
            **other,
        )

    def own(self, folder: Path) -> None:
        """Give *folder*, which we have made, to this account."""
        if self.uid != os.geteuid():
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)


def is_root() -> bool:
    """Tell whether this process has root's rights."""
    return os.geteuid() == 0


def server_account(data: Path) -> Account:
    """
    Choose the account that the server works as.

    Args:
        data: The data folder. If it exists, its owner is preferred to our order.

    Raises:
        EmbeddedServerError: If there is none.
    """
    if not is_root():
        return _current()

    found = [account for name in _UNPRIVILEGED if (account := _named(name))]
    if not found:
        raise EmbeddedServerError(
            "PostgreSQL does not work as root, and neither of the accounts "
            f"{', '.join(_UNPRIVILEGED)} exists",
            hint="Run as another user, or set SINGULARITY_WORKFLOW_DATABASE_URL",
        )
    try:
        owner = data.lstat().st_uid
    except FileNotFoundError:
        return found[0]
    return next((account for account in found if account.uid == owner), found[0])


def _current() -> Account:
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedServerError(
            f"user id {uid} has no name, and PostgreSQL needs one",
            hint="Give it an entry in /etc/passwd, or set "
            "SINGULARITY_WORKFLOW_DATABASE_URL",
        ) from error
    return Account(name=entry.pw_name, uid=uid, gid=os.getegid())


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        return None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and the like are meant for another server; messages stay English,
    # since they go into reports
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "LANG": "C"}
