"""
The server's configuration files, written anew at every start.

`server.conf` includes what initdb found out about the machine and adds little. What
must hold whatever the user sets (no TCP, the socket, who may connect) is given on the
command line, which wins over every file; the rest can be tuned by ALTER SYSTEM.
"""

from __future__ import annotations

import pwd
from typing import TYPE_CHECKING

from singularity_workflow.store.embedded.sockets import PORT

if TYPE_CHECKING:
    from pathlib import Path

    from singularity_workflow.store.embedded.account import Account
    from singularity_workflow.store.embedded.folders import Folders

__all__ = ["SUPERUSER", "command_line", "write_settings"]

# not singularity_workflow: the default search_path begins with the schema named after
# the role, and the engine's schema is no place for the tables of an application
SUPERUSER = "postgres"

_WARNING = (
    "# Written by singularity-workflow at every start of the server.\n"
    "# Tune the server by ALTER SYSTEM instead.\n"
)
# fsync and the rest of what makes PostgreSQL durable stay as they are: on
_SETTINGS = """\
cluster_name = 'singularity_workflow'
# workers and their heartbeats, listeners and pools of several processes
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
# a line every five minutes on an idle machine, in a log that is rotated at a start
log_checkpoints = off
"""
_MAP = "embedded"


def write_settings(folders: Folders, account: Account) -> None:
    """Write the files that `command_line` names."""
    include = f"include {_quoted(folders.data / 'postgresql.conf')}\n"
    _write(folders.base / "server.conf", include + _SETTINGS)
    # the kernel says who is at the other end of the socket, and the map who may
    # come in; the modes of the socket and its folder keep others away already
    allowed = f"local all,replication all peer map={_MAP}\n"
    _write(folders.base / "hba.conf", allowed)
    names = sorted({account.name, pwd.getpwuid(0).pw_name})
    lines = [f"{_MAP} {_name(name)} {SUPERUSER}\n" for name in names]
    _write(folders.base / "ident.conf", "".join(lines))


def command_line(folders: Folders, socket: Path) -> list[str]:
    """Return the arguments of `postgres`."""
    held = {
        "config_file": folders.base / "server.conf",
        "hba_file": folders.base / "hba.conf",
        "ident_file": folders.base / "ident.conf",
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": _name(str(socket)),
        "unix_socket_permissions": "0700",
        # stderr goes to our log file
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    arguments = ["-D", str(folders.data)]
    for name, value in held.items():
        arguments += ["-c", f"{name}={value}"]
    return arguments


def _write(path: Path, text: str) -> None:
    path.write_text(_WARNING + text, "utf-8", errors="surrogateescape")
    # root's files, to be read by the server's account; nothing in them is secret
    path.chmod(0o644)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'"


def _name(text: str) -> str:
    """Quote *text* for a list of folders and for a line of the map."""
    return '"' + text.replace('"', '""') + '"'
