"""singularity_workflow.logging: a ready set-up, only when it is asked for."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from decimal import Decimal
from uuid import UUID

import pytest

import singularity_workflow
from singularity_workflow import Context, InvalidSetting
from singularity_workflow.logging import TaskFields, configure
from singularity_workflow.telemetry.fields import FIELDS, enter_task

LOGGER = logging.getLogger("an.application")
RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.fixture(autouse=True)
def root():
    """The root logger, which is afterwards as it was before."""
    found = logging.getLogger()
    handlers, level = list(found.handlers), found.level
    yield found
    found.handlers[:] = handlers
    found.setLevel(level)


@pytest.fixture
def output():
    """Where lines go."""
    return io.StringIO()


def lines(output):
    """Return the objects that were logged."""
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_json_is_one_object_a_line(output):
    """
    Time, level, logger and message, then what came by `extra`.
    """
    configure(json=True, stream=output)
    LOGGER.warning("hello %s\nyou", "there", extra={"step": "a", "mine": [1]})

    (found,) = lines(output)

    assert list(found)[:4] == ["time", "level", "logger", "message"]
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING",
        "logger": "an.application",
        "message": "hello there\nyou",
        "step": "a",
        "mine": [1],
    }


def test_an_exception_is_text(output):
    """
    With its traceback, inside of the same object.
    """
    configure(json=True, stream=output)
    try:
        raise ValueError("no luck")
    except ValueError:
        LOGGER.exception("failed")

    (found,) = lines(output)

    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith("ValueError: no luck")


@pytest.mark.parametrize(
    "value",
    [RUN, Decimal("1.5"), {1: 2}, 2**70, "\ud800", ..., b"x", {"a": {3, 4}}],
    ids=repr,
)
def test_whatever_is_logged_gives_a_line(output, value):
    """
    What is no JSON is shown as text; no line is lost for it.
    """
    configure(json=True, stream=output)
    LOGGER.info("hello", extra={"value": value})

    (found,) = lines(output)

    assert found["message"] == "hello"
    assert "value" in found


def test_what_is_no_json_leaves_the_other_fields_alone(output):
    """
    A number stays a number.
    """
    configure(json=True, stream=output)
    LOGGER.info("hello", extra={"value": "\ud800", "attempt": 2})

    (found,) = lines(output)

    assert found["attempt"] == 2


def test_text_ends_with_the_fields(output):
    """
    As key=value, the library's own first and in their order.
    """
    configure(stream=output)
    LOGGER.info("hello", extra={"mine": 1, "attempt": 2, "run_id": "r"})

    assert output.getvalue().endswith(
        " INFO an.application: hello run_id=r attempt=2 mine=1\n"
    )


def test_a_field_does_not_begin_another_line(output):
    """
    It could look like a record that nobody logged.
    """
    configure(stream=output)
    LOGGER.info("hello", extra={"message_type": "news\nCRITICAL forged"})

    (line,) = output.getvalue().splitlines()
    assert line.endswith(r"message_type='news\nCRITICAL forged'")


def test_an_exception_follows_its_line(output):
    """
    The fields stand before the traceback.
    """
    configure(stream=output)
    try:
        raise ValueError("no luck")
    except ValueError:
        LOGGER.exception("failed", extra={"step": "a"})

    first, *rest = output.getvalue().splitlines()
    assert first.endswith("an.application: failed step=a")
    assert rest[-1] == "ValueError: no luck"


def test_a_second_call_replaces_the_first(output, root):
    """
    No line comes twice, and handlers of others stay.
    """
    before = list(root.handlers)
    configure(stream=io.StringIO())
    configure(json=True, level="DEBUG", stream=output)
    LOGGER.debug("hello")

    assert len(lines(output)) == 1
    assert len(root.handlers) == len(before) + 1
    assert root.handlers[: len(before)] == before


@pytest.mark.parametrize("level", ["warning", "WARNING", logging.WARNING])
def test_the_level_is_the_least_that_is_logged(output, level):
    """
    By name or by number.
    """
    configure(json=True, level=level, stream=output)
    LOGGER.info("less")
    LOGGER.warning("enough")

    assert [one["message"] for one in lines(output)] == ["enough"]


@pytest.mark.parametrize("level", ["LOUD", "", True, None])
def test_an_unknown_level_is_refused(level, root):
    """
    And nothing is changed.
    """
    before = list(root.handlers)

    with pytest.raises(InvalidSetting, match="there is no level"):
        configure(level=level)

    assert root.handlers == before


def in_task(function):
    """Call a function as the code of a task."""
    import contextvars

    def enter():
        enter_task(Context(RUN, "flow", "a", 3, 2), UUID(int=1))
        return function()

    return contextvars.copy_context().run(enter)


def test_inside_of_a_task_records_tell_which_it_is(output):
    """
    All but what the record says itself.
    """
    configure(json=True, stream=output)
    in_task(lambda: LOGGER.info("hello", extra={"attempt": 9}))
    LOGGER.info("outside")

    inside, outside = lines(output)

    assert {name: inside[name] for name in FIELDS if name in inside} == {
        "run_id": str(RUN),
        "workflow": "flow",
        "step": "a",
        "task_index": 3,
        "attempt": 9,
        "worker_id": str(UUID(int=1)),
    }
    assert not set(outside) & set(FIELDS)


def test_the_filter_serves_handlers_of_others(output):
    """
    Programs with a set-up of their own hang it on their handler.
    """
    handler = logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter("%(step)s: %(message)s"))
    handler.addFilter(TaskFields())
    LOGGER.addHandler(handler)
    try:
        in_task(lambda: LOGGER.warning("hello"))
    finally:
        LOGGER.removeHandler(handler)

    assert output.getvalue() == "a: hello\n"


def test_importing_sets_nothing_up_and_asking_does():
    """
    The module needs no import of its own, and is not that of the standard library.
    """
    program = (
        "import logging, sys, singularity_workflow\n"
        "assert 'singularity_workflow.logging' not in sys.modules\n"
        "import singularity_workflow.engine.session, singularity_workflow.cli\n"
        "library = logging.getLogger('singularity_workflow')\n"
        "assert logging.getLogger().handlers == library.handlers == []\n"
        "assert library.level == logging.NOTSET\n"
        "singularity_workflow.logging.configure()\n"
        "assert len(logging.getLogger().handlers) == 1\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert singularity_workflow.logging is not logging
