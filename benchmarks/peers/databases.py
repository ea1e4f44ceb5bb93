"""A throw-away database for each peer, and its address in the form every driver reads."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

# Asked for by libpq (DBOS, through SQLAlchemy) and by asyncpg (PgQueuer) under one name.
SHARED_OPTIONS = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey")

# Reported with the figures, which mean little without them.
SERVER_SETTINGS = ("server_version", "fsync", "synchronous_commit", "shared_buffers")


def database_url(dsn: str, database: str) -> str:
    """Address ``database`` on the server of ``dsn`` as a URL.

    ``dsn`` may be a URL or ``key=value`` pairs.  The host goes into the query part,
    where a unix socket's folder and a host name are read alike.
    """
    parts = {
        key: str(value)
        for key, value in conninfo_to_dict(dsn).items()
        if value is not None
    }
    login = quote(parts.get("user", ""), safe="")
    if login and "password" in parts:
        login += ":" + quote(parts["password"], safe="")
    at = f"{login}@" if login else ""
    options = {key: parts[key] for key in SHARED_OPTIONS if key in parts}
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{at}/{quote(database, safe='')}{query}"


@contextmanager
def temporary_database(dsn: str, label: str) -> Iterator[str]:
    """Create an empty database on the server of ``dsn``, yield its URL, drop it at the end."""
    name = f"bench_peers_{label}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield database_url(dsn, name)
    finally:
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(name)
                )
            )


def server_settings(dsn: str) -> dict[str, str]:
    """Read the server's version and the settings that decide what a commit costs."""
    with psycopg.connect(dsn) as connection:
        rows = [
            connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in SERVER_SETTINGS
        ]
    return {
        name: str(row[0])
        for name, row in zip(SERVER_SETTINGS, rows, strict=True)
        if row is not None
    }
