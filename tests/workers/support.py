"""
What these tests share: worker processes, stages for their steps, and patience.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from chaos.proxy import Endpoint, Proxy
from chaos.server import HOST, die_with_parent
from engine.support import Sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from singularity_workflow.cli.main import main
from workers import flows

__all__ = [
    "LEASE",
    "PATIENCE",
    "RECOVERY",
    "Command",
    "Stage",
    "eventually",
    "forked",
    "proxied",
    "running",
]

PATIENCE = 40.0
"""Seconds after which something that does not happen is a failure."""

LEASE = 1.0
"""Of workers that are to be missed soon; the shortest there may be."""

RECOVERY = 2.0
"""Seconds beyond the lease within which recovery has to begin."""

TESTS = Path(__file__).parents[1]
_POLL = 0.01
_LIFETIME = 120


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until *condition* is true, and return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(_POLL)
    pytest.fail(f"not within {PATIENCE} s: {what}")


class Stage:
    """
    Where the steps of one test meet the test.

    Args:
        folder: Empty at first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "notes").touch()

    @property
    def input(self) -> dict[str, str]:
        """The input for runs."""
        return {"folder": str(self.folder)}

    @property
    def notes(self) -> list[str]:
        """What steps have done, in order."""
        return [line.split()[0] for line in self._lines()]

    @property
    def pids(self) -> list[int]:
        """The processes in which they did it, in the same order."""
        return [int(line.split()[1]) for line in self._lines()]

    def open(self, gate: str = "gate") -> None:
        """Let steps pass that wait there."""
        (self.folder / gate).touch()

    def await_note(self, what: str, times: int = 1) -> None:
        """Wait until steps have done something so often."""
        eventually(lambda: Counter(self.notes)[what] >= times, f"{times} × {what}")

    def _lines(self) -> list[str]:
        return (self.folder / "notes").read_text("utf-8").splitlines()


@dataclass(kw_only=True, slots=True)
class Command:
    """A `singularity-workflow worker` that was started."""

    process: subprocess.Popen[bytes] | Forked
    log_file: Path

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has said."""
        return self.log_file.read_text("utf-8", errors="replace")

    @property
    def worker_ids(self) -> list[str]:
        """The ids under which it has worked, in order."""
        return re.findall(r"worker (\S+) serves|goes on as (\S+)", self.log) and [
            first or second
            for first, second in re.findall(
                r"worker (\S+) serves|goes on as (\S+)", self.log
            )
        ]

    def await_log(self, text: str, times: int = 1) -> None:
        """Wait until it has said something."""

        def has_said() -> bool:
            if self.log.count(text) >= times:
                return True
            if self.process.poll() is not None:
                pytest.fail(f"it has ended without {text!r}:\n{self.log}")
            return False

        eventually(has_said, f"{text!r} in the log:\n{self.log}")

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, as the kernel would that has no memory left."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(PATIENCE)

    def terminate(self) -> int:
        """Ask it to end, and return its exit code."""
        self.send(signal.SIGTERM)
        return self.ended()


@contextmanager
def running(
    dsn: str, log_file: Path, target: str, *arguments: str, **environment: str
) -> Iterator[Command]:
    """Run the command `worker` for a target in `workers.flows`, and kill it at last."""
    command = [sys.executable, "-m", "singularity_workflow"]
    command += ["worker", f"workers.flows:{target}", *arguments]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=TESTS,
            env=os.environ | _environment(dsn) | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),
        )
    try:
        yield Command(process=process, log_file=log_file)
    finally:
        _end(process)


@contextmanager
def forked(
    dsn: str, log_file: Path, target: str, *arguments: str, **environment: str
) -> Iterator[Command]:
    """Do the same in a process that has imported everything: it is there at once."""
    words = ["worker", f"workers.flows:{target}", *arguments]
    log_file.touch()
    process = Forked(words, str(log_file), os.environ | _environment(dsn) | environment)
    try:
        yield Command(process=process, log_file=log_file)
    finally:
        _end(process)
        process.close()


class Forked:
    """A process of `multiprocessing`, in the words of `subprocess`."""

    def __init__(self, words: list[str], log: str, environment: Any) -> None:
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(
            ["workers.flows", "singularity_workflow.cli.main"]
        )
        self._process = server.Process(
            target=_work, args=(words, log, dict(environment))
        )
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None if it lives."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int | None:
        """Wait for its end and return the exit code."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Forget it."""
        self._process.close()


def _work(words: list[str], log: str, environment: dict[str, str]) -> None:
    """Be the command; runs in the process."""
    die_with_parent(signal.SIGKILL)
    os.environ.update(environment)
    os.chdir(TESTS)
    with Path(log).open("ab") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
    flows.end_in_time()
    sys.exit(main(words))


def _environment(dsn: str) -> dict[str, str]:
    return {
        "SINGULARITY_WORKFLOW_DATABASE_URL": dsn,
        flows.LIFETIME: str(_LIFETIME),
    }


def _end(process: subprocess.Popen[bytes] | Forked) -> None:
    """Kill it, and the processes of a supervisor with it."""
    if process.poll() is not None:
        return
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait(PATIENCE)
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()


class Look(Sql):
    """What the tables say, in the words of these tests."""

    def workers(self) -> list[Any]:
        """Return id, process, stop and loss of each worker, the oldest first."""
        return self.rows(
            "select worker_id::text, pid, stopped_at, lost_at "
            "from singularity_workflow.workers order by started_at"
        )

    def tasks(self, run_id: object) -> list[Any]:
        """Return status, attempt, failures and losses of a run's tasks."""
        return self.rows(
            "select status::text, attempt, failures, losses "
            "from singularity_workflow.tasks where run_id = %s "
            "order by step_no, task_index",
            run_id,
        )

    def task(self, run_id: object, column: str) -> Any:
        """Return a column of the only task of a run."""
        return self.value(
            f"select {column} from singularity_workflow.tasks where run_id = %s", run_id
        )

    def status(self, run_id: object) -> str:
        """Return the status of a run."""
        return self.value(
            "select status::text from singularity_workflow.runs where run_id = %s",
            run_id,
        )


class Way(Proxy):
    """
    A way to the server of a test that can be disturbed.

    Args:
        dsn: Of a database behind it.
    """

    def __init__(self, dsn: str) -> None:
        super().__init__(_endpoint(dsn), random.Random(0))
        self._behind = dsn

    @property
    def dsn(self) -> str:
        """The address by this way."""
        return make_conninfo(self._behind, host=HOST, port=self.port)


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[Way]:
    """Open a way to a database; it is broken at the end."""
    way = Way(dsn)
    await way.open()
    try:
        yield way
    finally:
        await way.close()


def _endpoint(dsn: str) -> Endpoint:
    parts = conninfo_to_dict(dsn)
    host, port = str(parts["host"]), int(parts.get("port") or 5432)
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
