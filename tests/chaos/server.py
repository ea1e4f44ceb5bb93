"""
A PostgreSQL server of our own, that may be crashed and started again.

The library's embedded server listens on no port and stops in good order only. This one
listens on 127.0.0.1 behind a password, so that a proxy can stand before it, and can be
stopped in the middle of everything (immediate mode).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from singularity_workflow.store.embedded.account import Account, server_account
from singularity_workflow.store.embedded.binaries import Binaries, find_binaries
from singularity_workflow.store.embedded.copies import runnable_binaries

__all__ = ["HOST", "OwnServer", "die_with_parent", "free_port", "own_server"]

HOST = "127.0.0.1"
USER = "postgres"

_PATIENCE = 60.0
_POLL = 0.02
_PR_SET_PDEATHSIG = 1
_HBA = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"


def die_with_parent(number: int) -> None:
    """Let the kernel send this process a signal when its parent dies (on Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


@dataclass(kw_only=True, slots=True)
class OwnServer:
    """
    One cluster, and its server if it runs.

    Args:
        home: Holds the cluster.
        account: As whom it works.
        binaries: What it runs.
        port: Where it listens.
        password: Of its superuser.
        settings: Beside those that it needs to be tested with.
    """

    home: Path
    account: Account
    binaries: Binaries
    port: int
    password: str
    settings: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Of its maintenance database, past any proxy."""
        return self.dsn_for(USER)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.home / "server.log"

    def dsn_for(self, database: str, port: int | None = None) -> str:
        """Return the address of a database, on the port of a proxy if one is given."""
        return make_conninfo(
            host=HOST,
            port=port or self.port,
            user=USER,
            password=self.password,
            dbname=database,
        )

    def start(self) -> None:
        """
        Start it and wait until it answers.

        To be called in the main thread: the server dies with whoever started it.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, without waiting."""
        assert self._process is None
        command = [str(self.binaries.postgres), "-D", str(self.home / "data")]
        fixed = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "cluster_name": "swf_chaos",
            # after a crash; to sync each file of its own takes seconds on some disks
            "recovery_init_sync_method": "syncfs",
            "max_connections": "200",
            "log_line_prefix": "%m [%p] %a ",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        for name, value in {**fixed, **self.settings}.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGQUIT),
                **_as(self.account),
            )

    def wait_until_ready(self) -> None:
        """Return as soon as it answers."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.dsn, connect_timeout=5).close()
                return
            time.sleep(_POLL)
        raise RuntimeError(f"the server does not start; see {self.log}")

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """
        Stop it and wait for its end.

        Args:
            number: SIGQUIT as in a crash (immediate), SIGINT in good order (fast).
        """
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_PATIENCE)

    def restart(self) -> None:
        """Crash it and start it again."""
        self.stop()
        self.start()

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
        return self.dsn_for(name)


@contextlib.contextmanager
def own_server(**settings: str) -> Iterator[OwnServer]:
    """Make a cluster, start its server, and leave nothing behind."""
    # root's server works as another user, who must be able to enter
    home = Path(tempfile.mkdtemp(prefix="swf_own_", dir=_disk()))
    home.chmod(0o755)
    account = server_account(home / "data")
    server = OwnServer(
        home=home,
        account=account,
        binaries=runnable_binaries(find_binaries(), account, home),
        port=free_port(),
        password=secrets.token_hex(16),
        settings=settings,
    )
    try:
        _make_cluster(server)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _make_cluster(server: OwnServer) -> None:
    data = server.home / "data"
    data.mkdir(mode=0o700)
    server.account.own(data)
    password_file = server.home / "password"
    password_file.write_text(server.password)
    server.account.own(password_file)
    password_file.chmod(0o600)
    done = server.account.run(
        [
            server.binaries.initdb,
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            # the cluster is thrown away: what is in it need not outlive the machine
            "--no-sync",
        ],
        folder=server.home,
        timeout=_PATIENCE,
    )
    password_file.unlink()
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr.decode(errors='replace')}")
    (data / "pg_hba.conf").write_text(_HBA)


def _as(account: Account) -> dict[str, object]:
    if account.uid == os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _disk() -> str | None:
    """Return a folder on a disk: /tmp is memory on many machines."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None
