"""The reference: it is what the source says, and it leaves nothing out."""

from __future__ import annotations

import inspect
import re

import pytest

import singularity_workflow
from docs.pages import DOCS, ROOT, prose
from singularity_workflow import AsyncEngine, Worker, errors
from singularity_workflow.cli.main import _parser
from singularity_workflow.model.options import (
    MAP_ONLY,
    StepOptions,
    WorkflowOptions,
    option_docs,
)
from singularity_workflow.model.statuses import (
    RunStatus,
    StepStatus,
    TaskStatus,
    WaitReason,
)

REFERENCE = DOCS / "reference"
SOURCE = ROOT / "src" / "singularity_workflow"


def read(name):
    return (REFERENCE / name).read_text("utf-8")


def missing(names, page):
    """Return those of *names* that do not stand as code on a page."""
    text = read(page)
    return [name for name in names if f"`{name}" not in text]


def test_the_generated_pages_are_up_to_date():
    """
    After a change of a docstring or a signature: python docs/tools/reference.py.
    """
    import reference

    assert reference.outdated() == []


def test_every_public_name_has_its_place():
    """
    What can be imported from the top is described.
    """
    text = read("api.md")

    assert [
        name
        for name in singularity_workflow.__all__
        if f"### {name}\n" not in text and f"`{name}`" not in text
    ] == []


def test_every_option_is_described():
    """
    What a decorator or a workflow takes stands in the table.
    """
    options = {**option_docs(StepOptions), **option_docs(WorkflowOptions)}

    assert missing([*options, *MAP_ONLY, "name", "depends_on"], "options.md") == []


def test_every_error_is_described():
    """
    The same holds for what is raised, and for each SQLSTATE.
    """
    names = [name for name in errors.__all__ if name[0].isupper()]
    text = read("errors.md")

    assert missing(names, "errors.md") == []
    for name in names:
        code = vars(getattr(errors, name)).get("sqlstate")
        assert code is None or code in text


def test_every_sqlstate_of_the_functions_is_an_error():
    """
    What the database raises can be looked up.
    """
    raised = {
        code
        for path in (SOURCE / "sql").rglob("*.sql")
        for code in re.findall(r"'(SW\d{3})'", path.read_text("utf-8"))
    }

    assert raised
    assert [code for code in sorted(raised) if code not in read("errors.md")] == []


def commands(parser, prefix=""):
    """Return the full names of all commands that can be called."""
    groups = [one for one in parser._actions if hasattr(one, "choices") and one.choices]
    nested = [one for one in groups if isinstance(one.choices, dict)]
    if not nested:
        return [prefix.strip()]
    return [
        name
        for group in nested
        for key, child in group.choices.items()
        for name in commands(child, f"{prefix} {key}")
    ]


def test_every_command_is_described():
    """
    What can be typed has a section.
    """
    text = read("cli.md")

    assert [one for one in commands(_parser()) if f"## {one}\n" not in text] == []


def test_every_environment_variable_is_described():
    """
    What the source asks of the environment stands in the settings.
    """
    text = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    read_directly = re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", text)
    constants = re.findall(r"_VARIABLES?\b[^=]*= \(?\"(\w+)\"(?:, \"(\w+)\")?", text)
    ours = re.findall(r"\bSINGULARITY_WORKFLOW_[A-Z_]+\b", text)
    names = {*read_directly, *(one for pair in constants for one in pair if one), *ours}

    assert names >= {"DATABASE_URL", "SINGULARITY_WORKFLOW_HOME"}
    assert missing(sorted(names), "settings.md") == []


@pytest.mark.parametrize("kind", [AsyncEngine, Worker])
def test_every_argument_is_described(kind):
    """
    An engine and a worker have no setting that the page does not tell.
    """
    assert missing(inspect.signature(kind).parameters, "settings.md") == []


@pytest.mark.parametrize("kind", [RunStatus, StepStatus, TaskStatus, WaitReason])
def test_every_status_is_described(kind):
    """
    What a row can say of itself is explained.
    """
    assert missing([one.value for one in kind], "statuses.md") == []


def test_every_table_is_explained():
    """
    A table of the schema has a section of its own.
    """
    named = {
        name
        for path in (SOURCE / "sql").rglob("*.sql")
        for name in re.findall(
            r"create table (?:if not exists )?singularity_workflow\.(\w+)",
            path.read_text("utf-8"),
        )
    }
    page = (DOCS / "internals" / "schema.md").read_text("utf-8")

    assert len(named) > 5
    assert [one for one in sorted(named) if f"`{one}`" not in page] == []


def test_the_public_functions_come_first():
    """
    Whoever calls from SQL finds them before what is internal.
    """
    from sql_page import read_functions

    public = [one.name for one in read_functions() if one.is_public]
    before, _, after = read("sql_functions.md").partition("## Internal")

    assert {"start_run", "report_tasks"} <= set(public)
    assert [name for name in public if f"### {name}\n" not in before] == []
    assert "###" not in prose(after)
