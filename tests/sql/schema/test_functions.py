"""All functions of the schema: comments, search paths, codes and dependencies."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from singularity_workflow import errors
from singularity_workflow.store import sql_files

FUNCTIONS = sql_files.functions()
INLINED = {"tasks/task_message"}
CODE = re.compile(r"errcode = '(\w+)'")


def code_of(function):
    """Return the text of a function without its comments."""
    return re.sub(r"--.*", "", function.text)


@pytest.fixture(scope="module")
def catalog(shared_db):
    """What the server knows of each function, by name."""
    rows = shared_db.rows(
        "select p.proname, p.proconfig, obj_description(p.oid, 'pg_proc') as comment, "
        "p.prosecdef, l.lanname from pg_proc p join pg_language l on l.oid = p.prolang "
        "where p.pronamespace = 'singularity_workflow'::regnamespace"
    )
    return {row.proname: row for row in rows}


def name_of(function):
    """Return the name of the function in a file."""
    return function.name.rpartition("/")[2]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_a_function_is_documented_and_pinned(catalog, function):
    """
    Each has a COMMENT and an empty search_path, so that no caller's schema is used.
    """
    row = catalog[name_of(function)]

    assert row.comment
    assert not row.prosecdef
    if function.name not in INLINED:
        assert 'search_path=""' in row.proconfig


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_a_file_has_its_header(function):
    """
    Role, callers, locks and errors stand above the function of the file's name.
    """
    head, _, body = function.text.partition("create or replace function")

    assert head.startswith(f"-- singularity_workflow.{name_of(function)}: ")
    for label in ("-- Called by  ", "-- Locks      ", "-- Errors     "):
        assert label in head
    assert body.lstrip().startswith(f"singularity_workflow.{name_of(function)}(")


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_a_header_names_the_codes_that_are_raised(function):
    """
    And every exception has one.
    """
    code = code_of(function)
    head = function.text.partition("create or replace")[0]

    codes = CODE.findall(code)

    assert len(codes) == code.count("raise exception")
    assert all(found in head for found in codes)


def test_every_code_has_one_class():
    """
    What the SQL core raises, Python knows by its class, and the other way round.
    """
    raised = {code for f in FUNCTIONS for code in CODE.findall(code_of(f))}
    classes = [
        found
        for found in vars(errors).values()
        if isinstance(found, type) and vars(found).get("sqlstate")
    ]

    codes = [found.sqlstate for found in classes]

    assert len(codes) == len(set(codes))
    assert raised <= set(codes)
    for code in raised:
        assert type(errors.error_for_sqlstate(code, "x")).sqlstate == code


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_a_header_names_the_callers(function):
    """
    All functions that call this one, and no other; or what they have in common.
    """
    own = name_of(function)
    head = function.text.partition("create or replace")[0]
    called_by = re.search(r"-- Called by  (.*?)\n-- Locks", head, re.DOTALL)[1]
    words = set(re.findall(r"\b\w+\b", re.sub(r"Store\.\w+|\bp_\w+", "", called_by)))
    callers = {
        name_of(f)
        for f in FUNCTIONS
        if name_of(f) != own and f"singularity_workflow.{own}(" in code_of(f)
    }

    named = words & {name_of(f) for f in FUNCTIONS} - {own}

    assert named in (callers, set())
    assert not any(re.fullmatch(r"[a-z]+(_[a-z]+)+", word) for word in words - named)


def test_the_server_knows_no_function_twice(shared_db):
    """
    An overload would be a forgotten signature.
    """
    twice = shared_db.rows(
        "select proname from pg_proc "
        "where pronamespace = 'singularity_workflow'::regnamespace "
        "group by 1 having count(*) > 1"
    )

    assert twice == []


def test_every_query_is_valid(shared_db):
    """
    The server can prepare each query, so that every function it names is there.
    """
    root = resources.files("singularity_workflow") / "sql" / "queries"
    names = [
        f"{area.name}/{file.name.removesuffix('.sql')}"
        for area in root.iterdir()
        for file in area.iterdir()
        if area.name != "schema"
    ]

    for name in names:
        text = re.sub(r"%\(\w+\)s", "null", sql_files.query(name))
        if text.lstrip().startswith("select"):
            shared_db.execute(f"explain {text}")

    assert len(names) > 10
