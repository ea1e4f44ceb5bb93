"""differences: what changed between two versions, one line each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.difference import differences
from singularity_workflow.model.options import StepOptions

from .strategies import definitions


def options(**given):
    """Return step options that were written so."""
    return StepOptions.read(given)[0]


A = StepDefinition(name="a")
B = StepDefinition(name="b", depends_on=("a",))
M = StepDefinition(name="b", depends_on=("a",), kind=StepKind.MAP, over="a")
OLD = Definition(name="etl", steps=(A, B))


def with_second(step):
    """Return the old definition with another second step."""
    return Definition(name="etl", steps=(A, step))


@given(definitions())
def test_equal_shapes_have_no_differences(definition):
    """
    A definition differs from its normal form in nothing. (C 32)
    """
    assert differences(definition, definition.normalized()) == []


def test_options_are_no_difference():
    """
    What can be tuned while runs are under way is not structure. (C 43)
    """
    tuned = with_second(replace(B, options=options(timeout=9, max_attempts=9)))

    assert differences(OLD, tuned) == []


@pytest.mark.parametrize(
    ("new", "line"),
    [
        (Definition(name="etl", steps=(A,)), "number of steps: 2 → 1"),
        (with_second(replace(B, name="c")), "step 1: name 'b' → 'c'"),
        (
            with_second(replace(B, depends_on=())),
            """step 1 'b': dependencies ["a"] → []""",
        ),
        (
            with_second(replace(B, options=options(when={"ok": True}))),
            """step 1 'b': when none → {"ok":true}""",
        ),
        (
            with_second(replace(B, options=options(when_not="$.a"))),
            """step 1 'b': when_not none → "$.a\"""",
        ),
        (
            with_second(replace(B, options=options(on_unmet="fail"))),
            """step 1 'b': on_unmet "skip" → "fail\"""",
        ),
        (
            with_second(replace(B, options=options(on_failure="skip"))),
            """step 1 'b': on_failure "fail" → "skip\"""",
        ),
        (
            Definition(name="etl", steps=(A, B, replace(A, name="c"))),
            "number of steps: 2 → 3",
        ),
    ],
)
def test_each_difference_is_one_line(new, line):
    """
    A line says which step, what of it, and both values. (C 33, C 40)
    """
    assert differences(OLD, new) == [line]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ({"a": 1}, {"a": 2}, """when {"a":1} → {"a":2}"""),
        ({"a": 1}, None, """when {"a":1} → none"""),
        (len, sorted, 'when {"$predicate":"builtins.len"}'),
    ],
)
def test_a_changed_pattern_is_shown_before_and_after(old, new, line):
    """
    A pattern that appears, disappears or changes is one difference. (C 33)
    """
    before = with_second(replace(B, options=options(when=old)))
    after = with_second(replace(B, options=options(when=new)))

    lines = differences(before, after)

    assert len(lines) == 1
    assert line in lines[0]


def test_a_map_differs_from_a_single_step_in_kind_and_source():
    """
    Several differences of one step are several lines.
    """
    lines = differences(OLD, with_second(replace(M, initial_tasks=3)))

    assert lines == [
        """step 1 'b': kind "single" → "map\"""",
        """step 1 'b': over none → "a\"""",
        "step 1 'b': initial_tasks none → 3",
    ]


def test_another_name_is_the_only_line_of_a_number():
    """
    Where the names differ the rest belongs to another step.
    """
    lines = differences(OLD, with_second(replace(M, name="c")))

    assert lines == ["step 1: name 'b' → 'c'"]
