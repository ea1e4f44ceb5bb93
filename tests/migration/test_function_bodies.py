"""After a migration every function is valid, not only there."""

from __future__ import annotations

import pytest

from singularity_workflow.store import sql_files


@pytest.fixture
def strict(db):
    """A session in which the server checks bodies, and what plpgsql only warns of."""
    db.execute("set local check_function_bodies = on")
    db.execute("set local plpgsql.extra_errors = 'shadowed_variables'")
    return db


@pytest.mark.parametrize("function", sql_files.functions(), ids=lambda f: f.name)
def test_a_body_is_accepted_with_checks_on(strict, function):
    """
    Migrating checks none, because functions refer to each other in both directions.
    """
    strict.execute(function.text)


def test_plpgsql_check_finds_nothing(db):
    """
    Every statement of a body names tables, columns and functions that exist.
    """
    if not db.rows("select from pg_available_extensions where name = 'plpgsql_check'"):
        pytest.skip("the server offers no plpgsql_check")
    db.execute("create extension if not exists plpgsql_check")

    problems = db.rows(
        "select p.proname, c from pg_proc p join pg_language l on l.oid = p.prolang "
        "cross join plpgsql_check_function(p.oid, fatal_errors => false) c "
        "where p.pronamespace = 'singularity_workflow'::regnamespace "
        "and l.lanname = 'plpgsql'"
    )

    assert problems == []
