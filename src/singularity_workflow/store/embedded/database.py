"""The connection string of the server, and the database that it is for."""

from __future__ import annotations

from pathlib import Path

from singularity_workflow.store.embedded.settings import SUPERUSER
from singularity_workflow.store.embedded.sockets import PORT

__all__ = ["DATABASE", "conninfo", "ensure_database"]

DATABASE = "singularity_workflow"

_CONNECT_SECONDS = 30


def conninfo(socket: Path, database: str = DATABASE) -> str:
    """Return libpq's connection string for *database*."""
    # psycopg takes a tenth of a second to import, which is not this package's to spend
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    # hostaddr: a PGHOSTADDR of the environment must not lead to another server
    return make_conninfo(
        host=str(socket), hostaddr="", port=PORT, user=SUPERUSER, dbname=database
    )


def ensure_database(socket: Path) -> None:
    """
    Create the database if it is missing.

    Raises:
        psycopg.OperationalError: If the server accepts no connection.
    """
    import psycopg  # noqa: PLC0415

    with psycopg.connect(
        conninfo(socket, "postgres"), autocommit=True, connect_timeout=_CONNECT_SECONDS
    ) as connection:
        if connection.execute(_query("database_exists")).fetchone() is None:
            connection.execute(_query("create_database"))


def _query(name: str) -> bytes:
    return Path(__file__).with_name(f"{name}.sql").read_bytes()
