"""singularity_workflow.notify_only: bare notifications."""

from __future__ import annotations

import pytest


def test_whoever_listens_is_told(sessions):
    """
    With the payload as it is; nothing is stored.
    """
    listener = sessions.open()
    listener.execute('listen "Loud ch"')

    sessions.monitor.call("notify_only", "Loud ch", "x" * 7999)

    (one,) = listener.connection.notifies(timeout=5, stop_after=1)
    assert (one.channel, one.payload) == ("Loud ch", "x" * 7999)
    assert not sessions.monitor.rows(
        "select from singularity_workflow.message_queues where name = 'loud ch'"
    )


@pytest.mark.parametrize("channel", [None, "", "x" * 64, "ä" * 32])
def test_an_impossible_channel_is_refused(db, channel):
    """
    It is counted in bytes.
    """
    with db.raises("SW403"):
        db.call("notify_only", channel, "")


@pytest.mark.parametrize(
    "channel", ["singularity_workflow_work", "SINGULARITY_workflow"]
)
def test_the_librarys_own_channels_are_refused(db, channel):
    """
    What is sent there has a meaning.
    """
    with db.raises("SW403"):
        db.call("notify_only", channel, "")


@pytest.mark.parametrize("payload", ["x" * 8000, "ä" * 4000])
def test_a_payload_that_is_too_long_is_refused(db, payload):
    """
    The error tells what takes it.
    """
    with db.raises("SW403") as caught:
        db.call("notify_only", "news", payload)

    assert "send_with_notify" in caught.value.diag.message_hint
