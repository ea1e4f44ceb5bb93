"""match_functions: who is missing, and who is one too many."""

from __future__ import annotations

from singularity_workflow.model.definition import Definition, StepDefinition
from singularity_workflow.model.matching import match_functions


def workflow(*names):
    """Return a workflow of steps with these names."""
    steps = tuple(StepDefinition(name=name) for name in names)
    return Definition(name="etl", steps=steps)


def found(names, functions):
    """Return code, place and hint of each issue."""
    return [
        (one.code, one.pointer, one.hint)
        for one in match_functions(workflow(*names), functions)
    ]


def test_a_function_for_each_step_is_right():
    """
    In whatever order.
    """
    assert found("ab", {"b": print, "a": len}) == []


def test_missing_and_surplus_functions_are_told_together():
    """
    A misspelt name is both, and each hint is the other one.
    """
    assert found(["fetch", "price"], {"fecth": print, "price": print}) == [
        ("missing_function", "/steps/0", "Did you mean 'fecth'?"),
        ("surplus_function", "/step_functions/fecth", "Did you mean 'fetch'?"),
    ]


def test_a_missing_function_says_how_to_give_it():
    """
    Where no name is near.
    """
    assert found(["fetch"], {}) == [
        ("missing_function", "/steps/0", "Add step_functions['fetch']."),
    ]


def test_something_that_is_no_function_is_refused():
    """
    None and text cannot be called.
    """
    assert [one[0] for one in found("ab", {"a": None, "b": "print"})] == [
        "bad_function"
    ] * 2


def test_keys_of_any_kind_are_surplus():
    """
    A key that is no text is the name of no step.
    """
    assert [one[0] for one in found("a", {"a": print, 5: print})] == [
        "surplus_function"
    ]


def test_many_are_told_without_hints():
    """
    Suggestions are made for the first ones only.
    """
    issues = found(
        [f"step_{n}" for n in range(3_000)], {f"stpe_{n}": print for n in range(3_000)}
    )

    assert len(issues) == 6_000
    assert issues[0][2].startswith("Did you mean")
