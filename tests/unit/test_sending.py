"""store.sending: messages that are sent at the same time go together."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from singularity_workflow import ConnectionFailed, InvalidSetting
from singularity_workflow.store.sending import Sender


class Server:
    """Takes calls, and holds the first one until it may go on."""

    def __init__(self, error=None):
        self.calls = []
        self.may_go_on = asyncio.Event()
        self.error = error

    async def send(self, items):
        """Take a call; refuse it if a message of it is bad."""
        messages = [message for _, message, _ in orjson.loads(items)]
        self.calls.append(messages)
        if len(self.calls) == 1:
            await self.may_go_on.wait()
        if self.error is not None and "bad" in messages:
            raise self.error
        return [100 + number for number, _ in enumerate(messages)]


async def send_all(server, messages):
    """Send messages at the same time, and return what came of each."""
    sender = Sender(server.send)
    sending = [
        asyncio.create_task(sender.send("q", orjson.dumps(message), None))
        for message in ["first", *messages]
    ]
    while not server.calls:
        await asyncio.sleep(0)
    server.may_go_on.set()
    return (await asyncio.gather(*sending, return_exceptions=True))[1:]


def test_what_comes_during_a_call_goes_with_the_next_one():
    """
    Each gets its own id.
    """

    async def main():
        server = Server()
        return await send_all(server, ["a", "b", "c"]), server.calls

    found, calls = asyncio.run(main())
    assert [one for call in calls for one in call] == ["first", "a", "b", "c"]
    assert len(calls) <= 2
    assert len(set(found)) == 3


def test_a_bad_message_is_no_harm_to_the_others():
    """
    They are sent without it.
    """

    async def main():
        return await send_all(Server(InvalidSetting("no good")), ["a", "bad", "c"])

    first, bad, last = asyncio.run(main())
    assert isinstance(bad, InvalidSetting)
    assert isinstance(first, int)
    assert isinstance(last, int)


def test_after_a_loss_nothing_is_sent_again():
    """
    It may have taken effect: everybody is told so.
    """

    async def main():
        server = Server(ConnectionFailed("lost"))
        return await send_all(server, ["a", "bad"]), server.calls

    found, calls = asyncio.run(main())
    assert [one for call in calls for one in call] == ["first", "a", "bad"]
    assert isinstance(found[-1], ConnectionFailed)


def test_who_gave_up_is_not_sent_for():
    """
    If it was not under way yet.
    """

    async def main():
        server = Server()
        sender = Sender(server.send)
        first = asyncio.create_task(sender.send("q", b'"a"', None))
        while not server.calls:
            await asyncio.sleep(0)
        second = asyncio.create_task(sender.send("q", b'"b"', None))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        server.may_go_on.set()
        await first
        await sender.send("q", b'"c"', None)
        return server.calls

    assert asyncio.run(main()) == [["a"], ["c"]]
