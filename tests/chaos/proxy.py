"""
A TCP proxy that fails as networks do: it stalls, swallows everything, or resets.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct

from .server import HOST

__all__ = ["Endpoint", "Link", "Proxy"]

_CHUNK = 65_536
_LINGER_NOT = struct.pack("ii", 1, 0)

Endpoint = str | tuple[str, int]
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """
    One connection through the proxy.

    Args:
        client: Who connected.
        server: What it was connected to.
    """

    def __init__(self, client: _Stream, server: _Stream) -> None:
        self._client = client
        self._server = server
        self._may_flow = asyncio.Event()
        self._may_flow.set()
        self._is_over = asyncio.Event()
        self.is_black_hole = False

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was done to it."""
        return self._may_flow.is_set() and not self.is_black_hole

    async def carry(self) -> None:
        """Pass on what comes, until one side closes."""
        pumps = [
            asyncio.create_task(self._pump(self._client[0], self._server[1])),
            asyncio.create_task(self._pump(self._server[0], self._client[1])),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._client[1].close()
            self._server[1].close()

    def reset(self) -> None:
        """Break it at once: both sides get an error."""
        for _, writer in (self._client, self._server):
            end = writer.get_extra_info("socket")
            if end is not None:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()
        self._is_over.set()

    def swallow(self) -> None:
        """Pass on nothing more, not even that somebody closes, without any error."""
        self.is_black_hole = True

    async def stall(self, seconds: float) -> None:
        """Hold everything back for a while."""
        self._may_flow.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._may_flow.set()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._may_flow.wait()
                if not self.is_black_hole:
                    target.write(data)
                    await target.drain()
        await self._may_flow.wait()
        if self.is_black_hole:
            await self._is_over.wait()


class Proxy:
    """
    Listen on a port of the loopback and connect it to a server.

    Args:
        target: The host and port of the server, or the path of its socket.
        dice: Chooses links.
    """

    def __init__(self, target: Endpoint, dice: random.Random) -> None:
        self._target = target
        self._dice = dice
        self._links: set[Link] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.swallows_all = False

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Begin to listen."""
        self._listener = await asyncio.start_server(self._accept, HOST, 0)

    async def close(self) -> None:
        """Break all links."""
        if self._listener is not None:
            self._listener.close()
        self.reset()
        for carrying in list(self._carrying):
            carrying.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def reset(self) -> None:
        """Reset all links; new ones are let through."""
        for link in list(self._links):
            link.reset()

    def swallow(self) -> None:
        """Let all links that there are swallow everything."""
        for link in self._links:
            link.swallow()

    def any_link(self) -> Link | None:
        """Return a link that nothing was done to yet."""
        healthy = [link for link in self._links if link.is_healthy]
        return self._dice.choice(healthy) if healthy else None

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        try:
            server = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = Link((reader, writer), server)
        link.is_black_hole = self.swallows_all
        self._links.add(link)
        try:
            # only `close` cancels it, and asyncio would complain
            with contextlib.suppress(asyncio.CancelledError):
                await link.carry()
        finally:
            self._links.discard(link)

    async def _connect(self) -> _Stream:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)
