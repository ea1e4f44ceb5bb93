"""
What tests of messages share: waiting until other transactions of the server are over.
"""

from __future__ import annotations

import time

import pytest

PATIENCE = 20.0


def wait_until_complete(db, queue="orders"):
    """Return the page of all messages, once none of them can get one in front."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        page = db.call("read_messages", queue, limit=1000)
        if all(message[0] < page["horizon"] for message in page["messages"]):
            return page
        time.sleep(0.005)
    pytest.fail("another transaction of the server does not end")
