"""
The workflows that are measured.

Their steps do nothing: those of a chain add one, which proves that each ran once and
in its place, those of a map return their element. Async ones are the rule; the plain
ones, which run in threads, have rows of their own. One tells when it began.
"""

from __future__ import annotations

import time

from singularity_workflow import Workflow

__all__ = [
    "CHAIN_STEPS",
    "chain",
    "mapped",
    "plain_chain",
    "plain_mapped",
    "single",
    "timed",
]

CHAIN_STEPS = 10

single = Workflow("bench_single")
chain = Workflow("bench_chain")
plain_chain = Workflow("bench_plain_chain")
mapped = Workflow("bench_map")
plain_mapped = Workflow("bench_plain_map")
timed = Workflow("bench_timed")


@single.step
async def only(input):
    return input + 1


@timed.step
async def began(input):
    return {"at": time.monotonic(), "input": input}


@mapped.map
async def element(item):
    return item


@plain_mapped.map(name="element")
def plain_element(item):
    return item


async def s1(input):
    return input + 1


async def s2(s1):
    return s1 + 1


async def s3(s2):
    return s2 + 1


async def s4(s3):
    return s3 + 1


async def s5(s4):
    return s4 + 1


async def s6(s5):
    return s5 + 1


async def s7(s6):
    return s6 + 1


async def s8(s7):
    return s7 + 1


async def s9(s8):
    return s8 + 1


async def s10(s9):
    return s9 + 1


def p1(input):
    return input + 1


def p2(p1):
    return p1 + 1


def p3(p2):
    return p2 + 1


def p4(p3):
    return p3 + 1


def p5(p4):
    return p4 + 1


def p6(p5):
    return p5 + 1


def p7(p6):
    return p6 + 1


def p8(p7):
    return p7 + 1


def p9(p8):
    return p8 + 1


def p10(p9):
    return p9 + 1


for function in (s1, s2, s3, s4, s5, s6, s7, s8, s9, s10):
    chain.step(function)
for plain_function in (p1, p2, p3, p4, p5, p6, p7, p8, p9, p10):
    plain_chain.step(plain_function)
