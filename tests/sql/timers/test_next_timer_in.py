"""singularity_workflow.next_timer_in: when somebody must call fire_timers."""

from __future__ import annotations

import pytest
from fixtures.definitions import single


def test_without_timers_there_is_no_time(db):
    """
    Null, not zero: nobody needs to come.
    """
    assert db.call("next_timer_in") is None


@pytest.mark.parametrize(("later", "seconds"), [(0, 60), (45, 15), (90, 0)])
def test_the_seconds_until_the_first_is_due(db, later, seconds):
    """
    Never below zero.
    """
    db.set_now(db.now())
    db.start(db.make_workflow(single("a", start_delay=60), single("b", start_delay=99)))

    db.advance(seconds=later)

    assert db.call("next_timer_in") == pytest.approx(seconds)
