"""Names of workflows and steps: which are possible, and which was meant."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.names import (
    RESERVED_NAMES,
    did_you_mean,
    name_issue,
    name_problem,
)

from .strategies import names


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "fetch",
        "_",
        "_x",
        "Fetch",
        "camelCase",
        "step_1",
        "a1",
        "x" * 128,
        "inputs",
    ],
)
def test_accepts_letters_digits_and_underscores(name):
    """
    A name is letters, digits and underscores, at most 128, no digit first. (A 8)
    """
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (None, "must be a string, got NoneType"),
        (5, "must be a string, got int"),
        (b"a", "must be a string, got bytes"),
        ("", "must not be empty"),
        ("x" * 129, "has 129 characters, at most 128 are possible"),
        ("a-b", "must be letters, digits and underscores"),
        ("a b", "must be letters, digits and underscores"),
        (" a", "must be letters, digits and underscores"),
        ("a\n", "must be letters, digits and underscores"),
        ("1a", "not start with a digit"),
        ("a.b", "must be letters, digits and underscores"),
        ("größe", "must be letters, digits and underscores"),
        ("a\uff11", "must be letters, digits and underscores"),
        ("<lambda>", "must be letters, digits and underscores"),
    ],
)
def test_refuses_all_other_names(name, problem):
    """
    The message says which rule the name breaks. (A 8)
    """
    assert problem in name_problem(name)


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "Input", "CTX"])
def test_reserved_names_are_refused_in_any_case(name):
    """
    Parameter names with a meaning of their own name no step. (A 8)
    """
    assert name_problem(name) == "is reserved for a parameter"


def test_the_reserved_names_are_these():
    """
    There are five parameters with a meaning of their own.
    """
    assert {"input", "run_input", "ctx", "item", "index"} == RESERVED_NAMES


def test_queues_may_have_reserved_names():
    """
    A queue is no parameter, so that `input` is as good a name as others.
    """
    assert name_problem("input", allow_reserved=True) is None


@given(names)
def test_accepts_every_name_that_follows_the_rule(name):
    """
    There are no exceptions but the reserved names.
    """
    assert name_problem(name) is None


@given(st.text(max_size=10))
def test_accepts_no_name_that_does_not(name):
    """
    A name is accepted only if the pattern of the specification matches it whole.
    """
    fits = re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) is not None

    assert (name_problem(name, allow_reserved=True) is None) == fits


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("fetch-order", "fetch_order"),
        ("  a b ", "a_b"),
        ("2nd", "_2nd"),
        ("input", "input_step"),
        ("-input-", "input_step"),
        ("x" * 200, "x" * 128),
        ("1" * 200, "_" + "1" * 127),
        ("--", None),
        ("größe", "gr_e"),
        (5, None),
    ],
)
def test_suggests_a_name_that_would_do(name, better):
    """
    The hint is a name that is possible and as near as can be.
    """
    hint = name_issue(name, "step", "/name").hint

    assert hint == (f"{better!r} would do." if better else None)
    assert better is None or name_problem(better) is None


def test_a_very_long_name_is_shown_in_part():
    """
    An error message does not grow with the name that it complains about.
    """
    issue = name_issue("x" * 10_000, "step", "/steps/3/name")

    assert len(issue.message) < 200
    assert issue.pointer == "/steps/3/name"
    assert issue.code == "bad_name"


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("fecth", ["fetch", "price"], "fetch"),
        ("FETCH", ["price", "fetch"], "fetch"),
        ("tmeout", ["timeout", "queue"], "timeout"),
        ("wholly_other", ["fetch", "price"], None),
        ("abcdefgh", ["abcde"], "abcde"),
        ("abcdefghi", ["abcde"], None),
        ("zebra_l", [*(f"horse_{n}" for n in range(5_000)), "zebra_1"], "zebra_1"),
        ("", ["fetch"], None),
        ("fetch", [], None),
        ("step_77", [f"step_{number}" for number in range(5_000)], "step_77"),
    ],
)
def test_finds_the_nearest_name(word, known, meant):
    """
    A misspelt name is recognised, whatever its case and however many names there are.
    """
    hint = did_you_mean(word, known)

    assert hint == (f"Did you mean {meant!r}?" if meant else None)
