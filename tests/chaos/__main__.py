"""
Run the chaos, print what happened, and say whether everything held.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from singularity_workflow import AsyncEngine

from .checks import RECOVERY_BAR, Checks
from .crew import Crew
from .load import Load
from .mischief import Mischief
from .proxy import Proxy
from .server import HOST, OwnServer, own_server

_WORKERS = 3
_OPEN_RUNS = 120
_PATIENCE = 90.0
"""Seconds that the open runs have to end when the chaos is over."""

_DATABASE = "chaos"
_SCHEMA = Path(__file__).with_name("schema.sql")


@dataclass(kw_only=True, slots=True)
class Story:
    """What happened, and what did not hold."""

    seed: int
    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """One sentence."""
        counts = self.counts
        if self.problems:
            return (
                f"FAILED: {len(self.problems)} things did not hold with seed "
                f"{self.seed}; the first: {self.problems[0].splitlines()[0]}"
            )
        return (
            f"HELD: all {counts['runs']} runs ended with the right output, each result "
            f"recorded once, through {counts['kills']} kills, {counts['restarts']} "
            f"restarts and {counts['cuts']} cuts."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chaos and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long")
    parser.add_argument("--seed", type=int, help="of all that is chosen at random")
    parser.add_argument("--keep", action="store_true", help="keep the logs anyway")
    options = parser.parse_args(arguments)
    seed = time.time_ns() % 1_000_000 if options.seed is None else options.seed

    folder = Path(tempfile.mkdtemp(prefix="swf_chaos_"))
    logging.basicConfig(filename=folder / "engine.log", level=logging.INFO)
    print(f"chaos for {options.seconds:g} s, seed {seed}, logs in {folder}", flush=True)
    story = Story(seed=seed)
    with own_server() as server:
        dsn = server.create_database(_DATABASE)
        asyncio.run(_prepare(dsn))
        asyncio.run(_chaos(server, dsn, options.seconds, folder, story))
        shutil.copy(server.log, folder)
    for name, value in story.counts.items():
        print(f"  {name:24}{value}")
    for problem in story.problems:
        print(f"  ! {problem}")
    if not story.problems and not options.keep:
        shutil.rmtree(folder)
    print(story.verdict)
    return 1 if story.problems else 0


async def _prepare(dsn: str) -> None:
    async with AsyncEngine(dsn, migrate=True):
        pass
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_SCHEMA.read_text("utf-8"))


async def _chaos(
    server: OwnServer, dsn: str, seconds: float, folder: Path, story: Story
) -> None:
    proxy = Proxy((HOST, server.port), _dice(story, "proxy"))
    await proxy.open()
    through_proxy = server.dsn_for(_DATABASE, proxy.port)
    crew = Crew(
        size=_WORKERS,
        dsn=through_proxy,
        folder=folder,
        dice=_dice(story, "crew"),
        lifetime=seconds + 4 * _PATIENCE,
    )
    load = Load(dsn=through_proxy, open_runs=_OPEN_RUNS, dice=_dice(story, "load"))
    mischief = Mischief(
        server=server, dsn=dsn, proxy=proxy, dice=_dice(story, "mischief")
    )
    mischief.note_start()
    began = time.monotonic()
    try:
        await _all_at_once(crew, load, mischief, seconds)
        story.counts["ended after"] = f"{time.monotonic() - began - seconds:.1f} s"
        await crew.disband()
    finally:
        crew.kill_all()
        await proxy.close()
    _judge(Checks(dsn), crew, load, mischief, story)


async def _all_at_once(
    crew: Crew, load: Load, mischief: Mischief, seconds: float
) -> None:
    must_end = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, must_end.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(crew.churn(must_end))
        group.create_task(mischief.work(must_end, seconds))
        group.create_task(load.apply(must_end, _PATIENCE))


def _judge(
    checks: Checks, crew: Crew, load: Load, mischief: Mischief, story: Story
) -> None:
    story.problems += crew.surprises
    story.problems += checks.problems(load.runs, crew.deaths)
    if len(load.runs) != checks.figures()["runs"]:
        story.problems.append(
            f"{len(load.runs)} runs were started, but {checks.figures()['runs']} are "
            "completed"
        )
    logs = crew.logs()
    story.counts |= {
        "kills": len(crew.deaths),
        "freezes": crew.freezes,
        "stuck at their start": crew.stuck,
        **{name: mischief.done[name] for name in ("restarts", "cuts", "resets")},
        **{name: mischief.done[name] for name in ("stalls", "black holes")},
        "starts asked for again": load.restarted,
        **checks.figures(),
        "refused reports": logs.count("came too late and was refused")
        + logs.count("was refused and rolled back"),
        "workers reborn": logs.count("was declared lost and goes on as"),
        "errors in the logs": logs.count(" ERROR "),
        "slowest recovery": f"{checks.slowest_recovery:.2f} s of {RECOVERY_BAR:g}",
    }


def _dice(story: Story, whose: str) -> random.Random:
    return random.Random(f"{story.seed} {whose}")


if __name__ == "__main__":
    sys.exit(main())
