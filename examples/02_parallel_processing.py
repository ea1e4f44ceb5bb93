"""
Map steps: one task for each element, all at once, their results in order.

Each element is a task of its own in the database, with attempts and a result of its
own: a failure in one repeats that one only.

It prints:

    {'join': '0:ENO 1:OWT 2:EERHT'}
    50 words
    at once
    {'join': ''}
"""

import asyncio
import time

from singularity_workflow import AsyncEngine, Workflow

words = Workflow("words")


@words.step
def split(input: dict[str, str]) -> list[str]:
    return input["text"].split()


@words.map(over=split)
async def translate(item: str, index: int) -> str:
    await asyncio.sleep(0.3)  # some service that takes its time
    return f"{index}:{item[::-1]}"


@words.map(over=translate)
def shout(item: str) -> str:
    return item.upper()


@words.step
def join(shout: list[str]) -> str:
    return " ".join(shout)


async def main() -> None:
    async with AsyncEngine() as engine:
        print(await engine.execute(words, {"text": "one two three"}))

        started = time.perf_counter()
        result = await engine.execute(words, {"text": "durable " * 50})
        print(len(result["join"].split()), "words")
        # one after the other, 50 calls of 0.3 s would take 15 s
        print("at once" if time.perf_counter() - started < 10 else "in a row")

        print(await engine.execute(words, {"text": ""}))  # no element, no task


if __name__ == "__main__":
    asyncio.run(main())
