"""singularity_workflow.create_flow: a draft is opened, once."""

from __future__ import annotations

import pytest
from fixtures.definitions import single

from sql.flows.support import BAD_NAMES, GOOD_NAMES, Flow


def test_a_draft_is_opened(db):
    """
    It is stored with its options and the time, without steps (A 1, A 9).
    """
    answer = db.call("create_flow", "etl", {"max_attempts": 5})

    found = db.call("read_flow", "etl")
    assert answer == {"name": "etl", "outcome": "created"}
    assert (found["options"], found["steps"]) == ({"max_attempts": 5}, [])
    assert (found["version"], found["workflow_id"]) == (None, None)
    assert found["created_at"]


def test_a_later_draft_has_a_later_time(db):
    """
    The time is that of the call (A 9).
    """
    first, second = Flow(db, "a").read(), Flow(db, "b").read()

    assert first["created_at"] < second["created_at"]


def test_ten_workflows_make_no_table_and_no_queue(db):
    """
    All drafts are rows of the same tables (A 1).
    """
    count = "select count(*) from pg_class where relkind in ('r', 'i', 'S')"
    before = db.value(count)

    for number in range(10):
        flow = Flow(db, f"flow_{number}")
        flow.add("a")
        flow.freeze()

    assert db.value(count) == before


def test_a_name_that_exists_is_left_as_it_is(db):
    """
    Its options stay, and it is no error (A 2).
    """
    Flow(db, "etl", max_attempts=5)

    answer = db.call("create_flow", "etl", {"max_attempts": 7})

    assert answer["outcome"] == "existing"
    assert db.call("read_flow", "etl")["options"] == {"max_attempts": 5}


def test_a_name_that_was_registered_is_left_as_it_is(db):
    """
    No draft of a workflow is opened that has versions (A 2).
    """
    db.make_workflow(single("a"), name="etl")

    answer = db.call("create_flow", "etl")

    assert answer["outcome"] == "existing"
    assert db.count("flow_drafts") == 0


@pytest.mark.parametrize("options", [None, {}])
def test_options_that_are_null_are_none(db, options):
    """
    Null is "not given" (A 5).
    """
    db.call("create_flow", "etl", options)

    assert db.call("read_flow", "etl")["options"] == {}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused(db, name):
    """
    With the place, and how to mend it; nothing is stored (A 7, A 8).
    """
    with db.raises("SW400") as caught:
        db.call("create_flow", name)

    assert caught.value.diag.message_detail == "/name"
    assert "letters" in caught.value.diag.message_hint
    assert db.count("flow_drafts") == 0


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_taken(db, name):
    """
    Single words, underscores, digits behind the first, mixed case (A 8).
    """
    assert db.call("create_flow", name)["name"] == name


@pytest.mark.parametrize("is_version", [False, True])
def test_a_name_that_differs_by_case_only_is_refused(db, is_version):
    """
    From a draft's or from a version's (U 220).
    """
    if is_version:
        db.make_workflow(single("a"), name="Etl")
    else:
        Flow(db, "Etl")

    with db.raises("SW400") as caught:
        db.call("create_flow", "etl")

    assert "Etl" in caught.value.diag.message_primary


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"max_attempts": 0}, "/options/max_attempts"),
        ({"timeout": 0}, "/options/timeout"),
        ({"retry": {"delay": -1}}, "/options/retry/delay"),
        ({"retry": {"backoff": 0.5}}, "/options/retry/backoff"),
        ({"on_failure": "maybe"}, "/options/on_failure"),
        (5, "/options"),
    ],
)
def test_bad_options_are_refused(db, options, pointer):
    """
    With the place (T 206).
    """
    with db.raises("SW400") as caught:
        db.call("create_flow", "etl", options)

    assert caught.value.diag.message_detail == pointer
    assert db.count("flow_drafts") == 0
