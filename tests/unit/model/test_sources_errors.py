"""What is no list of steps is refused, with all that is wrong with it."""

from __future__ import annotations

from types import ModuleType

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.workflow import Workflow


def fetch(input):
    return [1, 2]


STEPS = [("fetch", fetch), ("price", lambda fetch: 1), ("total", lambda price: 1)]


def module(name="app.flows.etl", **members):
    """Return a module that lists the steps."""
    made = ModuleType(name)
    vars(made).update({"__workflow_steps__": lambda: STEPS, **members})
    return made


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "'NoneType' has no __workflow_steps__ method and is no workflow"),
        ("etl", "'str' has no __workflow_steps__ method"),
        (fetch, "'fetch' has no __workflow_steps__ method"),
        (lambda: 1, "'<lambda>' has no __workflow_steps__ method"),
        (ModuleType("empty"), "'empty' has no __workflow_steps__ method"),
        (module(__workflow_steps__=STEPS), "'etl' has no __workflow_steps__ method"),
        (
            module(__workflow_steps__=lambda: None),
            "must return a list of tuples, got N",
        ),
        (
            module(__workflow_steps__=lambda: "ab"),
            "must return a list of tuples, got s",
        ),
        (module(__workflow_steps__=lambda: {"a": fetch}), "must return a list of tup"),
        (
            module(__workflow_steps__=lambda: [fetch]),
            r"entry 0 .* must be \(name, func",
        ),
        (module(__workflow_steps__=lambda: [STEPS[0], ("a",)]), "entry 1 of"),
        (module(__workflow_steps__=lambda: [("a", fetch, {}, 1)]), "entry 0 of"),
        (module(__workflow_steps__=lambda: ["ab"]), "entry 0 of"),
        (
            module(__workflow_steps__=lambda: [("a", 5)]),
            "step 'a' of 'etl' has 5 where",
        ),
        (
            module(__workflow_steps__=lambda: [("a", fetch, ["b"])]),
            "options of step 'a' of 'etl' must be a mapping",
        ),
        (module("a-b"), "'a-b' must be letters"),
        (module(__workflow_name__=""), "must not be empty"),
        (module(__workflow_name__="input"), "is reserved"),
    ],
)
def test_what_is_no_list_of_steps_is_refused(source, problem):
    """
    The error names the object and what it should have been.
    """
    with pytest.raises(DefinitionError, match=problem):
        Workflow.from_object(source)


def test_a_class_that_cannot_be_made_without_arguments_is_refused():
    """
    A class whose steps need a `self` is made without arguments, or given as instance.
    """

    class Needy:
        def __init__(self, pool):
            self.pool = pool

        def __workflow_steps__(self):
            return STEPS

    with pytest.raises(
        DefinitionError, match="'Needy' cannot be made without arg"
    ) as c:
        Workflow.from_object(Needy)

    assert c.value.hint == "Pass an instance instead of the class."
    assert len(Workflow.from_object(Needy(5)).steps) == 3


def test_the_problems_of_all_entries_are_found_at_once():
    """
    One error lists every entry that is wrong, with its own place.
    """
    source = module(
        __workflow_steps__=lambda: [
            ("a-b", fetch),
            ("good", fetch),
            ("good", fetch),
            ("slow", fetch, {"timeout": 0, "colour": "red"}),
            ("odd", fetch, {"depends_on": [5]}),
            (7, fetch),
        ]
    )

    with pytest.raises(DefinitionError) as caught:
        Workflow.from_object(source)

    assert [(one.code, one.pointer) for one in caught.value.issues] == [
        ("bad_name", "/steps/0/name"),
        ("duplicate_step", "/steps/2/name"),
        ("bad_option", "/steps/3/options/timeout"),
        ("unknown_option", "/steps/3/options/colour"),
        ("bad_dependency", "/steps/4"),
        ("bad_name", "/steps/5/name"),
    ]
