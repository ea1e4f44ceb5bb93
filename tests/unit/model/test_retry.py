"""RetryPolicy: which failures are tried again, and how long a task waits."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.durations import LONGEST
from singularity_workflow.model.retry import MAX_ATTEMPTS_LIMIT, RetryPolicy

from .strategies import policies


class AppError(Exception):
    """An exception of the application."""


class HopelessError(AppError):
    """One that no second attempt mends."""


def seconds(wait):
    """Return a wait as a number."""
    return wait.total_seconds()


def test_the_defaults_are_those_of_the_specification():
    """
    Three attempts, one second, doubling up to a minute, with jitter.
    """
    policy = RetryPolicy()

    assert policy.to_json() == {
        "max_attempts": 3,
        "delay": 1.0,
        "backoff": 2.0,
        "max_delay": 60.0,
        "jitter": True,
    }
    assert policy.retry_on == (Exception,)
    assert policy.give_up_on == ()


@pytest.mark.parametrize(
    ("failures", "wait"), [(1, 3), (2, 6), (3, 12), (4, 20), (5, 20), (10**6, 20)]
)
def test_the_wait_grows_by_the_factor_up_to_the_longest(failures, wait):
    """
    The wait is min(max_delay, delay * backoff ** (failures - 1)). (K 131)
    """
    policy = RetryPolicy(delay=3, backoff=2, max_delay=20, jitter=False)

    assert seconds(policy.wait_after(failures)) == wait


@pytest.mark.parametrize(
    ("uniform", "wait"), [(0, 5), (0.5, 10), (0.75, 12.5), (1, 15)]
)
def test_jitter_spreads_the_wait_from_half_to_one_and_a_half(uniform, wait):
    """
    A uniform draw from 0 to 1 becomes a factor from 0.5 to 1.5.
    """
    policy = RetryPolicy(delay=10)

    assert seconds(policy.wait_after(1, uniform)) == wait


def test_jitter_spreads_the_longest_wait_too():
    """
    The bound is applied before the jitter, so that tasks do not meet at the bound.
    """
    policy = RetryPolicy(delay=100, max_delay=60)

    assert seconds(policy.wait_after(1, 1.0)) == 90


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(delay=0, backoff=1e300, jitter=False),
        RetryPolicy(max_delay=0, jitter=False),
    ],
)
@pytest.mark.parametrize("failures", [1, 2, 10**9])
def test_no_delay_stays_no_delay(policy, failures):
    """
    A delay or a bound of nothing is no wait, however often the task failed.
    """
    assert policy.wait_after(failures) == timedelta(0)


@given(policies, st.integers(1, 2**31), st.floats(0, 1))
def test_waits_agree_with_the_formula_in_logarithms(policy, failures, uniform):
    """
    Whatever the policy, the wait is that of the formula, and never overflows.
    """
    delay, most = seconds(policy.delay), seconds(policy.max_delay)
    grown = (
        math.log(delay) + (failures - 1) * math.log(policy.backoff) if delay else -1e9
    )
    expected = min(most, math.exp(min(grown, 700)))
    factor = 0.5 + uniform if policy.jitter else 1

    wait = seconds(policy.wait_after(failures, uniform))

    assert wait == pytest.approx(expected * factor, rel=1e-6, abs=2e-6)


@given(policies, st.integers(1, 1000))
def test_waits_never_shrink(policy, failures):
    """
    A later failure waits at least as long as an earlier one.
    """
    first, second = (policy.wait_after(n, 0.5) for n in (failures, failures + 1))

    assert first <= second


@given(policies)
def test_a_policy_survives_json(policy):
    """
    What `to_json` writes, `from_json` reads back as the same policy.
    """
    assert RetryPolicy.from_json(policy.to_json()) == policy


def test_absent_members_get_the_defaults():
    """
    A policy in JSON says only what differs; null is absent.
    """
    policy = RetryPolicy.from_json({"max_attempts": 7, "delay": None})

    assert policy == RetryPolicy(max_attempts=7)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"max_attemps": 7}, "Did you mean 'max_attempts'"),
        ({"retry_on": []}, "'retry_on' is no member of a retry policy"),
        ({"delay": "1 second"}, "delay must be a number of seconds"),
    ],
)
def test_unknown_members_in_json_are_refused(data, problem):
    """
    Exception classes never leave Python, and misspelt members are recognised.
    """
    with pytest.raises(DefinitionError, match=problem):
        RetryPolicy.from_json(data)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"max_attempts": 0}, "max_attempts must be >= 1"),
        ({"max_attempts": -1}, "max_attempts must be >= 1"),
        ({"max_attempts": MAX_ATTEMPTS_LIMIT + 1}, "max_attempts must be >= 1 and at"),
        ({"max_attempts": 1.0}, "max_attempts must be an integer"),
        ({"max_attempts": True}, "max_attempts must be an integer"),
        ({"delay": -0.1}, "delay must be >= 0"),
        ({"delay": "1"}, "delay must be a number"),
        ({"delay": LONGEST * 2}, "delay must be at most"),
        ({"max_delay": -1}, "max_delay must be >= 0"),
        ({"max_delay": math.inf}, "max_delay must be a finite number"),
        ({"backoff": 0.99}, "backoff must be finite and >= 1"),
        ({"backoff": math.inf}, "backoff must be finite"),
        ({"backoff": math.nan}, "backoff must be finite"),
        ({"backoff": True}, "backoff must be a number"),
        ({"backoff": "2"}, "backoff must be a number"),
        ({"jitter": 1}, "jitter must be True or False"),
        ({"retry_on": "OSError"}, "retry_on must be exception classes"),
        ({"retry_on": [int]}, "retry_on must be exception classes, got <class 'int'>"),
        ({"retry_on": int}, "retry_on must be exception classes"),
        ({"give_up_on": [OSError()]}, "give_up_on must be exception classes"),
        ({"give_up_on": 5}, "give_up_on must be exception classes"),
    ],
)
def test_values_out_of_bounds_are_refused(given, problem):
    """
    The error names the member and its bound. (T 206)
    """
    with pytest.raises(DefinitionError, match=problem):
        RetryPolicy(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"max_attempts": 1},
        {"max_attempts": MAX_ATTEMPTS_LIMIT},
        {"delay": 0},
        {"delay": timedelta(hours=1)},
        {"max_delay": 0},
        {"backoff": 1},
        {"retry_on": ()},
        {"retry_on": OSError},
        {"retry_on": [OSError, ValueError]},
        {"give_up_on": {OSError}},
    ],
)
def test_values_at_the_bounds_are_accepted(given):
    """
    The bounds themselves are possible.
    """
    name = next(iter(given))

    policy = RetryPolicy(**given)

    assert getattr(policy, name) is not None


@pytest.mark.parametrize(
    ("given", "error", "retried"),
    [
        ({}, AppError(), True),
        ({}, KeyboardInterrupt(), False),
        ({"retry_on": [OSError]}, ConnectionError(), True),
        ({"retry_on": [OSError]}, AppError(), False),
        ({"retry_on": ()}, AppError(), False),
        ({"give_up_on": [HopelessError]}, HopelessError(), False),
        ({"give_up_on": [HopelessError]}, AppError(), True),
        (
            {"retry_on": [HopelessError], "give_up_on": [AppError]},
            HopelessError(),
            False,
        ),
        ({"retry_on": BaseException}, KeyboardInterrupt(), True),
    ],
)
def test_exception_classes_decide_about_another_attempt(given, error, retried):
    """
    An exception is tried again if `retry_on` has it and `give_up_on` has not.
    """
    assert RetryPolicy(**given).should_retry(error) is retried


def test_another_number_of_attempts_changes_nothing_else():
    """
    `with_max_attempts` keeps times and exception classes.
    """
    policy = RetryPolicy(delay=7, retry_on=[OSError], give_up_on=[AppError])

    changed = policy.with_max_attempts(9)

    assert changed == RetryPolicy(
        max_attempts=9, delay=7, retry_on=[OSError], give_up_on=[AppError]
    )
    assert policy.max_attempts == 3


def test_the_longest_policy_fits_into_the_database():
    """
    Attempts are counted by an integer of 32 bits.
    """
    assert MAX_ATTEMPTS_LIMIT == 2_147_483_647


def test_a_wait_without_a_draw_is_that_of_the_formula():
    """
    The middle of the jitter is no jitter.
    """
    assert seconds(RetryPolicy(delay=10, jitter=True).wait_after(1)) == 10


def test_a_policy_cannot_be_changed():
    """
    Policies are values, so that steps may share one.
    """
    policy = RetryPolicy()

    with pytest.raises(FrozenInstanceError):
        policy.max_attempts = 5
