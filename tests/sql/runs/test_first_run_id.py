"""singularity_workflow.first_run_id: the smallest run id of a moment."""

from __future__ import annotations

import pytest


def test_ids_made_before_are_smaller_and_later_ones_are_not(db):
    """
    The time is the first part of an id.
    """
    first, ours, later = db.row(
        "select singularity_workflow.first_run_id(clock_timestamp()) as first,"
        " singularity_workflow.new_run_id(),"
        " singularity_workflow.first_run_id("
        "clock_timestamp() + interval '1 s') as later"
    )

    assert first <= ours < later
    assert (first.version, later.version) == (7, 7)


@pytest.mark.parametrize("moment", ["-infinity", "1960-01-01", "1970-01-01"])
def test_before_the_epoch_is_the_smallest_of_all(db, moment):
    """
    No id can be older.
    """
    found = db.call("first_run_id", moment)

    assert str(found) == "00000000-0000-7000-8000-000000000000"


def test_no_moment_has_no_id(db):
    """
    The filter was not given.
    """
    assert db.call("first_run_id", None) is None
