"""Bringing a database to the library's schema, and refusing what does not fit."""

from __future__ import annotations

import secrets
from dataclasses import replace

import psycopg
import pytest
from fixtures.definitions import single
from fixtures.workbench import Db
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migration.support import check, migrate, migrate_many, status
from singularity_workflow.errors import (
    ConfigurationError,
    SchemaIncomplete,
    SchemaOutdated,
    SchemaTooNew,
)
from singularity_workflow.store import migrate as migrations
from singularity_workflow.store import sql_files

FIRST = sql_files.migrations()[0].name
LEDGER = "singularity_workflow.schema_migrations"


@pytest.fixture
def migrated(empty_database):
    """A database that has just been migrated."""
    migrate(empty_database)
    return empty_database


def execute(dsn, query, *parameters):
    """Run one statement, and return its rows if it has any."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def test_everything_is_applied_to_an_empty_database(empty_database):
    """
    All migrations in order, then all functions; afterwards nothing is missing.
    """
    applied = migrate(empty_database)

    assert applied == (
        *(m.name for m in sql_files.migrations()),
        *(f"function {f.name}" for f in sql_files.functions()),
    )
    assert status(empty_database).pending == ()
    check(empty_database)


def test_a_second_time_nothing_is_done(migrated):
    """
    The ledger is not touched either.
    """
    before = execute(migrated, f"select * from {LEDGER} order by kind, name")

    assert migrate(migrated) == ()

    assert execute(migrated, f"select * from {LEDGER} order by kind, name") == before


def test_a_migrated_database_runs_workflows(migrated):
    """
    Registration, start, claim and report work on what was applied.
    """
    with Db.open(migrated) as db:
        run = db.start(db.make_workflow(single("a")))
        db.work(a="done")

        assert run.output == {"a": "done"}


def test_the_owner_of_a_database_may_migrate_it(databases, empty_database):
    """
    Nothing needs a superuser where pgmq comes as plain SQL.
    """
    name = f"swf_test_{secrets.token_hex(4)}"
    role = sql.Identifier(name)
    database = sql.Identifier(conninfo_to_dict(empty_database)["dbname"])
    admin = databases.connection
    if admin.execute(
        "select from pg_available_extensions where name = 'pgmq'"
    ).fetchone():
        pytest.skip("the server offers pgmq as an extension")
    admin.execute(sql.SQL("create role {}").format(role))
    try:
        admin.execute(sql.SQL("alter database {} owner to {}").format(database, role))

        applied = migrate(make_conninfo(empty_database, options=f"-c role={name}"))

        assert applied[0] == FIRST
        owner = "select nspowner::regrole::text from pg_namespace where nspname = %s"
        assert execute(empty_database, owner, "singularity_workflow") == [(name,)]
    finally:
        databases.drop(conninfo_to_dict(empty_database)["dbname"])
        admin.execute(sql.SQL("drop role {}").format(role))


def test_a_changed_function_is_applied_again(migrated):
    """
    That one, and no other.
    """
    execute(
        migrated,
        "create or replace function singularity_workflow.next_timer_in() "
        "returns double precision language sql as 'select -1.0::float8'",
    )
    execute(
        migrated,
        f"update {LEDGER} set checksum = 'old' where name = 'timers/next_timer_in'",
    )
    assert status(migrated).pending == ("function timers/next_timer_in",)

    assert migrate(migrated) == ("function timers/next_timer_in",)

    assert execute(migrated, "select singularity_workflow.next_timer_in()") == [(None,)]


def test_functions_are_applied_all_or_none(migrated, monkeypatch):
    """
    One that the server refuses undoes the others of the same call.
    """
    good, *rest = sql_files.functions()
    changed = replace(good, checksum="new")
    broken = replace(rest[0], checksum="new", text="create function nonsense")
    monkeypatch.setattr(sql_files, "functions", lambda: (changed, broken))

    with pytest.raises(psycopg.errors.SyntaxError):
        migrate(migrated)

    assert execute(migrated, f"select from {LEDGER} where checksum = 'new'") == []


def test_a_migration_takes_effect_with_its_functions(empty_database, monkeypatch):
    """
    If a function is refused, the workers of the old library still find theirs.
    """
    good, *_ = sql_files.functions()
    broken = replace(good, checksum="new", text="create function nonsense")
    monkeypatch.setattr(sql_files, "functions", lambda: (broken,))

    with pytest.raises(psycopg.errors.SyntaxError):
        migrate(empty_database)

    assert execute(empty_database, f"select from {LEDGER}") == []


def test_a_migration_that_fails_leaves_nothing(empty_database):
    """
    A table of its own stands in the way: all or nothing is created.
    """
    execute(
        empty_database,
        "create schema singularity_workflow; "
        "create table singularity_workflow.workers (mine int)",
    )

    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(empty_database)

    tables = execute(
        empty_database,
        "select tablename from pg_tables "
        "where schemaname = 'singularity_workflow' order by 1",
    )
    assert tables == [("schema_migrations",), ("workers",)]
    assert execute(empty_database, f"select * from {LEDGER}") == []


def test_an_edited_migration_is_refused(migrated):
    """
    What was applied and what is shipped are two things under one name.
    """
    execute(migrated, f"update {LEDGER} set checksum = 'x' where kind = 'migration'")

    with pytest.raises(SchemaIncomplete) as caught:
        migrate(migrated)

    assert FIRST in caught.value.message
    assert caught.value.hint


def test_a_connection_to_an_edited_schema_is_refused(migrated):
    """
    As check_schema promises.
    """
    execute(migrated, f"update {LEDGER} set checksum = 'x' where kind = 'migration'")

    with pytest.raises(SchemaIncomplete):
        check(migrated)


@pytest.mark.parametrize("call", [migrate, check])
def test_a_migration_that_this_library_does_not_know_is_refused(migrated, call):
    """
    A newer library was here; the hint is to install it.
    """
    execute(
        migrated,
        f"insert into {LEDGER} (kind, name, number, checksum, library, applied_at) "
        "values ('migration', '9999_pre_tx_future', 9999, 'x', '99.1', now())",
    )

    with pytest.raises(SchemaTooNew) as caught:
        call(migrated)

    assert "99.1" in caught.value.hint


@pytest.mark.parametrize("call", [migrate, check])
def test_functions_of_a_newer_library_are_not_turned_back(migrated, call):
    """
    Though its migrations are the same.
    """
    execute(migrated, f"update {LEDGER} set library = '99.1' where kind = 'function'")

    with pytest.raises(SchemaTooNew):
        call(migrated)


def test_a_database_without_a_schema_is_refused(empty_database):
    """
    The hint is the command that helps.
    """
    with pytest.raises(SchemaOutdated) as caught:
        check(empty_database)

    assert "db migrate" in caught.value.hint


def test_a_schema_that_lacks_something_is_refused(migrated):
    """
    The first of what is missing is named.
    """
    execute(migrated, f"delete from {LEDGER} where name = 'clock/now'")

    with pytest.raises(SchemaOutdated) as caught:
        check(migrated)

    assert "clock/now" in caught.value.message


def test_a_migration_that_was_begun_and_not_finished_is_refused(migrated):
    """
    Nobody works on half a schema.
    """
    execute(migrated, f"update {LEDGER} set applied_at = null where kind = 'migration'")

    with pytest.raises(SchemaIncomplete) as caught:
        check(migrated)

    assert FIRST in caught.value.message


def test_a_migration_that_was_begun_is_carried_on(empty_database):
    """
    The next call applies it, as if nothing had been.
    """
    execute(empty_database, sql_files.query("schema/create_ledger"))
    execute(
        empty_database,
        f"insert into {LEDGER} (kind, name, number, checksum, library) "
        "values ('migration', %s, 1, 'x', '0')",
        FIRST,
    )

    assert migrate(empty_database)[0] == FIRST

    check(empty_database)


def test_many_connections_migrate_at_once(empty_database):
    """
    One applies everything, the others find nothing to do.
    """
    applied = migrate_many(empty_database, 8)

    assert sorted(map(len, applied))[:-1] == [0] * 7
    assert max(map(len, applied)) > len(sql_files.functions())
    check(empty_database)


def test_an_old_server_is_refused(empty_database, monkeypatch):
    """
    Before anything is created.
    """
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 99)

    with pytest.raises(ConfigurationError) as caught:
        migrate(empty_database)

    assert "99" in caught.value.message
    exists = (
        "select from pg_namespace where nspname in ('pgmq', 'singularity_workflow')"
    )
    assert execute(empty_database, exists) == []


def test_looking_changes_nothing(empty_database):
    """
    The status of an empty database names all that is pending.
    """
    found = status(empty_database)

    assert found.pending[0] == FIRST
    assert isinstance(found.problem, SchemaOutdated)
    assert execute(empty_database, "select to_regclass(%s)", LEDGER) == [(None,)]


def test_the_lock_is_given_back(migrated):
    """
    A migration leaves no advisory lock with its session, also when it fails.
    """
    execute(migrated, f"update {LEDGER} set checksum = 'x' where kind = 'migration'")
    for _ in range(2):
        with pytest.raises(SchemaIncomplete):
            migrate(migrated)

    assert (
        execute(
            migrated,
            "select from pg_locks where locktype = 'advisory' and database = "
            "(select oid from pg_database where datname = current_database())",
        )
        == []
    )
