"""
Messages that are sent one by one, many in one transaction when there are many.

NOTIFY lets one transaction of the server commit at a time. So there is one call under
way, and what is sent meanwhile goes with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson

from singularity_workflow.errors import ConnectionFailed

__all__ = ["Sender"]

_MOST_AT_ONCE: Final = 500
_LARGEST: Final = 1_000_000
"""Bytes beyond which a message goes in a call of its own."""


@dataclass(slots=True)
class _Item:
    """A message that waits to be sent."""

    body: bytes
    sent: asyncio.Future[int]


class Sender:
    """
    Send messages, at most one call at a time.

    Args:
        send: Sends an encoded array of [queue, message, headers]; returns their ids.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[list[int]]]) -> None:
        self._send = send
        self._waiting: list[_Item] = []
        self._task: asyncio.Task[None] | None = None

    async def send(self, queue: str, message: bytes, headers: bytes | None) -> int:
        """Send a message; return its id when it is committed."""
        body = b"[%b,%b,%b]" % (orjson.dumps(queue), message, headers or b"null")
        if len(body) > _LARGEST:
            return (await self._send(b"[%b]" % body))[0]
        item = _Item(body, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="swf-sender")
        return await item.sent

    async def _work(self) -> None:
        while self._waiting:
            batch: list[_Item] = []
            size = 0
            while self._waiting and len(batch) < _MOST_AT_ONCE and size < _LARGEST:
                item = self._waiting.pop(0)
                # who has gone before it was sent does not want it any more
                if not item.sent.done():
                    batch.append(item)
                    size += len(item.body)
            if batch:
                await self._send_batch(batch)

    async def _send_batch(self, batch: list[_Item]) -> None:
        try:
            ids = await self._send(b"[%b]" % b",".join(one.body for one in batch))
        except asyncio.CancelledError:
            for item in batch:
                item.sent.cancel()
            raise
        except Exception as error:
            if len(batch) == 1 or isinstance(error, ConnectionFailed):
                # after a loss nobody knows whether it took effect: each is told
                for item in batch:
                    _fail(item, error)
                return
        else:
            for item, number in zip(batch, ids, strict=True):
                if not item.sent.done():
                    item.sent.set_result(number)
            return
        # nothing took effect; one of them is to blame, and the others are not
        for item in batch:
            await self._send_batch([item])


def _fail(item: _Item, error: Exception) -> None:
    if not item.sent.done():
        if isinstance(error, ConnectionFailed):
            # of its own: whoever catches it adds to its traceback
            own = ConnectionFailed(error.message, hint=error.hint)
            own.__cause__ = error
            error = own
        item.sent.set_exception(error)
