"""
(m) How long a message takes to a listener in another process, and how many can be sent.

The pace is that of a clock: a message is due each millisecond, however long others
take, and its time counts from the call. The clock is the one that all processes share.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor

from benchmarks.apart import Measurement, WrongResult
from benchmarks.loads import Load
from singularity_workflow import AsyncEngine

__all__ = ["measure"]

_QUEUE = "measured"
_READY = "ready"
_PER_SECOND = 1_000
_BATCH = 100
_SENDERS = 4
_WARM_UP = 200
_LONGEST = 60
_FRESH = multiprocessing.get_context("spawn")


def measure(dsn: str, load: Load) -> Measurement:
    """Measure all rounds."""
    return asyncio.run(_measure(dsn, load))


async def _measure(dsn: str, load: Load) -> Measurement:
    found = Measurement()
    async with AsyncEngine(dsn) as engine:
        await _pace(engine, _WARM_UP)
        for _ in range(load.rounds):
            times = await _listened(engine, dsn, load.messages, _pace)
            delays = [(came - sent) * 1_000 for sent, came in times]
            found.add("message_ms_p50", statistics.median(delays))
            found.add("message_ms_p99", statistics.quantiles(delays, n=100)[-1])
            times = await _listened(engine, dsn, load.batched_messages, _batches)
            began = min(sent for sent, _ in times)
            ended = max(came for _, came in times)
            sent = max(sent for sent, _ in times) - began
            found.add("messages_sent_per_s", len(times) / sent)
            found.add("messages_heard_per_s", len(times) / (ended - began))
    return found


async def _listened(
    engine: AsyncEngine,
    dsn: str,
    count: int,
    send: Callable[[AsyncEngine, int], Awaitable[None]],
) -> list[tuple[float, float]]:
    """Let another process listen to what is sent; when each was sent, and came."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, mp_context=_FRESH) as pool:
        async with engine.notifications.listen(_READY) as ready:
            hearing = loop.run_in_executor(pool, hear, dsn, count)
            await ready.get(timeout=_LONGEST)
        await send(engine, count)
        times: list[tuple[float, float]] = await hearing
    return times


def hear(dsn: str, count: int) -> list[tuple[float, float]]:
    """Listen to *count* messages; when each was sent, and came."""
    return asyncio.run(_hear(dsn, count))


async def _hear(dsn: str, count: int) -> list[tuple[float, float]]:
    times: list[tuple[float, float]] = []
    numbers: set[int] = set()
    async with AsyncEngine(dsn) as engine, engine.notifications.listen(_QUEUE) as heard:
        await engine.notifications.send_with_notify(_READY, None)
        while len(times) < count:
            messages = await heard.take(timeout=_LONGEST, most=_PER_SECOND)
            came = time.monotonic()
            times += [(message.payload["sent"], came) for message in messages]
            numbers.update(message.payload["number"] for message in messages)
    if numbers != set(range(count)):
        raise WrongResult(f"of {count} messages {len(numbers)} came")
    return times


async def _pace(engine: AsyncEngine, count: int) -> None:
    """Send a message each millisecond."""
    began = time.monotonic()
    sending = []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / _PER_SECOND - time.monotonic()))
        message = {"number": number, "sent": time.monotonic()}
        sending.append(
            asyncio.create_task(engine.notifications.send_with_notify(_QUEUE, message))
        )
    await asyncio.gather(*sending)


async def _batches(engine: AsyncEngine, count: int) -> None:
    """Send batches, a few at a time."""

    async def send(sender: int) -> None:
        for first in range(sender * _BATCH, count, _SENDERS * _BATCH):
            sent = time.monotonic()
            batch = [
                {"number": number, "sent": sent}
                for number in range(first, first + _BATCH)
            ]
            await engine.notifications.send_batch_with_notify(_QUEUE, batch)

    await asyncio.gather(*[send(sender) for sender in range(_SENDERS)])
