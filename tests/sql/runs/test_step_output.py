"""singularity_workflow.step_output: what one step of a run has given."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from fixtures.definitions import map_step, single


def test_a_completed_step_has_one(db):
    """
    Also one that is not final, and of a map the array.
    """
    run = db.start(db.make_workflow(single("a"), map_step("m", "a"), single("z", "m")))
    db.work(a=[1, 2], m="M", z=None)

    found = [db.call("step_output", run.id, name) for name in ("a", "m", "z")]

    assert found == [[1, 2], ["M", "M"], None]


def test_without_one_it_is_null(db):
    """
    The step has not completed, was skipped, or is not there.
    """
    run = db.start(db.make_workflow(single("a"), single("s", when={"never": 1})))

    found = [db.call("step_output", run.id, name) for name in ("a", "s", "x")]

    assert found == [None, None, None]


def test_a_run_that_does_not_exist_is_an_error(db):
    """
    Null would mean that there is one.
    """
    with pytest.raises(psycopg.Error) as caught:
        db.call("step_output", uuid4(), "a")

    assert caught.value.sqlstate == "SW405"
