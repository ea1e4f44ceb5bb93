"""
A throw-away database for each peer, and its address in the form every driver reads.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

# what libpq (DBOS, through SQLAlchemy) and asyncpg (PgQueuer) call by one name
SHARED_OPTIONS = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey")


def database_url(dsn: str, database: str) -> str:
    """
    Address *database* on the server of *dsn* as a URL.

    *dsn* may be a URL or `key=value` pairs. The host goes into the query part, where
    a unix socket's folder and a host name are read alike.
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
    """Create an empty database on the server of *dsn*, yield its URL, drop it."""
    name = f"bench_peers_{label}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        yield database_url(dsn, name)
    finally:
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(
                sql.SQL("drop database if exists {} with (force)").format(
                    sql.Identifier(name)
                )
            )
