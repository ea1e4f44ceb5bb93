"""What is kept of an attempt."""

from __future__ import annotations

import json

import pytest

from singularity_workflow import DefinitionError, InvalidOutput
from singularity_workflow.model.issues import Issue
from singularity_workflow.store.replies import TaskRef
from singularity_workflow.worker.outcome import (
    Outcome,
    describe_error,
    encode_batch,
    storable_message,
)

TASK = TaskRef("01a20c24-93b3-7000-826d-b0b054f6d201", 3, 7, 2)


def caught(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_batch_says_what_became_of_each_task():
    """
    Only what there is to say is said.
    """
    batch = encode_batch(
        [
            Outcome(task=TASK, kind="completed", output=b'{"a": [1, null]}'),
            Outcome(
                task=TASK,
                kind="failed",
                error={"type": "E"},
                is_final=True,
                retry_after=2,
            ),
            Outcome(task=TASK, kind="skipped", error={"type": "Skip"}),
        ]
    )

    task = {"run": TASK.run_id, "step": 3, "task": 7, "attempt": 2}
    assert json.loads(batch) == [
        {**task, "outcome": "completed", "output": {"a": [1, None]}},
        {
            **task,
            "outcome": "failed",
            "error": {"type": "E"},
            "final": True,
            "after": 2,
        },
        {**task, "outcome": "skipped", "error": {"type": "Skip"}},
    ]


def test_an_error_has_type_message_and_traceback():
    """
    Built-ins go without their module.
    """
    found = describe_error(caught(lambda: {}["key"]))

    assert (found["type"], found["message"]) == ("KeyError", "'key'")
    assert found["traceback"].endswith("KeyError: 'key'\n")
    assert __file__ in found["traceback"]


def test_an_error_of_ours_has_no_frames():
    """
    Nobody needs to see how the engine looked at an output.
    """
    found = describe_error(InvalidOutput("the output of step 'a': $: NaN"))

    assert found["type"] == "singularity_workflow.errors.InvalidOutput"
    assert "File" not in found["traceback"]


def test_an_error_of_ours_keeps_its_hint_and_issues():
    """
    So that whoever waits elsewhere can be told what to mend.
    """
    issue = Issue(code="bad", pointer="", message="a\x00b", hint="Mend it.")

    found = describe_error(DefinitionError("wrong", hint="Look.", issues=[issue] * 101))

    assert (found["message"], found["hint"]) == ("wrong", "Look.")
    assert found["issues"][0] == {
        "code": "bad", "pointer": "", "message": "a\\x00b", "hint": "Mend it.",
    }  # fmt: skip
    assert len(found["issues"]) == 100


def test_a_library_error_that_a_step_raised_has_the_frames_of_the_step():
    """
    It says where the application called us.
    """

    def step():
        raise InvalidOutput("from the step itself")

    assert __file__ in describe_error(caught(step))["traceback"]


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\udfff\x00"])
def test_what_cannot_be_stored_is_replaced(text):
    """
    The message stays readable.
    """
    found = storable_message(ValueError(text))

    assert "\x00" not in found
    assert found.encode()
    assert "\\" in found


def test_long_texts_are_cut():
    """
    Of a traceback the beginning and the end are kept.
    """

    def step():
        raise ValueError("begin " + "x" * 100_000 + " end")

    found = describe_error(caught(step))

    assert len(found["message"]) < 20_000
    assert found["message"].startswith("begin")
    assert len(found["traceback"]) < 20_000
    assert found["traceback"].startswith("Traceback")
    assert found["traceback"].endswith(" end\n")


def test_an_error_of_ours_may_have_been_raised_with_anything():
    """
    A step of somebody else's made it; its attempt must end all the same.
    """
    odd = Issue(code=1, pointer=None, message=["a"])

    found = describe_error(DefinitionError("wrong", hint=12, issues=["cold\x00", odd]))

    assert found["hint"] == "12"
    assert found["issues"] == [
        {"code": "unknown", "pointer": "", "message": "cold\\x00"},
        {"code": "1", "pointer": "", "message": "['a']"},
    ]
