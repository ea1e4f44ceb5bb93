"""singularity_workflow.retry_delay: min(max_delay, delay * backoff^(f-1)), spread."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from singularity_workflow.model.retry import RetryPolicy

SECONDS = st.floats(0, 100_000, allow_subnormal=False)


def wait(db, failures, **policy):
    """Return the wait in seconds; without jitter unless given."""
    defaults = {"delay": 1, "backoff": 2, "max_delay": 60, "jitter": False}
    return db.call("retry_delay", defaults | policy, failures).total_seconds()


@pytest.mark.parametrize(
    ("failures", "policy", "seconds"),
    [
        (1, {}, 1),
        (2, {}, 2),
        (4, {}, 8),
        (9, {}, 60),
        (1_000_000, {}, 60),
        (5, {"backoff": 1}, 1),
        (5, {"delay": 0}, 0),
        (5, {"max_delay": 0}, 0),
        (1, {"delay": 90}, 60),
        (3, {"delay": 0.1, "backoff": 10}, 10),
        (2_147_483_647, {"backoff": 1e308, "max_delay": 3e9}, 3e9),
    ],
)
def test_the_formula(db, failures, policy, seconds):
    """
    Base, growth and cap; also where the power alone would overflow (K 131).
    """
    assert wait(db, failures, **policy) == pytest.approx(seconds, abs=1e-5)


def test_jitter_spreads_from_half_to_one_and_a_half(db):
    """
    So that tasks that failed together do not come back together.
    """
    waits = [wait(db, 3, jitter=True) for _ in range(200)]

    assert all(2 <= seconds <= 6 for seconds in waits)
    assert min(waits) < 3
    assert max(waits) > 5


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    failures=st.integers(1, 50),
    delay=SECONDS,
    backoff=st.floats(1, 100),
    max_delay=SECONDS,
)
def test_it_agrees_with_the_model(db, failures, delay, backoff, max_delay):
    """
    Python's formula and the database's are one.
    """
    policy = RetryPolicy(
        delay=delay, backoff=backoff, max_delay=max_delay, jitter=False
    )

    found = db.call("retry_delay", policy.to_json(), failures)

    expected = policy.wait_after(failures).total_seconds()
    assert found.total_seconds() == pytest.approx(expected, rel=1e-6, abs=1e-5)
