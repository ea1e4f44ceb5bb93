"""Options of steps and workflows: bounds, inheritance, defaults."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from singularity_workflow.model.conditions import Predicate
from singularity_workflow.model.options import (
    StepOptions,
    WorkflowOptions,
    effective_options,
    effective_retry,
    option_docs,
)
from singularity_workflow.model.retry import MAX_ATTEMPTS_LIMIT, RetryPolicy

from .strategies import step_options, workflow_options

NONE = (StepOptions(), WorkflowOptions())


def step(**given):
    """Return step options that were written so."""
    options, issues = StepOptions.read(given)
    assert not issues
    return options


def workflow(**given):
    """Return workflow options that were written so."""
    options, issues = WorkflowOptions.read(given)
    assert not issues
    return options


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("max_attempts", 1, 1),
        ("max_attempts", MAX_ATTEMPTS_LIMIT, MAX_ATTEMPTS_LIMIT),
        ("retry", RetryPolicy(delay=5), RetryPolicy(delay=5)),
        ("retry", {"delay": 5}, RetryPolicy(delay=5)),
        ("timeout", 0.5, timedelta(seconds=0.5)),
        ("timeout", timedelta(hours=1), timedelta(hours=1)),
        ("queue", "fast", "fast"),
        ("queue", "Fast_2", "fast_2"),
        ("queue", "input", "input"),
        ("queue_timeout", 5, timedelta(seconds=5)),
        ("max_lost", 1, 1),
        ("executor", "process", "process"),
        ("executor", "My_Pool", "My_Pool"),
        ("executor", "input", "input"),
        ("priority", -1000, -1000),
        ("priority", 1000, 1000),
        ("on_failure", "fail", "fail"),
        ("on_failure", "skip", "skip"),
        ("on_unmet", "skip_cascade", "skip_cascade"),
        ("start_delay", 0, timedelta(0)),
        ("start_delay", 90, timedelta(seconds=90)),
        ("when", {"a": [1]}, {"a": [1]}),
        ("when_not", "$.a == 1", "$.a == 1"),
        ("when", len, Predicate("builtins.len")),
    ],
)
def test_a_possible_value_is_read(name, value, read):
    """
    Each option is stored as its type. (B 21, B 22, B 27)
    """
    options = step(**{name: value})

    assert getattr(options, name) == read


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("max_attempts", 0, "must be from 1 to"),
        ("max_attempts", MAX_ATTEMPTS_LIMIT + 1, "must be from 1 to"),
        ("max_attempts", 2.5, "must be an integer"),
        ("max_attempts", True, "must be an integer"),
        ("max_attempts", "3", "must be an integer"),
        ("retry", 3, "must be a RetryPolicy, got 3"),
        ("retry", {"delay": -1}, "is not possible: delay must be >= 0"),
        ("retry", {"dealy": 1}, "is not possible: 'dealy' is no member"),
        ("timeout", 0, "must be > 0 seconds"),
        ("timeout", -1, "must be > 0 seconds"),
        ("timeout", "1m", "must be a number of seconds or a timedelta"),
        ("start_delay", -0.001, "must be >= 0 seconds"),
        ("queue", "", "must not be empty"),
        ("queue", "a-b", "must be letters"),
        ("queue", "x" * 129, "has 129 characters"),
        ("queue", 5, "must be a string"),
        ("queue_timeout", 0, "must be > 0 seconds"),
        ("max_lost", 0, "must be from 1 to"),
        ("executor", "a-b", "must be letters"),
        ("executor", 5, "must be a string"),
        ("priority", 1001, "must be from -1000 to 1000"),
        ("priority", -1001, "must be from -1000 to 1000"),
        ("priority", 1.5, "must be an integer"),
        ("priority", False, "must be an integer"),
        ("on_failure", "ignore", "must be one of fail, skip, skip_cascade"),
        ("on_failure", True, "must be one of fail, skip, skip_cascade"),
        ("on_unmet", ["skip"], "must be one of fail, skip, skip_cascade"),
        ("when", [1], "must be a mapping"),
        ("when_not", 5, "must be a mapping"),
    ],
)
def test_an_impossible_value_is_an_issue(name, value, problem):
    """
    The issue names the option, the rule and the place. (B 22, B 27, T 206)
    """
    options, issues = StepOptions.read({name: value}, pointer="/steps/3/options")

    assert [(one.code, one.pointer) for one in issues] == [
        ("bad_option", f"/steps/3/options/{name}")
    ]
    assert issues[0].message.startswith(f"{name} ")
    assert problem in issues[0].message
    assert options == StepOptions()


@pytest.mark.parametrize("value", [0, -1, "1h"])
def test_the_deadline_is_a_positive_time(value):
    """
    A run that may take no time at all cannot be meant.
    """
    options, issues = WorkflowOptions.read({"deadline": value})

    assert [one.pointer for one in issues] == ["/options/deadline"]
    assert options.deadline is None
    assert workflow(deadline=60).deadline == timedelta(minutes=1)


@pytest.mark.parametrize("kind", [StepOptions, WorkflowOptions])
def test_attempts_and_a_policy_exclude_each_other(kind):
    """
    `max_attempts` is short for a policy, so that both together are an issue.
    """
    _, issues = kind.read({"max_attempts": 3, "retry": RetryPolicy()})

    assert [one.message for one in issues] == ["max_attempts and retry are both given"]


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        (StepOptions, "timout", "Did you mean 'timeout'?"),
        (StepOptions, "over", "It is an option of map steps."),
        (StepOptions, "initial_tasks", "It is an option of map steps."),
        (StepOptions, "deadline", "It is an option of the workflow."),
        (WorkflowOptions, "start_delay", "It is an option of steps."),
        (WorkflowOptions, "when", "It is an option of steps."),
        (WorkflowOptions, "quue", "Did you mean 'queue'?"),
    ],
)
def test_an_unknown_option_is_an_issue_with_a_hint(kind, name, hint):
    """
    The hint is the option that was meant, or whose option it is.
    """
    _, issues = kind.read({name: 1})

    assert [(one.code, one.hint) for one in issues] == [("unknown_option", hint)]


def test_an_unknown_option_like_no_other_lists_all():
    """
    Without a near name the hint lists what there is.
    """
    _, issues = StepOptions.read({"colour": "red"})

    assert issues[0].hint.startswith("The options are max_attempts, retry, timeout,")


def test_every_problem_of_a_set_of_options_is_found():
    """
    Reading goes on after the first issue, and keeps the options that are good.
    """
    options, issues = StepOptions.read(
        {"timeout": 0, "queue": "fast", "priority": "high", "foo": 1}
    )

    assert [one.pointer for one in issues] == [
        "/options/timeout",
        "/options/priority",
        "/options/foo",
    ]
    assert options == StepOptions(queue="fast")


def test_an_explicit_none_is_not_given():
    """
    None means "as inherited", for every option. (A 5)
    """
    assert step(**dict.fromkeys(option_docs(StepOptions))) == StepOptions()


def test_the_defaults_hold_where_nothing_is_given():
    """
    Without any option there are three attempts on the queue `default`.
    """
    options = effective_options(*NONE)

    assert options == StepOptions(
        max_attempts=3,
        retry=RetryPolicy(),
        timeout=None,
        queue="default",
        priority=0,
        on_failure="fail",
        on_unmet="skip",
        start_delay=timedelta(0),
        when=None,
        when_not=None,
    )


@pytest.mark.parametrize(
    ("name", "own", "common"),
    [
        ("timeout", 5, 9),
        ("queue", "own", "common"),
        ("priority", 5, 9),
        ("queue_timeout", 5, 9),
        ("max_lost", 5, 9),
        ("executor", "own", "common"),
        ("on_failure", "skip", "skip_cascade"),
        ("on_unmet", "fail", "skip_cascade"),
    ],
)
def test_a_step_inherits_what_it_does_not_say(name, own, common):
    """
    The workflow's options are defaults of its steps; only what is given differs. (A 6)
    """
    given, inherited = step(**{name: own}), workflow(**{name: common})

    overridden = effective_options(given, inherited)
    filled = effective_options(StepOptions(), inherited)

    assert getattr(overridden, name) == getattr(given, name)
    assert getattr(filled, name) == getattr(inherited, name)


def test_a_step_may_go_back_to_zero():
    """
    A priority of 0 is given, not absent.
    """
    options = effective_options(step(priority=0), workflow(priority=9))

    assert options.priority == 0


@pytest.mark.parametrize(
    ("own", "common", "policy"),
    [
        ({}, {}, RetryPolicy()),
        ({"max_attempts": 5}, {}, RetryPolicy(max_attempts=5)),
        ({}, {"max_attempts": 5}, RetryPolicy(max_attempts=5)),
        ({"max_attempts": 1}, {"max_attempts": 5}, RetryPolicy(max_attempts=1)),
        ({"retry": RetryPolicy(delay=7)}, {}, RetryPolicy(delay=7)),
        ({}, {"retry": RetryPolicy(delay=7)}, RetryPolicy(delay=7)),
        (
            {"retry": RetryPolicy(delay=7)},
            {"retry": RetryPolicy(delay=9)},
            RetryPolicy(delay=7),
        ),
        ({"retry": RetryPolicy(delay=7)}, {"max_attempts": 9}, RetryPolicy(delay=7)),
        (
            {"max_attempts": 2},
            {"retry": RetryPolicy(delay=9)},
            RetryPolicy(max_attempts=2, delay=9),
        ),
    ],
)
def test_the_nearest_policy_holds(own, common, policy):
    """
    A nearer `max_attempts` changes the attempts of a policy and nothing else. (K 130)
    """
    options = effective_options(step(**own), workflow(**common))

    assert effective_retry(step(**own), workflow(**common)) == policy
    assert (options.retry, options.max_attempts) == (policy, policy.max_attempts)


def test_exception_classes_are_inherited_with_the_policy():
    """
    A step that only says how often keeps which failures of its workflow's policy.
    """
    common = workflow(retry=RetryPolicy(give_up_on=[OSError]))

    policy = effective_retry(step(max_attempts=9), common)

    assert policy == RetryPolicy(max_attempts=9, give_up_on=[OSError])


@given(step_options)
def test_step_options_survive_json(options):
    """
    What `to_json` writes, `read` reads back as the same options.
    """
    assert StepOptions.read(options.to_json()) == (options, [])


def test_a_predicate_is_written_by_its_name():
    """
    The options of a step are JSON, whatever its conditions are.
    """
    options = step(when=len, when_not={"a": 1})

    assert options.to_json() == {
        "when": {"$predicate": "builtins.len"},
        "when_not": {"a": 1},
    }


@given(workflow_options)
def test_workflow_options_survive_json(options):
    """
    The same holds for the workflow's options.
    """
    assert WorkflowOptions.read(options.to_json()) == (options, [])


@pytest.mark.parametrize("kind", [StepOptions, WorkflowOptions])
def test_every_option_is_described(kind):
    """
    The reference is generated from the descriptions, so that none may be missing.
    """
    docs = option_docs(kind)

    assert docs.keys() == set(kind.__dataclass_fields__)
    assert all(text.endswith(".") for text in docs.values())
