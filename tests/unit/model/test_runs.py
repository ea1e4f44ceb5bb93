"""The statuses of runs, steps and tasks, and pages of lists."""

from __future__ import annotations

import pytest

from singularity_workflow.model.runs import Page
from singularity_workflow.model.statuses import (
    RunStatus,
    StepStatus,
    TaskStatus,
    WaitReason,
)


@pytest.mark.parametrize(
    ("kind", "names", "ended"),
    [
        (
            RunStatus,
            "pending started paused completed failed cancelled",
            "completed failed cancelled",
        ),
        (
            StepStatus,
            "created started completed failed skipped cancelled",
            "completed failed skipped cancelled",
        ),
        (
            TaskStatus,
            "waiting queued started completed failed skipped cancelled",
            "completed failed skipped cancelled",
        ),
    ],
)
def test_statuses_are_those_of_the_specification(kind, names, ended):
    """
    A status is the text that the database stores, and knows whether it is the last.
    """
    assert " ".join(kind) == names
    assert " ".join(one for one in kind if one.is_final) == ended


def test_a_task_waits_for_one_of_seven_reasons():
    """
    The reasons are those of the specification.
    """
    assert list(WaitReason) == [
        "delay",
        "retry",
        "paused",
        "limit",
        "unserved",
        "map_window",
        "child",
    ]


def test_a_page_is_iterable():
    """
    A page can be read like the list that it has a part of.
    """
    page = Page([1, 2, 3], next_cursor="abc")

    assert list(page) == page.items == [1, 2, 3]
    assert len(page) == 3
    assert Page([]).next_cursor is None
