"""Signals: what a step raises to say what becomes of its task."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from singularity_workflow.model.signals import Fail, Retry, Signal, Skip


@pytest.mark.parametrize("signal", [Retry, Fail, Skip])
def test_a_signal_is_an_exception_but_no_error_of_the_library(signal):
    """
    A step that catches `Signal` catches all three, and nothing else.
    """
    assert issubclass(signal, Signal)
    assert Signal.__bases__ == (Exception,)


@pytest.mark.parametrize("signal", [Fail, Skip])
def test_a_signal_has_a_reason(signal):
    """
    The reason is the text of the exception; there need not be one.
    """
    assert (signal("because").reason, str(signal("because"))) == ("because", "because")
    assert (signal().reason, str(signal())) == (None, "")


@pytest.mark.parametrize(
    ("after", "duration"),
    [
        (None, None),
        (0, timedelta(0)),
        (1.5, timedelta(seconds=1.5)),
        (timedelta(hours=1), timedelta(hours=1)),
    ],
)
def test_retry_may_say_when(after, duration):
    """
    Without a time the step's policy decides.
    """
    signal = Retry(after, reason="busy")

    assert signal.after == duration
    assert str(signal) == "busy"


@pytest.mark.parametrize("after", [-1, "soon", float("nan"), True])
def test_retry_refuses_what_is_no_length_of_time(after):
    """
    A mistake in the signal is an error of the step, with the reason in it.
    """
    with pytest.raises(ValueError, match="Retry: after must be"):
        Retry(after)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, lambda s: pickle.loads(pickle.dumps(s))]
)
@pytest.mark.parametrize(
    "signal",
    [
        Retry(),
        Retry(5),
        Retry(after=5, reason="a"),
        Fail(),
        Fail("a"),
        Skip(),
        Skip("a"),
    ],
)
def test_a_signal_survives_pickling(signal, duplicate):
    """
    Signals come out of process pools as they went in.
    """
    again = duplicate(signal)

    assert type(again) is type(signal)
    assert vars(again) == vars(signal)
    assert str(again) == str(signal)
