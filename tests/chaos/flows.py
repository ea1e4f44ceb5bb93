"""
What the workers of the chaos run run, and what must come out of it.

Each workflow is arithmetic on its input, so that its result can be computed again
without it: `EXPECTED` has a function for each.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from singularity_workflow import Context, RetryPolicy, Workflow

__all__ = ["EFFECTS", "EXPECTED", "WORKFLOWS"]

MAX_LOST = 1_000_000
"""Out of reach: here workers die of us, not of their tasks."""

EFFECTS = ("book_async", "book_sync", "book_map")
"""The steps with a transaction, as `effects` counts them."""

LIFETIME = "SWF_CHAOS_LIFETIME"
"""Seconds after which a worker ends by itself: none is left behind."""

_MODULUS = 1_000_003
_PATIENT = RetryPolicy(max_attempts=10_000, delay=0.05, backoff=1.5, max_delay=1)
_TIMEOUT = 10
_RECORD = "insert into chaos.effects (run_id, step, index) values (%s, %s, %s)"


def mix(value: int, salt: int) -> int:
    """Return a number that nobody guesses."""
    return (value * 48_271 + salt * 69_621 + 12_345) % _MODULUS


def _workflow(name: str) -> Workflow:
    # a timeout: a network that swallows packets would keep a step's own query for ever
    return Workflow(name, retry=_PATIENT, timeout=_TIMEOUT, max_lost=MAX_LOST)


def _stumble() -> None:
    """Fail now and then."""
    if random.random() < 0.15:
        raise RuntimeError("by chance")


# a chain of coroutines and plain functions

chain = _workflow("chaos_chain")


@chain.step
async def link_0(run_input: int) -> int:
    return mix(run_input, 0)


@chain.step
def link_1(link_0: int) -> int:
    time.sleep(random.uniform(0, 0.02))
    return mix(link_0, 1)


@chain.step
async def link_2(link_1: int) -> int:
    await asyncio.sleep(random.uniform(0, 0.3))
    return mix(link_1, 2)


@chain.step
def link_3(link_2: int) -> int:
    _stumble()
    return mix(link_2, 3)


@chain.step
async def link_4(link_3: int) -> int:
    return mix(link_3, 4)


def _chain_result(value: int) -> dict[str, Any]:
    for salt in range(5):
        value = mix(value, salt)
    return {"link_4": value}


# a map over a map, with failures, gathered by two steps

fan = _workflow("chaos_fan")


@fan.step
async def spread(run_input: int) -> list[int]:
    return _elements(run_input)


@fan.map(over=spread)
async def first_pass(item: int) -> int:
    _stumble()
    await asyncio.sleep(random.uniform(0, 0.05))
    return mix(item, 10)


@fan.map(over=first_pass)
def second_pass(item: int, index: int) -> int:
    _stumble()
    return mix(item, index)


@fan.step
def total(second_pass: list[int]) -> int:
    return sum(second_pass)


@fan.step
async def order(first_pass: list[int], second_pass: list[int]) -> list[int]:
    return [*first_pass[:2], *second_pass[-2:]]


def _elements(value: int) -> list[int]:
    return [mix(value, salt) for salt in range(value % 12)]


def _fan_result(value: int) -> dict[str, Any]:
    firsts = [mix(one, 10) for one in _elements(value)]
    seconds = [mix(one, index) for index, one in enumerate(firsts)]
    return {"total": sum(seconds), "order": [*firsts[:2], *seconds[-2:]]}


# steps whose effects are in the database: once, whatever dies

book = _workflow("chaos_book")


@book.step
async def book_async(run_input: int, ctx: Context) -> int:
    async with ctx.transaction() as connection:
        await connection.execute(_RECORD, (ctx.run_id, ctx.step, 0))
        await asyncio.sleep(random.uniform(0, 0.02))
    _stumble()
    return mix(run_input, 20)


@book.step
def book_sync(book_async: int, ctx: Context) -> int:
    with ctx.transaction() as connection:
        connection.execute(_RECORD, (ctx.run_id, ctx.step, 0))
        time.sleep(random.uniform(0, 0.02))
    _stumble()
    return mix(book_async, 21)


@book.step
async def accounts(book_sync: int) -> list[int]:
    return [mix(book_sync, salt) for salt in range(3)]


@book.map(over=accounts)
async def book_map(item: int, index: int, ctx: Context) -> int:
    async with ctx.transaction() as connection:
        await connection.execute(_RECORD, (ctx.run_id, ctx.step, index))
    return mix(item, 22)


@book.step
async def balance(book_map: list[int]) -> int:
    return sum(book_map)


def _book_result(value: int) -> dict[str, Any]:
    value = mix(mix(value, 20), 21)
    return {"balance": sum(mix(mix(value, salt), 22) for salt in range(3))}


# a step in a process of its own, beside one that takes its time

heavy = _workflow("chaos_heavy")


@heavy.step(executor="process")
def crunch(run_input: int) -> int:
    for salt in range(2_000):
        run_input = mix(run_input, salt)
    return run_input


@heavy.step
async def linger(run_input: int) -> int:
    await asyncio.sleep(random.uniform(0.2, 1.0))
    return mix(run_input, 30)


@heavy.step
async def both(crunch: int, linger: int) -> int:
    return crunch + linger


def _heavy_result(value: int) -> dict[str, Any]:
    crunched = value
    for salt in range(2_000):
        crunched = mix(crunched, salt)
    return {"both": crunched + mix(value, 30)}


WORKFLOWS = [chain, fan, book, heavy]

EXPECTED: dict[str, Callable[[int], dict[str, Any]]] = {
    "chaos_chain": _chain_result,
    "chaos_fan": _fan_result,
    "chaos_book": _book_result,
    "chaos_heavy": _heavy_result,
}


def _end_in_time() -> None:
    lifetime = os.environ.get(LIFETIME)
    if lifetime:
        end = threading.Timer(float(lifetime), os._exit, (75,))
        end.daemon = True
        end.start()


_end_in_time()
