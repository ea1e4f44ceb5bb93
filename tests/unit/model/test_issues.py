"""Issues: problems as data, and the one error that lists them."""

from __future__ import annotations

import pytest

from singularity_workflow.errors import DefinitionError
from singularity_workflow.model.issues import (
    Issue,
    IssueCollector,
    json_pointer,
    raise_issues,
)

FIRST = Issue(code="one", pointer="/steps/0", message="first", hint="Do this.")
SECOND = Issue(code="two", pointer="/steps/1", message="second", location="flow.py:9")
WHOLE = Issue(code="all", pointer="", message="third")


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [((), ""), (("steps", 3, "name"), "/steps/3/name"), (("a/b", "c~d"), "/a~1b/c~0d")],
)
def test_pointers_are_escaped(parts, pointer):
    """
    A pointer follows RFC 6901.
    """
    assert json_pointer(*parts) == pointer


@pytest.mark.parametrize(
    ("issue", "text"),
    [
        (FIRST, "first (/steps/0). Do this."),
        (SECOND, "second (flow.py:9)"),
        (WHOLE, "third"),
    ],
)
def test_an_issue_says_where_it_is(issue, text):
    """
    The place is in the source if there is one, else in the definition.
    """
    assert str(issue) == text


def test_no_issues_raise_nothing():
    """
    A definition without problems passes.
    """
    raise_issues("etl", [])


def test_one_issue_is_the_message():
    """
    The only problem is told in one line, with its hint.
    """
    with pytest.raises(DefinitionError) as caught:
        raise_issues("etl", [FIRST])

    assert caught.value.message == "workflow 'etl': first (/steps/0)"
    assert caught.value.hint == "Do this."
    assert caught.value.issues == (FIRST,)


def test_several_issues_are_listed():
    """
    Every problem is a line of the message and a member of `issues`.
    """
    with pytest.raises(DefinitionError) as caught:
        raise_issues("etl", iter([FIRST, SECOND, WHOLE]))

    assert str(caught.value).splitlines() == [
        "workflow 'etl' has 3 problems:",
        "  - first (/steps/0). Do this.",
        "  - second (flow.py:9)",
        "  - third",
    ]
    assert caught.value.issues == (FIRST, SECOND, WHOLE)


def test_a_collector_gives_its_place_to_issues_that_have_none():
    """
    An issue keeps its own location and gets the step's otherwise.
    """
    found = IssueCollector("/steps/0", "flow.py:1")

    found.add(FIRST, None, SECOND)

    assert [one.location for one in found.issues] == ["flow.py:1", "flow.py:9"]


def test_a_collector_returns_what_was_made():
    """
    Without an error nothing is collected.
    """
    found = IssueCollector("/steps/0")

    made = found.catch(lambda: 5, "code")

    assert made == 5
    assert found.issues == []


def test_a_collector_keeps_the_issues_of_an_error():
    """
    An error with issues gives those; one without becomes an issue itself.
    """

    def fail():
        raise_issues("etl", [FIRST, SECOND])

    def refuse():
        raise DefinitionError("no", hint="Try yes.")

    found = IssueCollector("/steps/5")

    assert found.catch(fail, "code") is None
    assert found.catch(refuse, "code") is None

    own = Issue(code="code", pointer="/steps/5", message="no", hint="Try yes.")
    assert found.issues == [FIRST, SECOND, own]
