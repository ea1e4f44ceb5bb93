"""validate: every problem of a definition, each with its place and a way out."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singularity_workflow.model.definition import Definition, StepDefinition, StepKind
from singularity_workflow.model.validation import MAX_INITIAL_TASKS, MAX_STEPS, validate

from .strategies import definitions, names


def step(name, *depends_on, **rest):
    """Return a single step."""
    return StepDefinition(name=name, depends_on=depends_on, **rest)


def map_step(name, *depends_on, **rest):
    """Return a map step."""
    return step(name, *depends_on, kind=StepKind.MAP, **rest)


def workflow(*steps, name="etl"):
    """Return a definition of these steps."""
    return Definition(name=name, steps=steps)


def found(definition):
    """Return the code and the place of each issue."""
    return [(one.code, one.pointer) for one in validate(definition)]


@given(definitions())
def test_a_valid_definition_has_no_issues(definition):
    """
    Steps may stand in any order and depend on each other in any acyclic way.
    """
    assert validate(definition) == []


@pytest.mark.parametrize(
    ("definition", "issue"),
    [
        (workflow(), ("no_steps", "/steps")),
        (workflow(step("a"), name="e-t-l"), ("bad_name", "/name")),
        (workflow(step("a"), name="input"), ("bad_name", "/name")),
        (workflow(step("a"), name=None), ("bad_name", "/name")),
        (workflow(step("a"), step("b-c")), ("bad_name", "/steps/1/name")),
        (workflow(step("item")), ("bad_name", "/steps/0/name")),
        (workflow(step(None)), ("bad_name", "/steps/0/name")),
        (workflow(step(["a"])), ("bad_name", "/steps/0/name")),
        (workflow(step("a"), step("a")), ("duplicate_step", "/steps/1/name")),
        (workflow(step("a"), step("A")), ("case_twins", "/steps/1/name")),
        (workflow(step("a", "a")), ("self_dependency", "/steps/0/depends_on/0")),
        (
            workflow(step("a"), step("b", "a", "c")),
            ("unknown_dependency", "/steps/1/depends_on/1"),
        ),
        (
            workflow(step("a"), step("b", "A")),
            ("unknown_dependency", "/steps/1/depends_on/0"),
        ),
        (workflow(step("a", 5)), ("bad_dependency", "/steps/0/depends_on/0")),
        (workflow(step("a", ["b"])), ("bad_dependency", "/steps/0/depends_on/0")),
        (workflow(step("a", over="b")), ("map_only_option", "/steps/0/over")),
        (
            workflow(step("a", initial_tasks=0)),
            ("map_only_option", "/steps/0/initial_tasks"),
        ),
        (
            workflow(step("a"), step("b"), map_step("c", "a", "b")),
            ("over_missing", "/steps/2/over"),
        ),
        (
            workflow(step("a"), step("b"), map_step("c", "a", over="b")),
            ("over_unknown", "/steps/2/over"),
        ),
        (workflow(map_step("a", over=5)), ("over_unknown", "/steps/0/over")),
        (workflow(step("a", "b"), step("b", "a")), ("cycle", "/steps/0/depends_on")),
    ],
)
def test_each_rule_has_its_issue(definition, issue):
    """
    One mistake is one issue, with a code and the place of the mistake. (B 16, B 17)
    """
    assert found(definition) == [issue]


@pytest.mark.parametrize(
    "value", [-1, MAX_INITIAL_TASKS + 1, 1.0, True, "3", [], float("nan")]
)
def test_the_number_of_tasks_is_a_count(value):
    """
    `initial_tasks` is an integer from 0 to what the database can count.
    """
    definition = workflow(map_step("a", initial_tasks=value))

    assert found(definition) == [("bad_option", "/steps/0/initial_tasks")]


@pytest.mark.parametrize("value", [None, 0, 1, MAX_INITIAL_TASKS])
def test_a_map_may_have_no_tasks_at_all(value):
    """
    Zero tasks are as good a number as others.
    """
    definition = workflow(map_step("a", initial_tasks=value))

    assert found(definition) == []
    assert MAX_INITIAL_TASKS == 10**9 - 1


@pytest.mark.parametrize(
    "steps",
    [
        [map_step("m")],
        [step("a"), map_step("m", "a")],
        [step("a"), map_step("m", "a", "a")],
        [step("a"), map_step("m", "a", over="a")],
        [step("a"), step("b"), map_step("m", "a", "b", over="a")],
        [map_step("a"), map_step("m", "a")],
        [step("a"), step("b"), step("c"), step("m", "a", "b", "c")],
    ],
)
def test_maps_take_any_number_of_dependencies(steps):
    """
    A map has no source, one, or says which of several it is. (B 24)
    """
    assert found(workflow(*steps)) == []


def test_all_issues_are_found_at_once():
    """
    Every problem is reported, in the order of the steps, and cycles come last.
    """
    definition = workflow(
        step("x-y"),
        step("a", "b", "gone"),
        step("b", "a"),
        step("B", "B"),
        map_step("m", "a", "b"),
        step("o", over="a"),
        name="",
    )

    assert found(definition) == [
        ("bad_name", "/name"),
        ("bad_name", "/steps/0/name"),
        ("unknown_dependency", "/steps/1/depends_on/1"),
        ("case_twins", "/steps/3/name"),
        ("self_dependency", "/steps/3/depends_on/0"),
        ("over_missing", "/steps/4/over"),
        ("map_only_option", "/steps/5/over"),
        ("cycle", "/steps/1/depends_on"),
    ]


def test_a_third_step_of_a_name_is_a_duplicate_of_the_first():
    """
    Each step after the first of a name is an issue of its own. (B 15, T 205)
    """
    definition = workflow(step("a"), step("a"), step("a"))

    issues = validate(definition)

    assert [one.pointer for one in issues] == ["/steps/1/name", "/steps/2/name"]
    assert "there are two steps 'a'" in issues[0].message


def test_an_unknown_dependency_is_compared_with_the_other_steps():
    """
    The hint is the step that was probably meant, and never the step itself.
    """
    definition = workflow(step("fetch"), step("price", "fecth"), step("prize", "pries"))

    hints = [one.hint for one in validate(definition)]

    assert hints == ["Did you mean 'fetch'?", "Did you mean 'price'?"]


def test_a_cycle_is_shown_with_its_path():
    """
    The message goes round the circle once, back to where it began.
    """
    definition = workflow(step("start"), step("a", "c"), step("b", "a"), step("c", "b"))

    message = validate(definition)[0].message

    assert message.endswith("in a circle: a → c → b → a")


def test_a_long_cycle_is_shown_in_part():
    """
    Of a long circle the beginning and the end are shown, and the number between.
    """
    size = 1_000
    steps = [step(f"s{n}", f"s{(n + 1) % size}") for n in range(size)]

    message = validate(workflow(*steps))[0].message

    assert "s0 → s1 → " in message
    assert "→ s9 → (989 more) → s999 → s0" in message
    assert len(message) < 300


@pytest.mark.parametrize(("size", "is_cut"), [(11, False), (12, True)])
def test_a_cycle_of_a_dozen_names_is_shown_whole(size, is_cut):
    """
    Twelve names are read easily, more are not.
    """
    steps = [step(f"s{n}", f"s{(n + 1) % size}") for n in range(size)]

    message = validate(workflow(*steps))[0].message

    assert ("more)" in message) is is_cut


def test_every_separate_cycle_is_reported():
    """
    Two circles are two issues.
    """
    steps = [step("a", "b"), step("b", "a"), step("c", "d"), step("d", "c")]

    assert found(workflow(*steps)) == [
        ("cycle", "/steps/0/depends_on"),
        ("cycle", "/steps/2/depends_on"),
    ]


@given(definitions(), st.data())
def test_a_cycle_that_is_put_in_is_reported(definition, data):
    """
    Closing any path of a valid definition makes it invalid, and the path is real.
    """
    steps = list(definition.steps)
    first = data.draw(st.integers(0, len(steps) - 1))
    name = steps[first].name
    extra = StepDefinition(name=f"{name}_back", depends_on=(name,))
    steps[first] = step(name, *steps[first].depends_on, extra.name)
    broken = workflow(*steps, extra)

    issues = [one for one in validate(broken) if one.code == "cycle"]

    edges = {one.name: set(one.depends_on) for one in broken.steps}
    path = issues[0].message.rpartition(": ")[2].split(" → ")
    assert path[0] == path[-1]
    assert all(b in edges[a] for a, b in pairwise(path))


@given(names, names)
def test_two_names_are_one_if_only_case_differs(one, other):
    """
    Names are told apart by their letters, not by the case of these. (U 220)
    """
    same = one.lower() == other.lower()

    assert bool(validate(workflow(step(one), step(other)))) == same


def test_a_chain_of_ten_thousand_steps_is_validated_quickly():
    """
    Validation is linear and needs no recursion.
    """
    chain = [step(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(10_000)]
    definition = workflow(*chain)
    start = time.perf_counter()

    issues = validate(definition)

    assert issues == []
    assert time.perf_counter() - start < 5


def test_ten_thousand_misspelt_names_are_reported_quickly():
    """
    Suggestions are made for the first unknown names only.
    """
    steps = [step(f"step_{n}", f"stpe_{n}") for n in range(10_000)]
    start = time.perf_counter()

    issues = validate(workflow(*steps))

    assert len(issues) == 10_000
    assert issues[0].hint is not None
    assert issues[-1].hint is None
    assert time.perf_counter() - start < 5


def test_more_steps_than_a_smallint_counts_are_refused():
    """
    The number of steps is bounded by the type of the step number.
    """
    steps = [step(f"s{n}") for n in range(MAX_STEPS + 1)]

    assert MAX_STEPS == 2**15 - 1
    assert found(workflow(*steps[:-1])) == []
    assert found(workflow(*steps)) == [("too_many_steps", "/steps")]


def test_the_sources_of_a_map_are_listed_in_the_hint():
    """
    A map that does not say what it maps over is shown its dependencies. (B 24)
    """
    definition = workflow(step("a"), step("b"), map_step("m", "b", "a", "b"))

    issue = validate(definition)[0]

    assert issue.hint == "Set over to one of 'b', 'a'."


@pytest.mark.parametrize(("count", "is_cut"), [(12, False), (13, True)])
def test_a_dozen_sources_of_a_map_are_listed(count, is_cut):
    """
    Of many dependencies only the first ones are shown.
    """
    steps = [step(f"s{n}") for n in range(count)]
    definition = workflow(*steps, map_step("m", *(one.name for one in steps)))

    hint = validate(definition)[0].hint

    assert hint.endswith("'s11' and 1 more.") is is_cut
    assert hint.endswith("'s11'.") is not is_cut


def test_dependencies_of_any_kind_can_be_listed():
    """
    Dependencies that are no names are reported, not tripped over.
    """
    definition = workflow(map_step("m", ["a"], {"b": 1}))

    assert found(definition) == [
        ("bad_dependency", "/steps/0/depends_on/0"),
        ("bad_dependency", "/steps/0/depends_on/1"),
        ("over_missing", "/steps/0/over"),
    ]
