"""Errors: one tree, messages with hints, and the codes of the SQL core."""

from __future__ import annotations

import inspect
import pickle
import re
from importlib import resources
from uuid import UUID

import pytest

from singularity_workflow import errors
from singularity_workflow.errors import (
    ConfigurationError,
    ConnectionFailed,
    DefinitionError,
    InvalidInput,
    InvalidOutput,
    InvalidSetting,
    RunCancelled,
    RunError,
    RunFailed,
    RunNotFound,
    RunTimeout,
    SchemaError,
    SchemaOutdated,
    SingularityError,
    StateTransitionError,
    StepTimeout,
    WorkflowNotFound,
    error_for_sqlstate,
)
from singularity_workflow.model.issues import Issue

RUN = UUID(int=7)
CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, SingularityError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_one_of_ours(kind):
    """
    All are exported, documented, in the tree of the module, and of one base class.
    """
    assert kind.__name__ in errors.__all__
    assert kind.__doc__
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (DefinitionError, [ValueError]),
        (InvalidSetting, [ConfigurationError, ValueError]),
        (SchemaOutdated, [SchemaError, ConfigurationError]),
        (RunNotFound, [RunError, LookupError]),
        (RunFailed, [RunError]),
        (RunCancelled, [RunError]),
        (RunTimeout, [RunError, TimeoutError]),
        (StepTimeout, [RunError, TimeoutError]),
        (StateTransitionError, [RunError]),
        (WorkflowNotFound, [LookupError]),
        (InvalidInput, [ValueError]),
        (InvalidOutput, [ValueError]),
        (ConnectionFailed, [ConnectionError]),
    ],
)
def test_an_error_can_be_caught_as_what_it_is(kind, bases):
    """
    Where Python has a class for the kind of error, ours is one of it too.
    """
    assert all(issubclass(kind, base) for base in [SingularityError, *bases])


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_shows_its_message_and_its_hint(kind):
    """
    The hint stands on a line of its own.
    """
    plain, hinted = kind("what happened"), kind("what happened", hint="Do this.")

    assert (str(plain), plain.message, plain.hint) == ("what happened",) * 2 + (None,)
    assert str(hinted) == "what happened\nHint: Do this."


@pytest.mark.parametrize(
    "error",
    [
        DefinitionError(
            "bad", hint="h", issues=[Issue(code="c", pointer="/a", message="m")]
        ),
        RunFailed(
            "bad",
            run_id=RUN,
            step="load",
            error_type="ValueError",
            remote_traceback="Traceback",
            attempts=3,
        ),
        RunCancelled("bad", run_id=RUN, reason="because"),
        RunTimeout("bad", hint="h", run_id=RUN),
        StepTimeout("bad", run_id=RUN),
        ConnectionFailed("bad", hint="h"),
        InvalidSetting("bad", hint="h"),
    ],
)
def test_an_error_survives_pickling(error):
    """
    Errors come out of process pools with all that they carry.
    """
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_failed_run_shows_the_remote_traceback():
    """
    The traceback of the process that ran the step comes last.
    """
    error = RunFailed(
        "step 'load' failed", hint="Retry it.", remote_traceback="Traceback:\n  x\n\n"
    )

    assert str(error).endswith("Hint: Retry it.\n\nRemote traceback:\nTraceback:\n  x")


def test_every_code_belongs_to_one_class():
    """
    The way from a code to its error is unique.
    """
    codes = [one.sqlstate for one in CLASSES if one.sqlstate]

    assert len(codes) == len(set(codes))
    assert all(type(error_for_sqlstate(code, "m")).sqlstate == code for code in codes)


def test_every_code_of_the_sql_core_has_a_class():
    """
    No code is raised in SQL that Python does not know.
    """
    root = resources.files("singularity_workflow") / "sql"
    files = [path for path in root.glob("**/*.sql") if path.is_file()]

    raised = {
        code
        for path in files
        for code in re.findall(r"errcode = '(SW\d\d\d)'", path.read_text())
    }

    assert raised
    assert {code for code in raised if error_for_sqlstate(code, "m") is None} == set()


def test_a_code_becomes_its_error_with_message_and_hint():
    """
    What the SQL core said is what the error says.
    """
    error = error_for_sqlstate("SW404", "no such workflow", "Register it.")

    assert type(error) is WorkflowNotFound
    assert (error.message, error.hint) == ("no such workflow", "Register it.")


@pytest.mark.parametrize("code", [None, "", "23505", "SW999"])
def test_other_codes_are_no_errors_of_ours(code):
    """
    What PostgreSQL itself raises is left to the caller.
    """
    assert error_for_sqlstate(code, "m") is None


def test_a_subclass_of_an_application_takes_no_code():
    """
    An application may derive its own errors without changing ours.
    """

    class MyInput(InvalidInput):
        def __init__(self):
            super().__init__("mine")

    error = error_for_sqlstate("SW401", "no array")

    assert MyInput.sqlstate == "SW401"
    assert type(error) is InvalidInput
