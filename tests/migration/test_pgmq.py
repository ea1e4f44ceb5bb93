"""pgmq: from the package's SQL where the server has no extension, and never too old."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import psycopg
import pytest

from migration.support import migrate
from singularity_workflow.errors import PgmqUnavailable
from singularity_workflow.store import pgmq


@pytest.fixture
def plain_server(server):
    """The address of a server that offers no pgmq extension."""
    with psycopg.connect(server.dsn) as connection:
        if connection.execute(
            "select from pg_available_extensions where name = 'pgmq'"
        ).fetchone():
            pytest.skip("the server offers pgmq as an extension")
    return server.dsn


@pytest.mark.usefixtures("plain_server")
def test_the_shipped_sql_gives_a_working_pgmq(empty_database):
    """
    Queues can be made, written and read.
    """
    migrate(empty_database)

    with psycopg.connect(empty_database) as connection:
        connection.execute("select pgmq.create('mine')")
        connection.execute("select pgmq.send('mine', '{\"a\": 1}')")
        row = connection.execute("select * from pgmq.read('mine', 30, 1)").fetchone()

    assert row[5] == {"a": 1}


@pytest.mark.usefixtures("plain_server")
def test_a_pgmq_that_is_there_is_kept(empty_database):
    """
    With its queues and what they hold.
    """
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(pgmq._shipped_sql())
        connection.execute("select pgmq.create('mine')")
        connection.execute("select pgmq.send('mine', '{}')")

        migrate(empty_database)

        count = connection.execute("select count(*) from pgmq.q_mine").fetchone()
    assert count == (1,)


def test_an_older_pgmq_is_refused_with_a_hint(empty_database):
    """
    Before 1.5 messages had no headers; nothing of ours is created beside it.
    """
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("create schema pgmq")
        connection.execute(
            "create type pgmq.message_record as (msg_id bigint, message jsonb)"
        )

        with pytest.raises(PgmqUnavailable) as caught:
            migrate(empty_database)

        schema = connection.execute("select to_regnamespace('singularity_workflow')")
        assert schema.fetchone() == (None,)
    assert "1.5" in caught.value.message
    assert "alter extension pgmq update" in caught.value.hint


@pytest.mark.parametrize("where", ["extension_version", "available_version"])
def test_an_older_extension_is_refused(empty_database, monkeypatch, where):
    """
    Whether it is installed or could be.
    """
    found = {
        "is_installed": where == "extension_version",
        "extension_version": None,
        "available_version": None,
        "marked_version": None,
        where: "1.4.4",
    }

    async def status(_connection):
        return found

    monkeypatch.setattr(pgmq, "_status", status)

    with pytest.raises(PgmqUnavailable) as caught:
        migrate(empty_database)

    assert "1.4.4" in caught.value.message


@pytest.mark.usefixtures("plain_server")
def test_without_the_package_there_is_a_hint(empty_database, monkeypatch):
    """
    Neither extension nor SQL: the message says how to get one.
    """

    def nothing(_name):
        raise PackageNotFoundError

    monkeypatch.setattr(pgmq, "distribution", nothing)

    with pytest.raises(PgmqUnavailable) as caught:
        migrate(empty_database)

    assert "pip install" in caught.value.hint
