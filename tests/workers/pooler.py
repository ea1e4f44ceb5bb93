"""
PgBouncer before the server of a test, pooling transactions.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.server import HOST, die_with_parent, free_port
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from singularity_workflow.store.embedded.account import server_account
from workers.support import PATIENCE, eventually

__all__ = ["pooled"]

PROGRAM = Path("/usr/sbin/pgbouncer")


@contextlib.contextmanager
def pooled(dsn: str, **settings: str) -> Iterator[str]:
    """
    Start a PgBouncer, and yield the address of the database behind it.

    Skips the test where it is not installed.
    """
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not installed (Debian: apt-get install pgbouncer)")
    with tempfile.TemporaryDirectory(prefix="swf_pooler_") as folder:
        port = free_port()
        process = _start(Path(folder), dsn, port, settings)
        try:
            eventually(lambda: _answers(port), "PgBouncer to listen")
            yield make_conninfo(
                host=HOST,
                port=port,
                user="anybody",
                dbname=conninfo_to_dict(dsn)["dbname"],
            )
        finally:
            process.kill()
            process.wait(PATIENCE)


def _start(
    folder: Path, dsn: str, port: int, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    parts = conninfo_to_dict(dsn)
    server = {name: parts[name] for name in ("host", "port", "user") if parts.get(name)}
    file = folder / "pgbouncer.ini"
    values = {
        "listen_addr": HOST,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        # fewer than a worker has connections: none of them has one of its own
        "default_pool_size": "3",
        **settings,
    }
    file.write_text(
        "[databases]\n* = "
        + " ".join(f"{name}={value}" for name, value in server.items())
        + "\n[pgbouncer]\n"
        + "\n".join(f"{name} = {value}" for name, value in values.items())
    )
    # it refuses to work as root, as PostgreSQL does; the server knows its account
    account = server_account(folder / "none")
    other = {}
    if account.uid != os.geteuid():
        folder.chmod(0o755)
        other = {"user": account.uid, "group": account.gid, "extra_groups": []}
    return subprocess.Popen(
        [PROGRAM, "-q", file],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),
        **other,
    )


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((HOST, port), timeout=1).close()
        return True
    return False
