"""
The worker processes: started, killed in the middle of their work, and replaced.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .clock import within
from .flows import LIFETIME
from .server import die_with_parent

__all__ = ["LEASE", "Crew", "Death"]

LEASE = 2.0
ROOT = Path(__file__).parents[2]

_COMMAND = [
    sys.executable, "-m", "singularity_workflow", "worker", "tests.chaos.flows",
    "--lease", f"{LEASE:g}", "--concurrency", "20", "--grace", "20",
]  # fmt: skip
_SERVES = "serves"
_START_PATIENCE = 8.0
_STOP_PATIENCE = 40.0
_POLL = 0.02
_FROZEN = 0.2
"""The share of the workers that are frozen for a while before they are killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """A worker that was killed."""

    pid: int
    born_at: datetime
    died_at: datetime


@dataclass(kw_only=True, slots=True)
class _Member:
    process: subprocess.Popen[bytes]
    log: Path
    born_at: datetime
    was_frozen: bool = False

    @property
    def serves(self) -> bool:
        return _SERVES in self.log.read_text(errors="replace")


@dataclass(kw_only=True, slots=True)
class Crew:
    """
    Some workers, of which each is killed a second or two after it began to serve.

    One of them always lives: there is no recovery by nobody. One in five is frozen first, until the others take it for dead.

    Args:
        size: How many at once.
        dsn: Where they connect.
        folder: Holds their logs.
        dice: Chooses how long they live.
        lifetime: Seconds after which a worker ends by itself, whatever happens to us.
    """

    size: int
    dsn: str
    folder: Path
    dice: random.Random
    lifetime: float
    deaths: list[Death] = field(default_factory=list)
    freezes: int = 0
    stuck: int = 0
    surprises: list[str] = field(default_factory=list)
    _members: list[_Member] = field(default_factory=list)
    _serving: set[int] = field(default_factory=set)
    _count: int = 0

    async def churn(self, must_end: asyncio.Event) -> None:
        """Kill and replace until told to end; then each has a living worker."""
        await asyncio.gather(*(self._keep(must_end) for _ in range(self.size)))

    async def disband(self) -> None:
        """End the workers in good order."""
        for member in self._members:
            member.process.send_signal(signal.SIGTERM)
        for member in self._members:
            if not await _ended_within(member.process, _STOP_PATIENCE):
                self._note(f"{member.log.name} did not end on SIGTERM")
            elif member.process.returncode != 0:
                self._note(f"{member.log.name} ended with {member.process.returncode}")

    def kill_all(self) -> None:
        """Leave nobody behind."""
        for member in self._members:
            if member.process.poll() is None:
                member.process.kill()
                member.process.wait()

    def logs(self) -> str:
        """Return all that the workers have said."""
        files = sorted(self.folder.glob("worker-*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    async def _keep(self, must_end: asyncio.Event) -> None:
        while True:
            member = self._hire()
            if not await self._began(member):
                continue
            self._serving.add(member.process.pid)
            is_over = await self._live(member, must_end)
            self._serving.discard(member.process.pid)
            if is_over:
                return
            if member.process.poll() is None:
                self._kill(member)
            else:
                code = member.process.returncode
                self._note(f"{member.log.name} ended by itself with {code}")
                self._members.remove(member)

    async def _live(self, member: _Member, must_end: asyncio.Event) -> bool:
        """Let a worker work until it is its turn; return whether all is over."""
        while not await within(must_end, self.dice.uniform(1, 2)):
            # somebody has to be there who can recover what the others leave
            if len(self._serving) == 1:
                continue
            if self.dice.random() >= _FROZEN or member.was_frozen:
                return False
            self._serving.discard(member.process.pid)
            await self._freeze(member)
            self._serving.add(member.process.pid)
        return True

    def _hire(self) -> _Member:
        self._count += 1
        log = self.folder / f"worker-{self._count:04}.log"
        environment = {
            **os.environ,
            "SINGULARITY_WORKFLOW_DATABASE_URL": self.dsn,
            LIFETIME: f"{self.lifetime:g}",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                _COMMAND,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),
            )
        member = _Member(process=process, log=log, born_at=datetime.now(UTC))
        self._members.append(member)
        return member

    async def _began(self, member: _Member) -> bool:
        """Wait until it serves; a worker that cannot reach the server may give up."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _START_PATIENCE
        while not member.serves:
            if member.process.poll() is not None:
                if "error: " not in member.log.read_text(errors="replace"):
                    self._note(f"{member.log.name} died while it was starting")
                self._members.remove(member)
                return False
            if loop.time() > end:
                self.stuck += 1  # the network swallows what it says
                self._kill(member)
                return False
            await asyncio.sleep(_POLL)
        return True

    async def _freeze(self, member: _Member) -> None:
        """Stop it for longer than its lease: it comes back as a zombie."""
        self.freezes += 1
        member.was_frozen = True
        member.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(self.dice.uniform(LEASE + 0.5, LEASE + 2.5))
        finally:
            member.process.send_signal(signal.SIGCONT)

    def _kill(self, member: _Member) -> None:
        self._members.remove(member)
        died_at = datetime.now(UTC)
        member.process.kill()
        member.process.wait()
        self.deaths.append(
            Death(pid=member.process.pid, born_at=member.born_at, died_at=died_at)
        )

    def _note(self, surprise: str) -> None:
        self.surprises.append(surprise)


async def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    end = asyncio.get_running_loop().time() + seconds
    while process.poll() is None:
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(_POLL)
    return True
