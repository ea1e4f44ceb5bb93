"""What a worker costs that has nothing to do."""

from __future__ import annotations

import re
import time

from workers.support import eventually

SECONDS = 15.0
QUERIES_A_SECOND = 2.0
QUERY = re.compile(r"singularity_workflow LOG: +(?:execute|statement)")


def test_no_more_than_two_queries_a_second(own, own_dsn, start_worker):
    """
    Heartbeat, timers, leases, adoption and polling together (issue 4).
    """
    start_worker(dsn=own_dsn, lease=15)
    _pass(3)
    before = len(QUERY.findall(own.log.read_text(errors="replace")))

    _pass(SECONDS)

    queries = len(QUERY.findall(own.log.read_text(errors="replace"))) - before
    assert 0 < queries <= QUERIES_A_SECOND * SECONDS


def _pass(seconds: float) -> None:
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > end, "some time to pass")
