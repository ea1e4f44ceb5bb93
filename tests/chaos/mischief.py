"""
What is done to the server and to the network.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from .clock import within
from .proxy import Proxy
from .server import OwnServer

__all__ = ["Mischief"]

_NOTE_START = "insert into chaos.server_starts values (clock_timestamp())"
_CUT = """
select pg_terminate_backend(a.pid)
from (select a.pid from pg_stat_activity a
      where a.application_name = 'singularity_workflow' and a.datname = current_database()
      order by random() limit 1) a
"""


@dataclass(kw_only=True, slots=True)
class Mischief:
    """
    Restart the server, end its sessions, and disturb what goes through the proxy.

    Args:
        server: The server.
        dsn: Of the database, past the proxy.
        proxy: Between the server and everybody else.
        dice: Chooses what, whom and when.
    """

    server: OwnServer
    dsn: str
    proxy: Proxy
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    _stalls: set[asyncio.Task[None]] = field(default_factory=set)

    async def work(self, must_end: asyncio.Event, seconds: float) -> None:
        """
        Do harm until told to end.

        Args:
            must_end: Set when it is enough.
            seconds: How long that will be; the server crashes twice in that time.
        """
        await asyncio.gather(
            self._again_and_again(must_end, self._cut_session, 0.3, 1.5),
            self._again_and_again(must_end, self._disturb_network, 0.2, 1.0),
            self._crash_server(must_end, seconds),
        )
        await asyncio.gather(*self._stalls)

    def note_start(self) -> None:
        """Write down since when the server answers."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(_NOTE_START)

    async def _again_and_again(
        self, must_end: asyncio.Event, act: object, shortest: float, longest: float
    ) -> None:
        while not await within(must_end, self.dice.uniform(shortest, longest)):
            await act()

    async def _crash_server(self, must_end: asyncio.Event, seconds: float) -> None:
        for _ in range(2):
            pause = self.dice.uniform(0.2, 0.4) * seconds
            if await within(must_end, pause):
                return
            await asyncio.to_thread(self.server.stop)
            await asyncio.sleep(self.dice.uniform(0, 1.5))
            self.server.launch()  # in this thread: it dies with whoever started it
            await asyncio.to_thread(self.server.wait_until_ready)
            await asyncio.to_thread(self.note_start)
            self.done["restarts"] += 1

    async def _cut_session(self) -> None:
        with contextlib.suppress(psycopg.Error):
            async with await psycopg.AsyncConnection.connect(
                self.dsn, autocommit=True, connect_timeout=5
            ) as connection:
                cursor = await connection.execute(_CUT)
                self.done["cuts"] += len(await cursor.fetchall())

    async def _disturb_network(self) -> None:
        link = self.proxy.any_link()
        if link is None:
            return
        kind = self.dice.choice(["resets", "stalls", "stalls", "black holes"])
        self.done[kind] += 1
        if kind == "resets":
            link.reset()
        elif kind == "black holes":
            link.swallow()
        else:
            stall = asyncio.create_task(link.stall(self.dice.uniform(0.2, 4)))
            self._stalls.add(stall)
            stall.add_done_callback(self._stalls.discard)
